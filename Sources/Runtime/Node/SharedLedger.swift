import Broker
import Clustering
import Journal
import Model
import Synchronization

/// The sequencer behind the only lock of the data path.
///
/// Whatever is sequenced is put, under that lock, into every loop's mailbox and handed to `post`, so that loops, log thread and
/// control plane see one order. The lock is held for the sequencing of one batch and never while a disk or a network is waited for.
package final class SharedLedger: Sendable {
    private let state: Mutex<State>
    private let clock: @Sendable () -> WallTime
    private let post: @Sendable ([Sequenced]) -> Void
    private let posted: @Sendable (_ sparesLog: Bool) -> Void
    private let hasRoom: @Sendable () -> Bool
    private let wakes: Mutex<[Int: @Sendable () -> Void]>
    /// This run of this node.
    let origin: Origin

    private struct State {
        var sequencer: Sequencer
        var mailboxes: LoopMailboxes
        /// Why the disk takes nothing at present; nil while all is well.
        var trouble: String?
        /// Why the node takes nothing any more; nil while it does.
        var closed: String?
    }

    /// - Parameters:
    ///   - post: hands a batch to the log thread and the control plane; called under the lock, so it must only enqueue.
    ///   - posted: wakes whom a batch waits for, the log's thread only where it is not to be spared; called after the lock.
    ///   - hasRoom: whether what waits for the disk is within its bound.
    package init(
        sequencer: Sequencer, loops: Int, clock: @escaping @Sendable () -> WallTime,
        post: @escaping @Sendable ([Sequenced]) -> Void, posted: @escaping @Sendable (_ sparesLog: Bool) -> Void,
        hasRoom: @escaping @Sendable () -> Bool
    ) {
        origin = sequencer.origin
        state = Mutex(State(sequencer: sequencer, mailboxes: LoopMailboxes(loops: loops), trouble: nil))
        self.clock = clock
        self.post = post
        self.posted = posted
        self.hasRoom = hasRoom
        wakes = Mutex([:])
    }

    /// Sets how a loop learns that its mailbox is no longer empty.
    package func onMail(for loop: Int, _ wake: @escaping @Sendable () -> Void) {
        wakes.withLock { $0[loop] = wake }
    }

    /// Stops taking records while the disk is in trouble, or takes them again.
    package func setTrouble(_ trouble: String?) { state.withLock { $0.trouble = trouble } }

    /// Takes no records of this node's own any more, whatever the disk says, or takes them again.
    package func setClosed(_ reason: String?) { state.withLock { $0.closed = reason } }

    /// Runs `body` on the sequencer and passes on what it sequenced.
    ///
    /// - Parameters:
    ///   - loop: the caller's own, which needs no waking.
    ///   - sparesLog: whether the log's thread is left asleep until ``wakeLog()``.
    func sequence<Result: Sendable>(
        from loop: Int?, sparesLog: Bool = false, _ body: (inout Sequencer, inout [Sequenced]) -> sending Result
    ) -> Result {
        let (result, woken, hasMail) = state.withLock { state in
            var batch: [Sequenced] = []
            let result = body(&state.sequencer, &batch)
            let woken = state.mailboxes.post(batch)
            if !batch.isEmpty { post(batch) }
            return (result, woken, !batch.isEmpty)
        }
        if hasMail { posted(sparesLog) }
        wake(woken.filter { $0 != loop })
        return result
    }

    /// Wakes the log's thread, where it was spared.
    func wakeLog() { posted(false) }

    /// Reads the sequencer.
    package func read<Result: Sendable>(_ body: (borrowing Sequencer) -> sending Result) -> Result {
        state.withLock { body($0.sequencer) }
    }

    /// Why nothing is taken at present.
    package var trouble: String? {
        let trouble = state.withLock { state in
            state.closed ?? state.trouble
                ?? (state.mailboxes.isFull ? "more messages wait to be delivered here than may: try again soon" : nil)
        }
        return trouble ?? (hasRoom() ? nil : "more records wait for this node's disk than may: try again soon")
    }

    /// Empties a loop's mailbox and gives what its shard begins with, all from one moment.
    func start(_ loop: Int, of loops: Int) -> LoopStart {
        state.withLock { state in
            _ = state.mailboxes.take(loop)
            let topics = state.sequencer.registry.liveTopics
            var heads: [TopicName: Cursor] = [:]
            for topic in topics { heads[topic.name] = state.sequencer.heads(of: topic.name) }
            return LoopStart(
                ledger: LoopLedger(shared: self, loop: loop),
                place: ShardPlace(origin: origin, loop: loop, loops: loops), topics: topics, heads: heads,
                deliveredThrough: state.sequencer.sequence)
        }
    }

    func take(_ loop: Int) -> [Sequenced] { state.withLock { $0.mailboxes.take(loop) } }

    func take(_ loop: Int, atMost count: Int) -> (batch: [Sequenced], hasMore: Bool) {
        state.withLock { $0.mailboxes.take(loop, atMost: count) }
    }

    func takeWithHeads(_ loop: Int, of topics: [TopicName]) -> (heads: [Cursor], sequence: UInt64, batch: [Sequenced]) {
        state.withLock { state in
            (topics.map { state.sequencer.heads(of: $0) }, state.sequencer.sequence, state.mailboxes.take(loop))
        }
    }

    var now: WallTime { clock() }

    private func wake(_ loops: [Int]) {
        guard !loops.isEmpty else { return }
        let calls = wakes.withLock { wakes in loops.compactMap { wakes[$0] } }
        for call in calls { call() }
    }
}

