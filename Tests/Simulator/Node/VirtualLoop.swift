import Broker
import Clustering
import Journal
import Model

/// One event loop of a process: its shard, its lists of live receivers and its connections.
final class VirtualLoop {
    private unowned let process: VirtualProcess
    private unowned let world: World
    private let index: Int
    private let ledger: LoopLedger
    private var shard: Shard
    private var effects: [ShardEffect] = []
    private var isSettling = false
    private var later: [(VirtualLoop) -> Void] = []
    private var connections: [VirtualConnection?] = []
    private var lists: [ListID: [ConnectionID]] = [:]
    private var interests: [UInt64: InterestID] = [:]
    private var deadlineAt = MonotonicTime.distantFuture
    private var isWakeScheduled = false

    init(process: VirtualProcess, index: Int) {
        self.process = process
        world = process.world
        self.index = index
        ledger = LoopLedger(process.ledger, loop: index)
        let sequencer = process.ledger.sequencer
        let topics = sequencer.registry.sortedEntries.compactMap(\.live)
        var heads: [TopicName: Cursor] = [:]
        for topic in topics { heads[topic.name] = sequencer.heads(of: topic.name) }
        var settings = ShardSettings()
        settings.pageMessages = 8
        shard = Shard(
            settings: settings, access: .standard,
            place: ShardPlace(
                origin: process.identity.origin, loop: index, loops: process.node.settings.loops), topics: topics, heads: heads, deliveredThrough: sequencer.sequence)
    }

    private var now: Now { Now(monotonic: world.now, wall: process.node.wall) }

    // MARK: What goes into the shard

    func open(_ peer: any VirtualPeer, session: String) -> VirtualConnection {
        let id = ConnectionID(index: UInt32(connections.count), generation: 1)
        let connection = VirtualConnection(id: id, loop: self, world: world, peer: peer, node: process.node.index)
        connections.append(connection)
        let principal = Principal(user: "somebody", roles: ["user"])
        shard.open(id, session: "\(process.boot)-\(index)-\(session)", principal: principal, at: now, into: &effects)
        settle()
        return connection
    }

    func closed(_ connection: VirtualConnection) {
        soon { loop in
            loop.shard.closed(connection.id, into: &loop.effects)
            loop.connections[Int(connection.id.index)] = nil
        }
    }

    func receive(_ requests: [Request], from connection: ConnectionID) {
        shard.receive(requests.map { (connection, $0) }, ledger: ledger, at: now, into: &effects)
        deliver()
    }

    /// Looks into the mailbox a little later.
    func wake() {
        guard !isWakeScheduled else { return }
        isWakeScheduled = true
        process.after(world.randomDuration(world.network.weather.wakeTime)) { [weak self] in
            self?.isWakeScheduled = false
            self?.deliver()
        }
    }

    func stored(through sequence: UInt64) { soon { $0.shard.durable(through: sequence, into: &$0.effects) } }

    func replicated(through sequence: UInt64) { soon { $0.shard.replicated(through: sequence, into: &$0.effects) } }

    func congested(_ connection: ConnectionID) { soon { $0.shard.congested(connection, into: &$0.effects) } }

    func drained(_ connection: ConnectionID) { soon { $0.shard.drained(connection, at: $0.now, into: &$0.effects) } }

    func interestConfirmed(_ number: UInt64) {
        guard let id = interests.removeValue(forKey: number) else { return }
        soon { $0.shard.interestConfirmed(id, ledger: $0.ledger, at: $0.now, into: &$0.effects) }
    }

    func presenceChanged(_ events: [PresenceEvent]) {
        soon { $0.shard.presenceChanged(events, at: $0.now, into: &$0.effects) }
    }

    func begin() { soon { $0.shard.begin(at: $0.now, into: &$0.effects) } }

    func peersChanged(_ peers: [Origin]) { soon { $0.shard.peersChanged(peers, at: $0.now, into: &$0.effects) } }

    func take(_ errand: Errand) { soon { $0.shard.receive(errand, at: $0.now, into: &$0.effects) } }

    func lost(_ errand: Errand) { soon { $0.shard.lost(errand, at: $0.now, into: &$0.effects) } }

    func end() {
        for connection in connections { connection?.breakOff() }
        connections = []
    }

