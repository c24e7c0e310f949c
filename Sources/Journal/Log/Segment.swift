import Model

/// What the log knows of one segment's file.
struct Segment: Sendable {
    /// Counts the segments of this run of the process, from 1; ascends with `firstSequence`.
    let number: UInt32
    /// What the name says: no record in it is before.
    let firstSequence: UInt64
    /// The name of its file.
    let name: String
    var size: Int
    /// Bytes of frames in it that are not dead.
    var liveBytes = 0
    /// Bytes of registry and member records in it; a checkpoint holds what they say.
    var systemBytes = 0
    var lastSequence: UInt64 = 0
    /// The highest position of each journal in it, by origin, indexed by slot.
    private(set) var positions: [Origin: [UInt64]] = [:]
    /// The lowest position of each journal in it, by origin, indexed by slot; 0 where there is none.
    private(set) var firstPositions: [Origin: [UInt64]] = [:]
    /// The first sequence and the place of a batch at least every 64 KiB.
    private(set) var marks: [(sequence: UInt64, position: Int)] = []
    /// Damaged parts of the file, ascending.
    var holes: [Range<Int>] = []
    /// Whether it was written anew, so that its own header says how long it is.
    var isRewritten = false

    static let markInterval = 64 << 10

    init(number: UInt32, firstSequence: UInt64, size: Int) {
        self.number = number
        self.firstSequence = firstSequence
        name = SegmentFormat.name(of: firstSequence)
        self.size = size
    }

    mutating func mark(sequence: UInt64, position: Int) {
        if let last = marks.last, position - last.position < Self.markInterval { return }
        marks.append((sequence, position))
    }

    mutating func note(_ record: Record, sequence: UInt64) {
        lastSequence = max(lastSequence, sequence)
        let index = Int(record.slot.index)
        // A record of the registry that a snapshot retold has no position.
        if record.position > 0 {
            let isFirst = Self.set(&positions[record.origin, default: Self.none][index], to: record.position) == 0
            if isFirst { firstPositions[record.origin, default: Self.none][index] = record.position }
        }
    }

    private static let none = [UInt64](repeating: 0, count: Slot.count)

    /// Gives what was there.
    private static func set(_ place: inout UInt64, to position: UInt64) -> UInt64 {
        defer { place = position }
        return place
    }

    /// Where to begin reading for everything from a local sequence on.
    func start(for sequence: UInt64) -> Int {
        var low = 0
        var high = marks.count
        while low < high {
            let middle = (low + high) / 2
            if marks[middle].sequence > sequence { high = middle } else { low = middle + 1 }
        }
        return low == 0 ? SegmentFormat.headerSize : marks[low - 1].position
    }
}
