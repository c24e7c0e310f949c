import Model

/// What one node gives out of one group: the messages that wait, those that members have, and how far the log was read.
///
/// A partition is *outstanding* from the moment that its message is taken up to the moment that it is settled, so the
/// group is done up to the one before the first outstanding, or up to where it was read.
struct GroupDispatcher {
    let key: GroupKey
    let generation: UInt32
    /// Everything up to here was taken up, or is not this node's to give out.
    var taken: Cursor
    /// Everything up to this local sequence was considered, while it reads the log.
    var after: UInt64 = 0
    /// Whether it takes messages up as they come; else it reads the log.
    var isLevel = false
    var read: ReadID?
    /// To be given out again, before the others.
    private var again: [Work] = []
    private var fresh = Line<Work>()
    private(set) var waitingCount = 0
    /// Their messages' bytes.
    private(set) var waitingBytes = 0
    /// Offsets that were taken up before the dispatcher went back: they are not taken up again.
    var skipped: [Partition: ClosedRange<UInt64>] = [:]
    private(set) var flights: [UInt64: Flight] = [:]
    var workers: [Worker] = []
    private var turn = 0
    /// Whether something was settled or taken up since the record was written.
    var isDirty = false
    /// Whether the record is to be written in any case.
    var isRefreshDue = false

    /// A message to be given out.
    struct Work {
        let item: Sequenced
        let partition: Partition
        let offset: UInt64
        /// How often it was given out.
        var attempts = 0
        /// Why not once, or not with success.
        var trouble = ""

        var bytes: Int { item.record.payloadCount }
    }

    /// A message that a member has.
    struct Flight {
        let work: Work
        let station: Station
        let deadline: MonotonicTime
    }

    init(key: GroupKey, generation: UInt32, taken: Cursor, workers: [Worker]) {
        self.key = key
        self.generation = generation
        self.taken = taken
        self.workers = workers
    }

    /// Takes up a message that this node gives out.
    mutating func append(_ work: Work) {
        fresh.append(work)
        count(work, 1)
    }

    /// Puts one back, before those that were not given out yet.
    mutating func putBack(_ work: Work) {
        again.append(work)
        count(work, 1)
    }

    /// Puts one back whose turn it was, and for which there was no room.
    mutating func putFirst(_ work: Work) {
        again.insert(work, at: 0)
        count(work, 1)
    }

    private mutating func count(_ work: Work, _ change: Int) {
        waitingCount += change
        waitingBytes += change * work.bytes
    }

    /// Whether no more may wait; a share of the limits is for those who read on.
    func isFull(_ limits: (messages: Int, bytes: Int), share: Int = 1) -> Bool {
        waitingCount >= limits.messages / share || waitingBytes >= limits.bytes / share
    }

    /// The next message to be given out.
    mutating func next() -> Work? {
        guard let work = again.isEmpty ? fresh.popFirst() : again.removeFirst() else { return nil }
        count(work, -1)
        return work
    }

    /// The best member for a message: one of this node while any there has room, else one elsewhere; of several the one that
    /// has fewest, in turns. nil while none has room.
    mutating func chooseWorker(
        for work: Work, on node: NodeID, within limits: (messages: Int, bytes: Int), at now: MonotonicTime
    ) -> Int? {
        let free = workers.indices.filter { index in
            let worker = workers[index]
            return worker.pausedUntil <= now && worker.load < limits.messages
                && (worker.load == 0 || worker.bytes + work.bytes <= limits.bytes)
        }
        let near = free.filter { workers[$0].station.node == node }
        let choice = near.isEmpty ? free : near
        guard !choice.isEmpty else { return nil }
        turn &+= 1
        let first = turn % choice.count
        return (choice[first...] + choice[..<first]).min { workers[$0].load < workers[$1].load }
    }

    /// Notes that a member has a message.
    mutating func give(_ work: Work, to worker: Int, as number: UInt64, until deadline: MonotonicTime) {
        workers[worker].load += 1
        workers[worker].bytes += work.bytes
        flights[number] = Flight(work: work, station: workers[worker].station, deadline: deadline)
    }

    /// Takes a message from the member that has it; nil where that session has none of this number.
    mutating func takeBack(_ number: UInt64, from session: String) -> Flight? {
        guard let flight = flights[number], flight.station.session == session else { return nil }
        flights[number] = nil
        if let worker = workers.firstIndex(where: { $0.station == flight.station }) {
            workers[worker].load -= 1
            workers[worker].bytes -= flight.work.bytes
        }
        return flight
    }

    mutating func pause(_ session: String, until time: MonotonicTime) {
        guard let worker = workers.firstIndex(where: { $0.station.session == session }) else { return }
        workers[worker].pausedUntil = time
    }

    /// Forgets what waits of the partitions that `isGone` accepts, up to the offset that it gives.
    mutating func dropWaiting(upTo last: (Partition) -> UInt64) {
        again.removeAll { $0.offset <= last($0.partition) }
        var kept = Line<Work>()
        while let work = fresh.popFirst() {
            if work.offset > last(work.partition) { kept.append(work) }
        }
        fresh = kept
        waitingCount = again.count + fresh.count
        waitingBytes = again.reduce(0) { $0 + $1.bytes }
        fresh.forEach { waitingBytes += $0.bytes }
    }

    /// The numbers of what members have, oldest first, where it meets a condition.
    func numbers(where condition: (Flight) -> Bool) -> [UInt64] {
        flights.filter { condition($0.value) }.keys.sorted()
    }

    /// How far the group is done in the partitions that `isOwned` accepts.
    ///
    /// - Parameter letters: what is outstanding although it does not wait and nobody has it.
    func done(before letters: [Work], where isOwned: (Partition) -> Bool) -> Cursor {
        var done = taken.offsets.filter { isOwned($0.key) }
        func hold(_ work: Work) {
            if let reached = done[work.partition] { done[work.partition] = min(reached, work.offset - 1) }
        }
        for work in again + letters { hold(work) }
        fresh.forEach(hold)
        for flight in flights.values { hold(flight.work) }
        return Cursor(done)
    }
}
