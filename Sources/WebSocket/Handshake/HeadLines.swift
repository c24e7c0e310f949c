/// The lines of an HTTP/1 head, before anyone asks what they mean (RFC 9112 §2).
struct HeadLines {
    /// The request line or status line.
    let start: String
    /// The header lines.
    let fields: HeaderFields
    /// The bytes of the head, the empty line included.
    let count: Int

    /// Reads up to the empty line; nil while it has not come.
    static func parse(_ bytes: UnsafeRawBufferPointer, limit: Int) throws(HeadError) -> HeadLines? {
        guard let count = end(bytes, limit: limit) else {
            guard bytes.count < limit else { throw .tooLarge(limit: limit) }
            return nil
        }
        var lines: [Slice<UnsafeRawBufferPointer>] = []
        var start = 0
        for position in 0..<count - 2 where bytes[position] == 0x0D && bytes[position + 1] == 0x0A {
            lines.append(bytes[start..<position])
            start = position + 2
        }
        guard let first = lines.first, first.allSatisfy({ (0x20...0x7E).contains($0) }) else { throw .startLineInvalid }
        var fields: [HeaderFields.Field] = []
        for (index, line) in lines.enumerated().dropFirst() {
            guard let field = field(line) else { throw .fieldInvalid(line: index) }
            fields.append(field)
        }
        return HeadLines(
            start: String(decoding: first, as: UTF8.self), fields: HeaderFields(fields: fields), count: count)
    }

    /// Where the head ends, within the limit.
    private static func end(_ bytes: UnsafeRawBufferPointer, limit: Int) -> Int? {
        let count = min(bytes.count, limit)
        guard count >= 4 else { return nil }
        for last in 3..<count where bytes[last] == 0x0A {
            if bytes[last - 1] == 0x0D, bytes[last - 2] == 0x0A, bytes[last - 3] == 0x0D { return last + 1 }
        }
        return nil
    }

    /// A name, a colon at once behind it, and a value without control characters; folded lines are refused (RFC 9112
    /// §5.2).
    private static func field(_ line: Slice<UnsafeRawBufferPointer>) -> HeaderFields.Field? {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        let name = line[..<colon]
        let value = trimmed(line[line.index(after: colon)...])
        guard !name.isEmpty, name.allSatisfy(isToken), value.allSatisfy(isFieldContent) else { return nil }
        return HeaderFields.Field(
            name: String(decoding: name, as: UTF8.self), value: String(decoding: value, as: UTF8.self))
    }
}

/// Whether a byte may stand in a method or a header's name (RFC 9110 §5.6.2).
func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E...0x60, 0x7C, 0x7E: true
    default: false
    }
}

/// Whether a byte may stand in a header's value (RFC 9110 §5.5).
func isFieldContent(_ byte: UInt8) -> Bool { byte == 0x09 || (byte >= 0x20 && byte != 0x7F) }
