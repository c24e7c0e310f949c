/// Why bytes could not be read as the format that they should have.
package enum FormatError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The bytes end before the field does.
    case truncated
    /// A field holds what it may not; the text names the field.
    case invalid(String)
    /// The format's version is one that this build does not read.
    case unknownVersion(found: UInt8, known: UInt8)

    package var description: String {
        switch self {
        case .truncated: "the bytes end too early"
        case .invalid(let field): "\(field) is not valid"
        case .unknownVersion(let found, let known): "format version \(found) is not known, this build reads version \(known)"
        }
    }
}

/// Reads back what ``ByteWriter`` wrote, checking every length before it is believed.
package struct ByteReader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    package init(_ bytes: [UInt8]) { self.init(bytes[...]) }

    package init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    package var remaining: Int { bytes.endIndex - position }

    package var isAtEnd: Bool { remaining == 0 }

    package mutating func u8() throws(FormatError) -> UInt8 {
        guard remaining >= 1 else { throw .truncated }
        defer { position += 1 }
        return bytes[position]
    }

    package mutating func u16() throws(FormatError) -> UInt16 { UInt16(truncatingIfNeeded: try fixed(2)) }

    package mutating func u32() throws(FormatError) -> UInt32 { UInt32(truncatingIfNeeded: try fixed(4)) }

    package mutating func u64() throws(FormatError) -> UInt64 { try fixed(8) }

    package mutating func varint() throws(FormatError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            let byte = try u8()
            guard shift < 63 || (shift == 63 && byte <= 1) else { throw .invalid("varint") }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
    }

    /// A varint that counts or measures something, refused above `limit`.
    package mutating func count(upTo limit: Int) throws(FormatError) -> Int {
        let value = try varint()
        guard value <= UInt64(limit) else { throw .invalid("length") }
        return Int(value)
    }

    package mutating func string() throws(FormatError) -> String {
        let run = try run()
        // Nearly all is ASCII, which needs no more than a look.
        if run.allSatisfy({ $0 < 0x80 }) { return String(decoding: run, as: UTF8.self) }
        guard let text = String(validating: run, as: UTF8.self) else { throw .invalid("UTF-8 text") }
        return text
    }

    package mutating func run() throws(FormatError) -> ArraySlice<UInt8> { try raw(try count(upTo: remaining)) }

    package mutating func raw(_ count: Int) throws(FormatError) -> ArraySlice<UInt8> {
        guard count >= 0, count <= remaining else { throw .truncated }
        defer { position += count }
        return bytes[position..<position + count]
    }

    /// Refuses bytes left over after the last field.
    package func finish() throws(FormatError) {
        guard isAtEnd else { throw .invalid("trailing bytes") }
    }

    private mutating func fixed(_ width: Int) throws(FormatError) -> UInt64 {
        guard remaining >= width else { throw .truncated }
        var value: UInt64 = 0
        for index in position..<position + width { value = value << 8 | UInt64(bytes[index]) }
        position += width
        return value
    }
}
