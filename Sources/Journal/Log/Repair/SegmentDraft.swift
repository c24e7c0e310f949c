import Model

/// A segment that is being written anew, with what is to be kept of it and what came back.
struct SegmentDraft {
    /// Where a message stands in the new file.
    struct Place {
        let topic: TopicGeneration
        let partition: Partition
        let sequence: UInt64
        let position: Int
        let size: Int
    }

    /// The bytes that stand in for a part that is still missing: no batch and no frame begins so, and whoever reads the
    /// segment finds damage there.
    private static let void = [UInt8](repeating: 0, count: 16)

    private(set) var segment: Segment
    private(set) var places: [Place] = []
    private var file: [UInt8]
    private var writer = BatchWriter()
    private var kept: [Record] = []
    private let durable: LogPlace

    init(of segment: Segment, durable: LogPlace) {
        self.segment = Segment(number: segment.number, firstSequence: segment.firstSequence, size: 0)
        self.segment.isRewritten = true
        self.durable = durable
        file = SegmentFormat.header(ofLength: 0)
        file.reserveCapacity(segment.size)
    }

    /// Appends a record, in ascending local sequence.
    mutating func append(_ record: Record, encoded: ArraySlice<UInt8>, sequence: UInt64) {
        writer.append(encoded: encoded, sequence: sequence)
        kept.append(record)
        if writer.length >= Segment.markInterval { flush() }
    }

    /// Leaves a hole where records are still missing.
    mutating func leaveHole() {
        flush()
        segment.holes.append(file.count..<file.count + Self.void.count)
        file += Self.void
    }

    /// The whole file, whose header says its length.
    mutating func finish() -> [UInt8] {
        flush()
        segment.size = file.count
        for (index, byte) in SegmentFormat.header(ofLength: file.count).enumerated() { file[index] = byte }
        return file
    }

    private mutating func flush() {
        guard !writer.isEmpty else { return }
        let base = file.count
        segment.mark(sequence: writer.frames[0].sequence, position: base)
        for (record, frame) in zip(kept, writer.frames) {
            segment.note(record, sequence: frame.sequence)
            guard let message = record.message else {
                segment.systemBytes += frame.size
                continue
            }
            segment.liveBytes += frame.size
            places.append(
                Place(
                    topic: TopicGeneration(name: message.topic, generation: message.generation),
                    partition: record.partition(of: message), sequence: frame.sequence,
                    position: base + frame.position, size: frame.size))
        }
        file += writer.finish(durable: durable)
        writer = BatchWriter()
        kept = []
    }
}