/// The ledger as one event loop sees it.
package final class LoopLedger: Ledger, Sendable {
    private let shared: SharedLedger
    private let loop: Int
    /// Whether this loop's turn has put off the writing of what it published.
    private let owesWriting = Atomic<Bool>(false)
    package let origin: Origin

    package init(shared: SharedLedger, loop: Int) {
        self.shared = shared
        self.loop = loop
        origin = shared.origin
    }

    package func publish(_ drafts: [Draft]) -> [Result<Receipt, Refusal>] {
        if let trouble = shared.trouble { return drafts.map { _ in .failure(.unavailable(trouble)) } }
        let now = shared.now
        // Where nobody waits for the disk, it comes after the deliveries: on a busy core it would come between them.
        let isPatient = !drafts.contains { $0.isAwaited }
        if isPatient { owesWriting.store(true, ordering: .relaxed) }
        return shared.sequence(from: loop, sparesLog: isPatient) { sequencer, batch in
            drafts.map { draft in
                sequencer.publish(draft, at: now, into: &batch)
                    .mapError { Refusal($0, draft.topic, key: draft.key) }
            }
        }
    }

    package func createTopic(_ topic: TopicCreation) -> Result<TopicWrite, Refusal> {
        write(topic.name) { sequencer, now, batch in
            sequencer.create(
                topic.name, kind: topic.kind, durability: topic.durability, owner: topic.owner, groups: topic.groups,
                settings: topic.settings, at: now, into: &batch)
        }
    }

    package func changeTopic(
        _ name: TopicName, retention: Retention?, permission: PermissionMask?
    ) -> Result<TopicWrite, Refusal> {
        write(name) { sequencer, now, batch in
            sequencer.change(name, retention: retention, permission: permission, at: now, into: &batch)
        }
    }

    package func destroyTopic(_ name: TopicName) -> Result<TopicWrite, Refusal> {
        write(name) { sequencer, now, batch in sequencer.destroy(name, at: now, into: &batch) }
    }

    package func endTurn() {
        if owesWriting.exchange(false, ordering: .relaxed) { shared.wakeLog() }
    }

    package func take() -> [Sequenced] { shared.take(loop) }

    package func take(atMost count: Int) -> (batch: [Sequenced], hasMore: Bool) { shared.take(loop, atMost: count) }

    package func heads(of topics: [TopicName]) -> (heads: [Cursor], sequence: UInt64, batch: [Sequenced]) {
        shared.takeWithHeads(loop, of: topics)
    }

    private func write(
        _ name: TopicName,
        _ body: (inout Sequencer, WallTime, inout [Sequenced]) -> Result<TopicDefinition, SequencerRefusal>
    ) -> Result<TopicWrite, Refusal> {
        if let trouble = shared.trouble { return .failure(.unavailable(trouble)) }
        let now = shared.now
        return shared.sequence(from: loop) { sequencer, batch in
            body(&sequencer, now, &batch)
                .map { TopicWrite(definition: $0, sequence: sequencer.sequence) }
                .mapError { Refusal($0, name) }
        }
    }
}

