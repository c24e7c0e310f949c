import Model

/// One retained message in a topic's index.
struct Entry: Sendable {
    let sequence: UInt64
    let time: HybridTime
    let offset: UInt64
    /// In milliseconds since 1970; `Int64.max` for never.
    let expiry: Int64
    /// The segment's number in this run of the process; 0 for a message in memory.
    let segment: UInt32
    /// Where its frame stands in the segment's file; rewriting a segment moves it.
    var position: UInt32
    /// The size of its frame; in memory, of its payload.
    var size: UInt32
    let payloadSize: UInt32
    var flags: Flags

    struct Flags: OptionSet, Sendable {
        let rawValue: UInt8
        /// One of several copies of a message.
        static let folded = Flags(rawValue: 1)
        /// History shows another copy.
        static let shadowed = Flags(rawValue: 2)
        /// An earlier copy stands before it in local sequence.
        static let isRepeat = Flags(rawValue: 4)
        /// Its time to live has passed and its segment counts it as dead.
        static let outlived = Flags(rawValue: 8)
        /// Its bytes were found damaged.
        static let damaged = Flags(rawValue: 16)
        /// A later version of its row has beaten it: nobody is shown it.
        static let beaten: Flags = [.shadowed, .isRepeat, Flags(rawValue: 32)]
    }

    func isExpired(at now: WallTime) -> Bool { expiry <= now.milliseconds }
}

extension Entry {
    /// The entry of a message whose frame stands at a place.
    init(_ message: Message, of record: Record, sequence: UInt64, segment: UInt32, position: Int, size: Int) {
        self.init(
            sequence: sequence, time: record.time, offset: message.offset, expiry: message.expiry?.milliseconds ?? .max,
            segment: segment, position: UInt32(position), size: UInt32(size),
            payloadSize: UInt32(message.payload.count), flags: [])
    }
}

/// The retained messages of one partition. Offset, local sequence and time all ascend.
struct PartitionIndex: Sendable {
    let partition: Partition
    /// The last offset met, retained or not.
    private(set) var head: UInt64
    private(set) var lastTime: HybridTime
    private(set) var lastSequence: UInt64
    /// Everything up to this offset went by retention, or came before what this node has met.
    private(set) var droppedThrough: UInt64
    /// The local sequence of the last message that went by retention.
    private(set) var droppedSequence: UInt64 = 0
    /// Offsets lost in damaged parts of the log, ascending.
    private(set) var lost: [ClosedRange<UInt64>] = []
    private var storage: [Entry] = []
    private var first = 0

    init(partition: Partition, head: UInt64 = 0, droppedThrough: UInt64 = 0, lastTime: HybridTime = .zero) {
        self.partition = partition
        self.head = head
        self.droppedThrough = droppedThrough
        self.lastTime = lastTime
        lastSequence = 0
    }

    var count: Int { storage.count - first }
    var isEmpty: Bool { count == 0 }

    subscript(index: Int) -> Entry {
        get { storage[first + index] }
        set { storage[first + index] = newValue }
    }

    /// Adds an entry after all others; one that does not stand after them was already there and is passed over.
    mutating func append(_ entry: Entry, holeAfter: UInt64?) -> Bool {
        let last = isEmpty ? droppedThrough : self[count - 1].offset
        guard entry.offset > last else { return false }
        if let holeAfter, lastSequence <= holeAfter, entry.offset > last + 1 {
            lost.append(last + 1...entry.offset - 1)
        }
        storage.append(entry)
        head = max(head, entry.offset)
        lastTime = max(lastTime, entry.time)
        lastSequence = entry.sequence
        return true
    }

    /// Puts entries back that a damaged part of the log had lost, ascending, each in its place; gives those that were
    /// taken.
    mutating func restore(_ entries: [Entry]) -> [Entry] {
        var merged: [Entry] = []
        merged.reserveCapacity(count + entries.count)
        var taken: [Entry] = []
        var next = 0
        for entry in entries where entry.offset > droppedThrough {
            while next < count, self[next].offset < entry.offset {
                merged.append(self[next])
                next += 1
            }
            if next < count, self[next].offset == entry.offset { continue }
            if let last = merged.last, last.sequence >= entry.sequence { continue }
            if next < count, self[next].sequence <= entry.sequence { continue }
            merged.append(entry)
            taken.append(entry)
            find(entry.offset)
            head = max(head, entry.offset)
            lastTime = max(lastTime, entry.time)
            lastSequence = max(lastSequence, entry.sequence)
        }
        while next < count {
            merged.append(self[next])
            next += 1
        }
        storage = merged
        first = 0
        return taken
    }

    /// Takes an offset out of what is known to be lost.
    private mutating func find(_ offset: UInt64) {
        guard let index = lost.firstIndex(where: { $0.contains(offset) }) else { return }
        let range = lost.remove(at: index)
        var rest: [ClosedRange<UInt64>] = []
        if range.lowerBound < offset { rest.append(range.lowerBound...offset - 1) }
        if range.upperBound > offset { rest.append(offset + 1...range.upperBound) }
        lost.insert(contentsOf: rest, at: index)
    }

    /// Takes note that the partition goes on to `offset`, whatever is retained of it.
    mutating func learn(head offset: UInt64, time: HybridTime) {
        head = max(head, offset)
        lastTime = max(lastTime, time)
    }

    /// Everything that is not retained below `head` was lost in a damaged part of the log.
    mutating func loseTail() {
        let last = isEmpty ? droppedThrough : self[count - 1].offset
        if head > last { lost.append(last + 1...head) }
    }

    mutating func removeFirst() -> Entry {
        let entry = storage[first]
        first += 1
        droppedThrough = max(droppedThrough, entry.offset)
        droppedSequence = entry.sequence
        if first > 64, first * 2 > storage.count {
            storage.removeFirst(first)
            first = 0
        }
        if let range = lost.first, range.upperBound <= droppedThrough { lost.removeFirst() }
        return entry
    }

    /// Removes the entries that `isDead` accepts, and gives them.
    mutating func removeAll(where isDead: (Entry) -> Bool) -> [Entry] {
        var removed: [Entry] = []
        while !isEmpty, isDead(self[0]) { removed.append(removeFirst()) }
        guard (0..<count).contains(where: { isDead(self[$0]) }) else { return removed }
        storage.removeFirst(first)
        first = 0
        storage.removeAll { entry in
            let isRemoved = isDead(entry)
            if isRemoved { removed.append(entry) }
            return isRemoved
        }
        return removed
    }

    /// The index of the first entry that `isAfter` accepts; all before it are refused.
    func firstIndex(where isAfter: (Entry) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isAfter(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// The index of the entry of a local sequence.
    func index(of sequence: UInt64) -> Int? {
        let index = firstIndex { $0.sequence >= sequence }
        return index < count && self[index].sequence == sequence ? index : nil
    }

    /// What is missing between two offsets, in pieces by reason.
    func gaps(from: UInt64, to: UInt64, otherwise reason: Gap.Reason) -> [Gap] {
        var gaps: [Gap] = []
        var next = from
        for range in lost where range.upperBound >= next && range.lowerBound <= to && next <= to {
            if range.lowerBound > next {
                gaps.append(Gap(partition: partition, from: next, to: range.lowerBound - 1, reason: reason))
                next = range.lowerBound
            }
            let end = min(range.upperBound, to)
            gaps.append(Gap(partition: partition, from: next, to: end, reason: .lost))
            next = end + 1
        }
        if next <= to { gaps.append(Gap(partition: partition, from: next, to: to, reason: reason)) }
        return gaps
    }
}
