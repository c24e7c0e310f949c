/// Where the parts of an encoded message stand, for who reads many and wants few of their parts.
///
/// It reads what ``Record/decode(from:)`` reads, and makes nothing of it.
package struct MessageSlices {
    package let event: Range<Int>
    package let key: Range<Int>?
    package let publisher: Range<Int>
    package let payload: Range<Int>
    /// What makes the message a row, as ``RowVersion/decode(from:)`` reads it; nil for a message of a stream.
    package let row: Range<Int>?

    /// Finds the parts of an encoded record; nil where it is no whole message.
    ///
    /// - Parameters:
    ///   - bytes: what holds it; the ranges are places in these.
    ///   - range: where it stands.
    package init?(_ bytes: UnsafeRawBufferPointer, in range: Range<Int>) {
        var walk = Walk(bytes: bytes, position: range.lowerBound, end: range.upperBound)
        // Version, kind, origin, slot; position, time, seen.
        guard range.upperBound <= bytes.count, let version = walk.byte(), version == Record.formatVersion,
            let kind = walk.byte(), kind == 1, walk.skip(17), walk.varint() != nil, walk.skip(8), walk.varint() != nil,
            walk.run() != nil, walk.varint() != nil, walk.varint() != nil, let event = walk.run(),
            let flags = walk.byte(), flags < 16
        else { return nil }
        var key: Range<Int>?
        if flags & 1 != 0 {
            guard let run = walk.run() else { return nil }
            key = run
        }
        if flags & 2 != 0, walk.run() == nil { return nil }
        if flags & 4 != 0, !walk.skip(8) { return nil }
        guard let publisher = walk.run(), walk.run() != nil, let payload = walk.run() else { return nil }
        self.event = event
        self.key = key
        self.publisher = publisher
        self.payload = payload
        row = flags & 8 == 0 ? nil : walk.position..<range.upperBound
    }

    private struct Walk {
        let bytes: UnsafeRawBufferPointer
        var position: Int
        let end: Int

        mutating func byte() -> UInt8? {
            guard position < end else { return nil }
            defer { position += 1 }
            return bytes[position]
        }

        mutating func skip(_ count: Int) -> Bool {
            guard count <= end - position else { return false }
            position += count
            return true
        }

        mutating func varint() -> UInt64? {
            var value: UInt64 = 0
            var shift: UInt64 = 0
            while let byte = byte(), shift < 64 {
                value |= UInt64(byte & 0x7F) << shift
                if byte < 0x80 { return value }
                shift += 7
            }
            return nil
        }

        mutating func run() -> Range<Int>? {
            guard let count = varint(), count <= UInt64(end - position) else { return nil }
            defer { position += Int(count) }
            return position..<position + Int(count)
        }
    }
}