    /// Does something when the effects under way are done, on this loop.
    func soon(_ body: @escaping (VirtualLoop) -> Void) {
        later.append(body)
        if !isSettling { process.after(.zero) { [weak self] in self?.settle() } }
    }

    private func deliver() {
        var mail = ledger.take()
        if process.node.settings.flaw == .losesMail, !mail.isEmpty, world.randomChance(0.02) {
            mail.removeFirst()
        }
        shard.deliver(mail, at: now, into: &effects)
        settle()
    }

    private func settle() {
        guard !isSettling, process.isRunning else { return }
        isSettling = true
        while !effects.isEmpty || !later.isEmpty {
            let wanted = effects
            effects = []
            for effect in wanted { carryOut(effect) }
            let calls = later
            later = []
            for call in calls { call(self) }
        }
        isSettling = false
        process.settle()
        scheduleDeadline()
    }

    private func scheduleDeadline() {
        let deadline = shard.nextDeadline
        guard deadline < deadlineAt else { return }
        deadlineAt = deadline
        world.at(deadline) { [weak self] in
            guard let self, process.isRunning, deadlineAt == deadline else { return }
            deadlineAt = .distantFuture
            shard.advance(to: now, ledger: ledger, into: &effects)
            settle()
        }
    }

    // MARK: What comes out of it

    private func connection(_ id: ConnectionID) -> VirtualConnection? {
        Int(id.index) < connections.count ? connections[Int(id.index)] : nil
    }

    private func receivers(of list: ListID) -> [VirtualConnection] { (lists[list] ?? []).compactMap { connection($0) } }

    private func carryOut(_ effect: ShardEffect) {
        switch effect {
        case .reply(let id, let reference, let reply): connection(id)?.reply(reply, to: reference)
        case .notify(let id, let notice): connection(id)?.notify(notice)
        case .join(let list, let id):
            precondition(lists[list]?.contains(id) != true, "a connection stands on a list once")
            lists[list, default: []].append(id)
        case .leave(let list, let id): lists[list]?.removeAll { $0 == id }
        case .dropList(let list): lists[list] = nil
        case .fanOut(let list, let item): for receiver in receivers(of: list) { receiver.write(item) }
        case .fanOutGap(let list, let topic, let gap):
            for receiver in receivers(of: list) { receiver.notify(.gap(topic, gap)) }
        case .fanOutCursor(let list, let topic, let cursor):
            for receiver in receivers(of: list) { receiver.notify(.cursor(topic, cursor)) }
        case .verify(let id, let reference, _):
            soon {
                $0.shard.verified(
                    id, reference, .failure(.authenticationFailed("no tokens here")), at: $0.now, into: &$0.effects)
            }
        case .read(let id, let read):
            process.disk.read(read) { [weak self] page in
                guard let self else { return }
                shard.page(id, .success(page), ledger: ledger, at: now, into: &effects)
                settle()
            }
        case .describe(let id, _):
            soon { $0.shard.described(id, .failure(.internal("not simulated")), into: &$0.effects) }
        case .query(let id, _):
            soon {
                $0.shard.queryRefused(
                    id, .notSupported("not simulated"), ledger: $0.ledger, at: $0.now, into: &$0.effects)
            }
        case .resumeQuery, .cancelQuery: break
        case .report(let id):
            soon { $0.shard.reported(id, .failure(.internal("not simulated")), at: $0.now, into: &$0.effects) }
        case .interest(let id, let added, let removed):
            let number = id.rawValue
            interests[number] = id
            process.post(.interested([InterestChange(loop: index, id: number, added: added, removed: removed)]))
        case .announce(let changes): process.post(.presence(changes))
        case .confirmAnnouncements(let id):
            interests[id.rawValue] = id
            process.post(.confirmAnnouncements(loop: index, id: id.rawValue))
        case .errand(let errand, let node, let loop): process.carry(errand, to: node, loop: loop, from: index)
        case .presence(let id, let topic, let limit):
            // Behind what was announced before, as the real control loop has it.
            process.after(.zero) { [weak self] in
                guard let self else { return }
                let list = process.plane.presence(of: topic, limit: limit)
                soon { $0.shard.presenceListed(id, .success(list), into: &$0.effects) }
            }
        case .hold, .release: preconditionFailure("no limit of requests a second is simulated")
        case .close(let id, _, _): connection(id)?.close()
        }
    }
}
