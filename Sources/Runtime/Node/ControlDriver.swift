import Clustering
import Logging
import Model
import NIOCore
import Synchronization

/// What the control plane's driver acts through.
package struct ControlOutlets: Sendable {
    package var bus: NanomsgBus
    package var gossip: GossipSocket
    /// Reads the log for a lane.
    package var read: @Sendable (JournalRead, @escaping @Sendable (JournalChunk?) -> Void) -> Void
    /// Reads the ring of a memory topic for a peer.
    package var readRing: @Sendable (RingRead, @escaping @Sendable (RingChunk) -> Void) -> Void
    /// Gives the log records back that it has lost.
    package var mend: @Sendable ([Record]) -> Void
    /// Tells the log what holders said of a run that it has lost.
    package var resolve: @Sendable (AbsentRun, WantOutcome) -> Void
    /// Tells every loop what became replicated.
    package var replicated: @Sendable (UInt64) -> Void
    /// Tells every loop who came, went, changed, or began or ceased to type.
    package var presence: @Sendable ([PresenceEvent]) -> Void
    /// Tells every loop which runs of other nodes are alive and reached.
    package var peers: @Sendable ([Origin]) -> Void
    /// Gives an errand to the event loop of a number: a peer's, or back one of this node's that could not be carried.
    package var errand: @Sendable ([UInt8], _ loop: Int, _ from: NodeID?) -> Void
    /// Another living process owns this node's id.
    package var conflict: @Sendable () -> Void
    /// An operator removed this node from the cluster.
    package var removed: @Sendable () -> Void

    package init(
        bus: NanomsgBus, gossip: GossipSocket,
        read: @escaping @Sendable (JournalRead, @escaping @Sendable (JournalChunk?) -> Void) -> Void,
        readRing: @escaping @Sendable (RingRead, @escaping @Sendable (RingChunk) -> Void) -> Void,
        mend: @escaping @Sendable ([Record]) -> Void, resolve: @escaping @Sendable (AbsentRun, WantOutcome) -> Void,
        replicated: @escaping @Sendable (UInt64) -> Void, presence: @escaping @Sendable ([PresenceEvent]) -> Void,
        peers: @escaping @Sendable ([Origin]) -> Void,
        errand: @escaping @Sendable ([UInt8], _ loop: Int, _ from: NodeID?) -> Void,
        conflict: @escaping @Sendable () -> Void, removed: @escaping @Sendable () -> Void
    ) {
        self.bus = bus
        self.gossip = gossip
        self.read = read
        self.readRing = readRing
        self.mend = mend
        self.resolve = resolve
        self.replicated = replicated
        self.presence = presence
        self.peers = peers
        self.errand = errand
        self.conflict = conflict
        self.removed = removed
    }
}

