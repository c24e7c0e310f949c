import Model

/// How long the closed segments are, in a small file of their own.
///
/// A segment's header says where the one before it ended, but not once it was written anew; and nothing in the other
/// files says that a segment was there at all. With this file one that lost its end, or is missing, is known to be
/// damaged. What it does not name is read as it is.
struct SegmentLengths: Equatable, Sendable {
    /// In bytes, by the first sequence that the segment's name says.
    var lengths: [UInt64: Int] = [:]

    static let name = "lengths.roost"
    private static let magic: [UInt8] = Array("ROOSTLEN".utf8)
    private static let version: UInt8 = 1

    func encode() -> [UInt8] {
        var writer = ByteWriter(reservingCapacity: 16 + 16 * lengths.count)
        writer.varint(UInt64(lengths.count))
        for (firstSequence, length) in lengths.sorted(by: { $0.key < $1.key }) {
            writer.u64(firstSequence)
            writer.varint(UInt64(length))
        }
        return SealedFile.seal(writer.bytes, magic: Self.magic, version: Self.version)
    }

    static func decode(_ bytes: [UInt8]) throws(FormatError) -> SegmentLengths {
        var reader = ByteReader(try SealedFile.open(bytes, magic: magic, version: version))
        var found = SegmentLengths()
        for _ in 0..<(try reader.count(upTo: reader.remaining)) {
            let firstSequence = try reader.u64()
            found.lengths[firstSequence] = try reader.count(upTo: 1 << 30)
        }
        try reader.finish()
        return found
    }
}

extension Log {
    /// The closed segments of which everything is durable, oldest first.
    var closedSegments: [UInt32] {
        order.dropLast().filter { LogPlace(segment: segments[$0]!.firstSequence, length: segments[$0]!.size) <= durable }
    }

    /// Writes down how long the closed segments are, where that is news; called before one is dropped or written anew.
    ///
    /// - Parameters:
    ///   - dropped: segments that are about to go.
    ///   - draft: the segment that is about to be written anew.
    mutating func writeLengths(without dropped: [UInt32] = [], with draft: Segment? = nil) throws(StorageError) {
        var known = SegmentLengths()
        for number in closedSegments where !dropped.contains(number) {
            known.lengths[segments[number]!.firstSequence] = segments[number]!.size
        }
        if let draft { known.lengths[draft.firstSequence] = draft.size }
        guard known != lengths else { return }
        try SealedFile.replace(SegmentLengths.name, with: known.encode(), in: storage)
        lengths = known
    }
}
