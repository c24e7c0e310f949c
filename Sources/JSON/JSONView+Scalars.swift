extension JSONView {
    /// The text of a string with its escapes resolved; nil for every other kind.
    package var string: String? { stringBytes.map { String(decoding: $0, as: UTF8.self) } }

    /// The UTF-8 of a string with its escapes resolved, a slice of ``text`` where there are none; nil for every other
    /// kind.
    package var stringBytes: ArraySlice<UInt8>? {
        guard kind == .string else { return nil }
        return unescaped(range.lowerBound + 1..<range.upperBound - 1)
    }

    /// Whether the value is a string whose characters are those of `literal`, code point by code point.
    package func isString(_ literal: StaticString) -> Bool {
        guard let bytes = stringBytes else { return false }
        return bytes.withUnsafeBufferPointer { content in
            literal.withUTF8Buffer { $0.elementsEqual(content) }
        }
    }

    /// A number in plain integer syntax that fits 64 bits with a sign; nil for every other kind, for `1.0` and for
    /// `1e3`.
    package var integer: Int64? {
        guard let (isNegative, magnitude) = integerParts else { return nil }
        guard isNegative else { return Int64(exactly: magnitude) }
        return magnitude == Int64.min.magnitude ? .min : Int64(exactly: magnitude).map { -$0 }
    }

    /// A number in plain integer syntax that fits 64 bits without a sign; nil for everything else.
    package var unsigned: UInt64? {
        guard let (isNegative, magnitude) = integerParts, !isNegative || magnitude == 0 else { return nil }
        return magnitude
    }

    /// The nearest double to a number; nil for every other kind, and for a number beyond a double's range.
    package var double: Double? {
        guard kind == .number else { return nil }
        guard let value = Double(String(decoding: bytes, as: UTF8.self)), value.isFinite else { return nil }
        return value
    }

    private var integerParts: (isNegative: Bool, magnitude: UInt64)? {
        guard kind == .number else { return nil }
        return walk { walker in
            let isNegative = walker.base[walker.position] == ASCII.minus
            var magnitude: UInt64 = 0
            for index in walker.position + (isNegative ? 1 : 0)..<walker.end {
                let byte = walker.base[index]
                guard ASCII.isDigit(byte) else { return nil }
                let (product, isTooLarge) = magnitude.multipliedReportingOverflow(by: 10)
                let (sum, isTooLargeNow) = product.addingReportingOverflow(UInt64(byte & 0x0F))
                guard !isTooLarge, !isTooLargeNow else { return nil }
                magnitude = sum
            }
            return (isNegative, magnitude)
        }
    }

    /// The bytes of a string's content with its escapes resolved.
    func unescaped(_ content: Range<Int>) -> ArraySlice<UInt8> {
        let isEscaped = text.withUnsafeBufferPointer { buffer in
            buffer[content].contains(ASCII.backslash)
        }
        guard isEscaped else { return text[content] }
        var result: [UInt8] = []
        result.reserveCapacity(content.count)
        var position = content.lowerBound
        while position < content.upperBound {
            let byte = text[position]
            position += 1
            if byte == ASCII.backslash {
                appendEscape(at: &position, to: &result)
            } else {
                result.append(byte)
            }
        }
        return result[...]
    }

    /// Resolves the escape whose letter is at `position`, and steps behind it.
    private func appendEscape(at position: inout Int, to result: inout [UInt8]) {
        let letter = text[position]
        position += 1
        switch letter {
        case ASCII.b: result.append(0x08)
        case ASCII.f: result.append(0x0C)
        case ASCII.n: result.append(ASCII.newline)
        case ASCII.r: result.append(ASCII.carriageReturn)
        case ASCII.t: result.append(ASCII.tab)
        case ASCII.u:
            var scalar = UInt32(codeUnit(at: &position))
            if scalar & 0xF800 == 0xD800 {
                position += 2
                scalar = 0x10000 + ((scalar & 0x3FF) << 10) + UInt32(codeUnit(at: &position) & 0x3FF)
            }
            guard let character = Unicode.Scalar(scalar), let encoded = UTF8.encode(character) else {
                preconditionFailure("validated JSON text holds no unpaired surrogate")
            }
            result.append(contentsOf: encoded)
        default: result.append(letter)
        }
    }

    private func codeUnit(at position: inout Int) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let digit = ASCII.hexadecimal(text[position]) else {
                preconditionFailure("validated JSON text has four digits in every \\u escape")
            }
            unit = unit << 4 | digit
            position += 1
        }
        return unit
    }
}