extension Refusal {
    /// The sequencer's refusal, as a client is told it.
    package init(_ refusal: SequencerRefusal, _ topic: TopicName, key: String? = nil) {
        switch refusal {
        case .topicUnknown: self = .topicUnknown(topic)
        case .topicExists: self = .topicExists(topic)
        case .notAStream:
            self = .invalidMessage("topic \"\(topic)\" has become a table meanwhile: publish with a \"key\"")
        case .rowForbidden(let event): self = .permissionDenied(action: "\(event) the row", topic: topic.text)
        case .rowUnknown: self = .rowUnknown(topic, key ?? "")
        case .rowLimit(let limit): self = .unavailable("this node holds \(limit) rows of tables, as many as it may")
        }
    }
}

/// The ledger as the control plane sees it.
package final class PeerLedger: ReplicaLedger, Sendable {
    private let shared: SharedLedger
    private let skipped: @Sendable (AbsentRun) -> Void
    package let origin: Origin

    /// - Parameter skipped: lets the log know of positions that are gone.
    package init(shared: SharedLedger, skipped: @escaping @Sendable (AbsentRun) -> Void) {
        self.shared = shared
        self.skipped = skipped
        origin = shared.origin
    }

    package func admit(_ records: [Record]) -> (taken: [Bool], sequence: UInt64) {
        let now = shared.now
        return shared.sequence(from: nil) { sequencer, batch in
            let taken = records.map { sequencer.admit($0, at: now, into: &batch) == .taken }
            return (taken, sequencer.sequence)
        }
    }

    package func skip(_ run: AbsentRun) -> Bool {
        guard shared.sequence(from: nil, { sequencer, _ in sequencer.skip(run) }) else { return false }
        skipped(run)
        return true
    }

    package func raise(_ heads: [MemoryHead]) {
        shared.sequence(from: nil) { sequencer, batch in
            for head in heads { sequencer.raiseHead(of: head.topic, head.partition, to: head.offset, into: &batch) }
        }
    }

    package var vector: VersionVector { shared.read { $0.vector } }

    package var registry: Registry { shared.read { $0.registry } }

    package func memoryHead(of place: MemoryPlace) -> UInt64? {
        shared.read { $0.memoryHead(of: place.topic, place.partition) }
    }

    package func memoryHeads(matching filters: [TopicFilter]) -> [MemoryHead] {
        // Matching may take long, so it is done on a copy of the registry and not under the lock.
        let registry = registry
        let topics = registry.liveTopics.filter { topic in
            topic.durability == .memory && filters.contains { $0.matches(topic.name) }
        }
        guard !topics.isEmpty else { return [] }
        return shared.read { sequencer in
            topics.compactMap { topic in
                let partition = Partition(origin: sequencer.origin, generation: topic.generation)
                let offset = sequencer.heads(of: topic.name)[partition]
                return offset > 0 ? MemoryHead(topic: topic.name, partition: partition, offset: offset) : nil
            }
        }
    }
}
