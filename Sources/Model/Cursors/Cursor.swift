/// A place in one topic: what its holder has seen, by partition. A partition that it does not name has not been seen at
/// all.
package struct Cursor: Equatable, Sendable {
    /// The last offset seen, by partition; never 0.
    package private(set) var offsets: [Partition: UInt64]

    /// The most partitions that a cursor from a client may name.
    package static let maximumPartitions = 4_096

    package init() {
        offsets = [:]
    }

    package init(_ offsets: [Partition: UInt64]) {
        self.offsets = offsets.filter { $0.value > 0 }
    }

    package subscript(partition: Partition) -> UInt64 { offsets[partition] ?? 0 }

    /// Takes note of an offset; an older one changes nothing.
    package mutating func advance(_ partition: Partition, to offset: UInt64) {
        guard offset > 0 else { return }
        Self.raise(&offsets[partition, default: 0], to: offset)
    }

    /// Goes on by one; gives the new offset.
    package mutating func advance(_ partition: Partition) -> UInt64 {
        Self.next(&offsets[partition, default: 0])
    }

    private static func next(_ held: inout UInt64) -> UInt64 {
        held += 1
        return held
    }

    private static func raise(_ held: inout UInt64, to offset: UInt64) {
        if offset > held { held = offset }
    }

    /// The partitions in order, with their offsets.
    package var sorted: [(partition: Partition, offset: UInt64)] {
        offsets.map { ($0.key, $0.value) }.sorted { $0.partition < $1.partition }
    }
}

extension Cursor {
    /// The version that leads the compact text.
    package static let formatVersion: UInt8 = 1

    /// The compact text, for places where an object cannot stand: base64url of version, count, then node, epoch,
    /// generation and offset of each partition.
    package var compactText: String {
        var writer = ByteWriter()
        writer.u8(Self.formatVersion)
        encode(into: &writer)
        return base64URLEncode(writer.bytes)
    }

    /// Reads the compact text, checking all of it.
    package init(compactText: String) throws(FormatError) {
        guard let bytes = base64URLDecode(compactText.utf8) else { throw .invalid("cursor text") }
        var reader = ByteReader(bytes)
        let version = try reader.u8()
        guard version == Self.formatVersion else { throw .unknownVersion(found: version, known: Self.formatVersion) }
        self = try Cursor.decode(from: &reader)
        try reader.finish()
    }

    package func encode(into writer: inout ByteWriter) {
        let sorted = sorted
        writer.varint(UInt64(sorted.count))
        for (partition, offset) in sorted {
            writer.u64(partition.origin.node.rawValue)
            writer.u64(partition.origin.epoch.rawValue)
            writer.varint(UInt64(partition.generation))
            writer.varint(offset)
        }
    }

    package static func decode(from reader: inout ByteReader) throws(FormatError) -> Cursor {
        var offsets: [Partition: UInt64] = [:]
        for _ in 0..<(try reader.count(upTo: maximumPartitions)) {
            let origin = try reader.origin()
            let generation = UInt32(try reader.count(upTo: Int(UInt32.max)))
            let offset = try reader.varint()
            guard offset > 0, offsets.updateValue(offset, forKey: Partition(origin: origin, generation: generation)) == nil
            else { throw .invalid("cursor") }
        }
        return Cursor(offsets)
    }
}
