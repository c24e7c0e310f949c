import Model

/// One origin's share of a memory topic.
package struct MemoryPlace: Hashable, Sendable {
    package let topic: TopicName
    package let partition: Partition

    package init(topic: TopicName, partition: Partition) {
        self.topic = topic
        self.partition = partition
    }
}

/// What a peer asks of an origin's ring.
package struct RingRead: Sendable {
    package let place: MemoryPlace
    /// The last offset that the peer has.
    package let after: UInt64
    /// About how many bytes of records to give.
    package let byteLimit: Int
}

/// What the ring gave: ascending, without a hole that is not named.
package struct RingChunk: Sendable {
    package let place: MemoryPlace
    package let items: [Item]

    package enum Item: Sendable {
        case record(Record)
        /// Offsets that the ring has no more.
        case lost(ClosedRange<UInt64>)
    }

    package init(place: MemoryPlace, items: [Item]) {
        self.place = place
        self.items = items
    }
}

/// What this node lacks of one peer's shares of memory topics, fetched from the peer's rings one share at a time.
struct MissingTails {
    /// The shares, each asked for in its turn; the first is being asked for.
    private(set) var queue: ArraySlice<MemoryPlace> = []
    private(set) var tails: [MemoryPlace: Tail] = [:]
    /// Bytes of the records that wait for those before them.
    private(set) var earlyBytes = 0
    /// When the first was asked for; nil while it was not.
    var askedAt: MonotonicTime?

    struct Tail {
        /// The last offset that is known to exist.
        var head: UInt64
        /// Records that came before those before them, in order.
        var early: [Record] = []
        /// When what is still missing is given up; nil until its turn has come.
        var deadline: MonotonicTime?
    }

    var isEmpty: Bool { tails.isEmpty }

    /// Notes that a share goes on to an offset; false where no more shares may be noted.
    mutating func note(_ place: MemoryPlace, head: UInt64, limit: Int) -> Bool {
        if tails[place] != nil {
            tails[place]!.head = max(tails[place]!.head, head)
            return true
        }
        guard tails.count < limit else { return false }
        tails[place] = Tail(head: head)
        queue.append(place)
        return true
    }

    /// Keeps a record that is early, where there is room; it is fetched with the rest where there is none.
    mutating func keep(_ record: Record, at offset: UInt64, of place: MemoryPlace, limit: Int) {
        let cost = RecordTail.cost(of: record)
        guard tails[place] != nil, earlyBytes + cost <= limit else { return }
        if let last = tails[place]?.early.last?.message?.offset, last >= offset { return }
        earlyBytes += cost
        tails[place]!.early.append(record)
    }

    /// Gives what was early, and keeps it no longer.
    mutating func takeEarly(of place: MemoryPlace) -> [Record] {
        guard let records = tails[place]?.early, !records.isEmpty else { return [] }
        tails[place]!.early = []
        earlyBytes -= records.reduce(0) { $0 + RecordTail.cost(of: $1) }
        return records
    }

    /// Sets when a share whose turn came for the first time is given up.
    mutating func begin(_ place: MemoryPlace, until deadline: MonotonicTime) {
        if tails[place]?.deadline == nil { tails[place]?.deadline = deadline }
    }

    /// Puts off when a share is given up, because something of it came.
    mutating func progressed(_ place: MemoryPlace, until deadline: MonotonicTime) { tails[place]?.deadline = deadline }

    /// Forgets a share.
    mutating func remove(_ place: MemoryPlace) {
        _ = takeEarly(of: place)
        tails[place] = nil
        guard queue.first == place else { return queue.removeAll { $0 == place } }
        askedAt = nil
        queue.removeFirst()
    }

    /// Lets the next share be asked for.
    mutating func rotate() {
        askedAt = nil
        if queue.count > 1 { queue.append(queue.removeFirst()) }
    }
}
