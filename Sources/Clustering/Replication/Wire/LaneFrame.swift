import Model

/// One frame of a lane: what two nodes say to each other over the bus.
///
/// Layout: version u8, session sequence varint (0 for a frame that may be lost), `received`, `durable` and `credit` as
/// varints, then items, each a kind u8 and its fields. The link below keeps frames whole, sealed and in one session of
/// two boots.
package struct LaneFrame: Sendable {
    /// The highest version of the lane format that this build writes; which one a lane has is agreed on when its
    /// session opens (``WireVersions``).
    package static let formatVersion = WireVersions.spoken.highest
    /// How full a frame is filled before the next one begins, in bytes.
    package static let targetBytes = 64 * 1_024

    /// The version that it is written in.
    package var version: UInt8
    /// Dense from 1 in a session; 0 for a frame outside the stream, which carries acknowledgements only.
    package var sequence: UInt64
    /// The last frame of the peer's stream that was taken in.
    package var received: UInt64
    /// The last frame of the peer's stream whose records are all synced here.
    package var durable: UInt64
    /// How many bytes past `received` the peer may send.
    package var credit: UInt64
    package var items: [LaneItem]

    package init(
        version: UInt8 = LaneFrame.formatVersion, sequence: UInt64, received: UInt64, durable: UInt64, credit: UInt64,
        items: [LaneItem]
    ) {
        self.version = version
        self.sequence = sequence
        self.received = received
        self.durable = durable
        self.credit = credit
        self.items = items
    }

    package func encode() -> [UInt8] {
        var writer = ByteWriter(reservingCapacity: 1_024)
        writer.u8(version)
        for field in [sequence, received, durable, credit] { writer.varint(field) }
        for item in items { item.encode(into: &writer, version: version) }
        return writer.bytes
    }

    /// Reads a frame of any version that is spoken.
    package static func decode(
        _ bytes: [UInt8], versions: WireVersions = .spoken
    ) throws(FormatError) -> LaneFrame {
        var reader = ByteReader(bytes)
        let version = try reader.u8()
        guard versions.contains(version) else { throw .unknownVersion(found: version, known: versions.highest) }
        var frame = LaneFrame(
            version: version, sequence: try reader.varint(), received: try reader.varint(), durable: try reader.varint(),
            credit: try reader.varint(), items: [])
        while !reader.isAtEnd {
            let item = try LaneItem.decode(from: &reader)
            guard item.needs <= version else { throw .invalid("an item of version \(item.needs)") }
            frame.items.append(item)
        }
        return frame
    }
}