/// Owns the control plane on an event loop of its own, so that a busy front never looks dead, and does what it asks for.
package final class ControlDriver: Sendable {
    private let loop: any EventLoop
    private let inbox = Mutex(Inbox())
    private let confirmations = Mutex<[UInt64: @Sendable () -> Void]>([:])
    private let core: NIOLoopBoundBox<Core>

    private struct Inbox {
        var inputs: [ControlPlane.Input] = []
        /// Whether the loop is awake for what is here, or about to be.
        var isCalled = false
        /// Whether a lane waits for this node's records.
        var hasLanes = false
        /// Whether the disk has come further, and the loop was not called for that.
        var hasQuietSync = false
        /// About how many bytes of records wait that nobody was woken for.
        var unhurriedBytes = 0

        /// How many of them may wait: 1 MiB.
        static let unhurriedLimit = 1 << 20

        /// Calls the loop for what is here, unless it need not come for that; whether it must be woken.
        mutating func call(if isUrgent: Bool = true) -> Bool {
            guard isUrgent, !isCalled else { return false }
            isCalled = true
            return true
        }
    }

    private struct Core {
        var plane: ControlPlane
        let ledger: PeerLedger
        var outlets: ControlOutlets?
        var timer: Scheduled<Void>?
        var timerAt = MonotonicTime.distantFuture
        var effects: [ControlPlane.Effect] = []
        let clock: @Sendable () -> Now
        let logger: Logger

        mutating func handle(_ input: ControlPlane.Input, at now: MonotonicTime) {
            plane.handle(input, at: now, ledger: ledger, into: &effects)
        }

        mutating func takeEffects() -> [ControlPlane.Effect] {
            defer { effects.removeAll(keepingCapacity: true) }
            return effects
        }
    }

    package init(
        loop: any EventLoop, plane: ControlPlane, ledger: PeerLedger, clock: @escaping @Sendable () -> Now, logger: Logger
    ) async throws {
        self.loop = loop
        core = try await loop.submit {
            NIOLoopBoundBox(
                Core(plane: plane, ledger: ledger, clock: clock, logger: logger), eventLoop: loop)
        }.get()
    }

    /// Begins to act through the outlets; what was posted before is handled then.
    package func start(_ outlets: ControlOutlets) {
        loop.execute {
            self.core.value.outlets = outlets
            self.drain()
        }
    }

    /// Hands an input over from any thread.
    package func post(_ input: ControlPlane.Input) { post([input]) }

    package func post(_ inputs: [ControlPlane.Input]) {
        if enqueue(inputs) { wake() }
    }

    /// Puts inputs into the inbox without waking the loop; says whether ``wake()`` must follow.
    package func enqueue(_ inputs: [ControlPlane.Input]) -> Bool {
        inbox.withLock { inbox in
            inbox.inputs.append(contentsOf: inputs)
            return inbox.call()
        }
    }

    /// As ``enqueue(_:)``, for what was sequenced. While no lane waits for it, the loop is not woken until some 1 MiB is
    /// there or something else comes.
    ///
    /// - Parameter bytes: what the batch takes in memory, about.
    func enqueue(sequenced batch: [Sequenced], bytes: Int) -> Bool {
        inbox.withLock { inbox in
            inbox.inputs.append(.sequenced(batch))
            inbox.unhurriedBytes += bytes
            return inbox.call(if: inbox.hasLanes || inbox.unhurriedBytes > Inbox.unhurriedLimit)
        }
    }

    /// This node's disk has come as far as a local sequence. While neither a lane nor anybody here waits for that, the loop
    /// hears of it with whatever comes next, or by ``syncIsAwaited()``.
    func synced(through sequence: UInt64, isAwaited: Bool) {
        let mustWake = inbox.withLock { inbox in
            inbox.inputs.append(.synced(through: sequence))
            let isUrgent = isAwaited || inbox.hasLanes
            if !isUrgent { inbox.hasQuietSync = true }
            return inbox.call(if: isUrgent)
        }
        if mustWake { wake() }
    }

    /// Somebody here waits for what may have been synced already.
    func syncIsAwaited() {
        if inbox.withLock({ $0.call(if: $0.hasQuietSync) }) { wake() }
    }

    package func wake() { loop.execute { self.drain() } }

    /// Announces what a loop's subscribers want, and calls `confirmed` when every reachable member has taken it.
    package func interested(
        loop: Int, id: UInt64, added: [TopicFilter], removed: [TopicFilter], confirmed: @escaping @Sendable () -> Void
    ) {
        confirmations.withLock { $0[id] = confirmed }
        post(.interested([InterestChange(loop: loop, id: id, added: added, removed: removed)]))
    }

    /// Calls `confirmed` when every reachable member has taken all that was announced before.
    package func confirmAnnouncements(loop: Int, id: UInt64, confirmed: @escaping @Sendable () -> Void) {
        confirmations.withLock { $0[id] = confirmed }
        post(.confirmAnnouncements(loop: loop, id: id))
    }

    /// Reads the plane on its loop.
    package func inspect<Result: Sendable>(
        _ body: @escaping @Sendable (ControlPlane, MonotonicTime) -> Result
    ) async throws -> Result {
        try await loop.submit {
            self.drain()
            return body(self.core.value.plane, self.core.value.clock().monotonic)
        }.get()
    }

    /// Asks the plane something after all that was posted before; `answer` gets nil when the loop has ended.
    package func ask<Answer: Sendable>(
        _ body: @escaping @Sendable (ControlPlane) -> Answer, answer: @escaping @Sendable (Answer?) -> Void
    ) {
        loop.submit {
            self.drain()
            return body(self.core.value.plane)
        }.whenComplete { result in
            switch result {
            case .success(let value): answer(value)
            case .failure: answer(nil)
            }
        }
    }

    private func drain() {
        guard core.value.outlets != nil else { return }
        let inputs = inbox.withLock { inbox in
            let inputs = inbox.inputs
            inbox = Inbox(hasLanes: inbox.hasLanes)
            return inputs
        }
        let now = core.value.clock().monotonic
        for input in Self.merged(inputs) { core.value.handle(input, at: now) }
        if core.value.plane.nextDeadline(after: now) <= now { core.value.handle(.tick, at: now) }
        perform()
        schedule(after: now)
        noteLanes()
    }

    /// Lets records wake the loop from now on, or not any more.
    private func noteLanes() {
        let hasLanes = core.value.plane.replication.hasLanes
        let isLate = inbox.withLock { inbox in
            inbox.hasLanes = hasLanes
            return inbox.call(if: hasLanes && !inbox.inputs.isEmpty)
        }
        if isLate { wake() }
    }

    /// Changes of one kind that follow each other are taken as one: a client may subscribe to thousands at once.
    private static func merged(_ inputs: [ControlPlane.Input]) -> [ControlPlane.Input] {
        var merged: [ControlPlane.Input] = []
        var interests: [InterestChange] = []
        var presences: [PresenceChange] = []
        func settle() {
            if !interests.isEmpty { merged.append(.interested(interests)) }
            if !presences.isEmpty { merged.append(.presence(presences)) }
            (interests, presences) = ([], [])
        }
        for input in inputs {
            switch input {
            case .interested(let more): interests += more
            case .presence(let more): presences += more
            default:
                settle()
                merged.append(input)
            }
        }
        settle()
        return merged
    }

    private func schedule(after now: MonotonicTime) {
        let deadline = core.value.plane.nextDeadline(after: now)
        guard deadline < core.value.timerAt || core.value.timerAt <= now else { return }
        core.value.timer?.cancel()
        core.value.timerAt = deadline
        guard deadline < .distantFuture else { return }
        let wait = max(1_000_000, (deadline - now).nanoseconds)
        core.value.timer = loop.scheduleTask(in: .nanoseconds(wait)) {
            self.core.value.timerAt = .distantFuture
            self.drain()
        }
    }

    private func perform() {
        guard let outlets = core.value.outlets else { return }
        var frames: [(NodeID, [UInt8])] = []
        for effect in core.value.takeEffects() {
            switch effect {
            case .gossip(let packet, let node, let boot, let endpoint):
                outlets.gossip.send(packet, to: node, boot: boot, at: endpoint)
            case .greet(let endpoint): outlets.gossip.greet(endpoint)
            case .connect(let node, let endpoint): outlets.bus.connect(node, at: endpoint)
            case .disconnect(let node): outlets.bus.disconnect(node)
            case .memberChanged(let member, let before): report(member, from: before)
            case .conflict: outlets.conflict()
            case .presence(let events): outlets.presence(events)
            case .peers(let peers): outlets.peers(peers)
            case .removed: outlets.removed()
            case .replication(.send(let peer, let frame)): frames.append((peer, frame))
            case .replication(.read(let purpose, let read)):
                outlets.read(read) { chunk in
                    self.post(chunk.map { .chunk($0, for: purpose) } ?? .unreadable(purpose))
                }
            case .replication(.readRing(let peer, let boot, let read)):
                outlets.readRing(read) { self.post(.ring($0, for: peer, boot: boot)) }
            case .replication(.mend(let records)): outlets.mend(records)
            case .replication(.resolve(let run, let outcome)): outlets.resolve(run, outcome)
            case .replication(.replicated(let sequence)): outlets.replicated(sequence)
            case .replication(.interestConfirmed(_, let id)):
                let confirmed = confirmations.withLock { $0.removeValue(forKey: id) }
                confirmed?()
            case .replication(.errand(let loop, let bytes, let peer)): outlets.errand(bytes, loop, peer)
            case .replication(.errandLost(let parcel)): outlets.errand(parcel.bytes, parcel.sender, nil)
            case .replication(.presence): preconditionFailure("the control plane tells of presence by itself")
            case .replication(.cycle(let peer)): outlets.bus.cycle(peer)
            case .replication(.outdated(let peer, let version)):
                core.value.logger.error(
                    "a peer's wire version cannot say what comes next: it gets nothing more until it is upgraded",
                    metadata: ["peer": "\(peer)", "version": "\(version)"])
            case .replication(.malformed(let error, let peer)), .malformed(let error, let peer):
                core.value.logger.warning(
                    "a peer's frame could not be read", metadata: ["peer": "\(peer)", "error": "\(error)"])
            }
        }
        if !frames.isEmpty { outlets.bus.send(frames) }
    }

    private func report(_ member: Member, from before: MemberState?) {
        core.value.logger.info(
            "member changed",
            metadata: [
                "node": "\(member.id)", "name": "\(member.name)", "state": "\(member.state)",
                "before": "\(before.map { "\($0)" } ?? "unknown")", "incarnation": "\(member.incarnation)",
            ])
    }
}
