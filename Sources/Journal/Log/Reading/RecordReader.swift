import Model

/// Reads the records that index entries point to: from memory, or from the disk in runs.
struct RecordReader {
    private let log: Log
    private let ring: RecordRun?
    private var window: [UInt8] = []
    private var windowStart = 0
    private var windowSegment: UInt32 = 0

    /// How much is read from the disk at once, where that much is wanted.
    static let windowSize = 128 << 10

    init(log: borrowing Log, ring: RecordRun?) {
        self.log = copy log
        self.ring = ring
    }

    /// The record of an entry; nil where its bytes are damaged.
    mutating func record(of entry: Entry) throws(StorageError) -> Sequenced? {
        if entry.segment == 0 { return ring?.record(at: entry.sequence) }
        if entry.sequence > log.cacheFloor, let cached = log.cache.record(at: entry.sequence) { return cached }
        guard let segment = log.segments[entry.segment] else { return nil }
        let position = Int(entry.position)
        let size = Int(entry.size)
        if windowSegment != entry.segment || position < windowStart || position + size > windowStart + window.count {
            window = try log.storage.read(segment.name, at: position, count: max(size, Self.windowSize))
            windowStart = position
            windowSegment = entry.segment
        }
        let start = position - windowStart
        guard start + size <= window.count else { return nil }
        let isWhole = window.withUnsafeBytes { SegmentWalk.frameSize(in: $0, at: start, end: start + size) == size }
        guard isWhole else { return nil }
        var reader = ByteReader(window[start + SegmentFormat.frameHeaderSize..<start + size])
        do {
            guard try reader.u64() == entry.sequence else { return nil }
            return Sequenced(sequence: entry.sequence, record: try Record.decode(from: &reader))
        } catch {
            return nil
        }
    }
}
