extension JSONView {
    /// Whether two values mean the same.
    ///
    /// Numbers compare by their exact decimal value (`1`, `1.0` and `10e-1` are one), strings by code points with
    /// escapes resolved, arrays in order, objects without regard to the order of keys. Costs at most n log n in the
    /// text's length for each level of nesting.
    package func structurallyEquals(_ other: JSONView) -> Bool {
        guard kind == other.kind else { return false }
        if bytes == other.bytes { return true }
        switch kind {
        case .null: return true
        case .bool: return bool == other.bool
        case .string: return stringBytes == other.stringBytes
        case .number: return DecimalNumber(bytes) == DecimalNumber(other.bytes)
        case .array:
            let (mine, theirs) = (elements(), other.elements())
            return mine.count == theirs.count && zip(mine, theirs).allSatisfy { $0.structurallyEquals($1) }
        case .object:
            let (mine, theirs) = (membersByKey(), other.membersByKey())
            return mine.count == theirs.count
                && zip(mine, theirs).allSatisfy { $0.key == $1.key && $0.value.structurallyEquals($1.value) }
        }
    }

    /// Sorted by key; those of one key stay in the order in which they were sent.
    private func membersByKey() -> [(key: ArraySlice<UInt8>, offset: Int, value: JSONView)] {
        rawMembers().sorted { left, right in
            if left.key == right.key { return left.offset < right.offset }
            return left.key.lexicographicallyPrecedes(right.key)
        }
    }
}

/// A JSON number without rounding: `digits` × 10^`exponent`, with no zero at either end of the digits.
struct DecimalNumber: Equatable {
    private var isNegative = false
    private var digits: [UInt8] = []
    private var exponent = 0
    /// The number as written, kept only when its exponent is beyond 18 digits and so is not computed with.
    private var beyondComputing: [UInt8]?

    /// Reads a number whose grammar was checked.
    init(_ text: ArraySlice<UInt8>) {
        let mantissa = text.prefix { $0 | 0x20 != ASCII.e }
        var fractionCount = 0
        var isFraction = false
        for byte in mantissa {
            switch byte {
            case ASCII.minus: isNegative = true
            case ASCII.point: isFraction = true
            default:
                if isFraction { fractionCount += 1 }
                if byte != ASCII.zero || !digits.isEmpty { digits.append(byte) }
            }
        }
        guard !digits.isEmpty else {
            isNegative = false
            return
        }
        let written = text[mantissa.endIndex...].dropFirst()
        guard let power = Self.exponent(written) else {
            beyondComputing = Array(text)
            return
        }
        exponent = power - fractionCount
        while digits.last == ASCII.zero {
            digits.removeLast()
            exponent += 1
        }
    }

    private static func exponent(_ written: ArraySlice<UInt8>) -> Int? {
        let isNegative = written.first == ASCII.minus
        let significant = written.drop { $0 == ASCII.minus || $0 == ASCII.plus || $0 == ASCII.zero }
        guard significant.count <= 18 else { return nil }
        let magnitude = significant.reduce(0) { $0 * 10 + Int($1 & 0x0F) }
        return isNegative ? -magnitude : magnitude
    }
}
