import Model

/// Replies that wait until everything up to their local sequence is durable, in one sense or the other.
struct AcknowledgementLine {
    /// A reply that waits.
    struct Entry {
        let sequence: UInt64
        let connection: ConnectionID
        let reference: RequestReference
        /// nil where a subscription waits, whose announcement is then confirmed.
        let reply: Reply?
        let announcement: InterestID?
        let deadline: MonotonicTime
    }

    /// How far durability has come.
    private(set) var through: UInt64
    private var entries: [Entry] = []
    private var start = 0
    /// No entry's deadline is earlier.
    private(set) var earliest = MonotonicTime.distantFuture

    init(through: UInt64) {
        self.through = through
    }

    var isEmpty: Bool { start == entries.count }

    func isSettled(_ sequence: UInt64) -> Bool { sequence <= through }

    /// Adds a reply in the order of sequences; one that repeats an older message goes before the others.
    mutating func append(_ entry: Entry) {
        var index = entries.count
        while index > start, entries[index - 1].sequence > entry.sequence { index -= 1 }
        entries.insert(entry, at: index)
        earliest = min(earliest, entry.deadline)
    }

    /// Takes the replies that durability up to `sequence` settles.
    mutating func settle(through sequence: UInt64) -> ArraySlice<Entry> {
        through = max(through, sequence)
        let end = entries[start...].firstIndex { $0.sequence > through } ?? entries.endIndex
        let settled = entries[start..<end]
        start = end
        if start == entries.count {
            entries = []
            start = 0
            earliest = .distantFuture
        } else if start > 256, start * 2 > entries.count {
            entries.removeFirst(start)
            start = 0
        }
        return settled
    }

    /// Takes the replies whose time is over.
    mutating func expire(at now: MonotonicTime) -> [Entry] {
        guard earliest <= now else { return [] }
        let expired = entries[start...].filter { $0.deadline <= now }
        entries = entries[start...].filter { $0.deadline > now }
        start = 0
        earliest = entries.map(\.deadline).min() ?? .distantFuture
        return expired
    }
}
