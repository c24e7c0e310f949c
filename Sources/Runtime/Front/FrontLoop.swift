import Broker
import Dialects
import Model
import NIOCore

/// The front's share of one event loop: its shard, its hub and its connections. Confined to the loop; nothing here is
/// locked.
///
/// It obeys: requests, records and answers go into the shard, and what the shard wants is carried out in order.
/// Connections that close or fill up while that happens put more into the shard, whose effects follow after those under way.
package final class FrontLoop {
    package let index: Int
    package let eventLoop: any EventLoop
    let settings: FrontSettings
    let services: any NodeServices
    var authentication: Authentication
    let port: FrontPort
    var counters = FrontCounters()
    var compressor: FrameCompressor
    var hub = Hub()
    var occupants: [Occupant?] = []
    /// The wire forms that were met on this loop, by their numbers.
    var forms: [WireForm] = []
    let exchange: FrameExchange
    /// Hands shared bytes to many sockets at once; nil where that cannot be had, does not pay, or is not wanted.
    let sendRing: SendRing?
    /// The frames that this tick has for one list; nil while there are none, and in a tick that writes to several.
    var batch: SharedBatch?
    var batchCount: UInt64 = 0
    /// Whether this tick has written to more than one list.
    var isTickMixed = false
    var isFlushScheduled = false
    /// Connections with frames in their own queues.
    var unflushed: [ClientConnection] = []
    /// The sockets to which fan-out may hand bytes, by the index of their connection.
    var descriptors: ContiguousArray<CInt> = []
    /// Every open connection that is no client of the shard: those of HTTP, and those that have not said what they are.
    private var channels: [ObjectIdentifier: (channel: any Channel, stay: Stay)] = [:]

    /// The queries of this loop's sessions, as they are told to go on or to end.
    var queries: [QueryID: any QueryHandle] = [:]
    private var shard: Shard
    let ledger: any Ledger
    private var effects: [ShardEffect] = []
    private var isSettling = false
    private var generations: [UInt32] = []
    private var freeIndexes: [UInt32] = []
    private var turn = DeliveryTurn()
    /// Whether more of the mailbox will be delivered without anybody saying so.
    private var isDeliveryDue = false
    private var wakeUp: (at: MonotonicTime, timer: Scheduled<Void>)?
    private var pinging: RepeatedTask?
    private var pingRound = 0
    private var sessionCount: UInt64 = 0
    /// 56 random bits of this run of the loop. With the count a session's name has 15 bytes up to 1.6 million sessions,
    /// which Swift keeps without an allocation.
    private let sessionPrefix: String
    private(set) var isDraining = false
    /// Whether every connection was closed for good: those accepted from now on are closed too.
    private(set) var isStopping = false

    /// Who stands behind a connection of the shard.
    enum Occupant {
        case client(ClientConnection)
        /// One of a client's branches.
        case branch(WebSocketConnection, BranchID)
        /// One call from another door, which waits for its replies.
        case caller(Caller)
    }

    init(
        index: Int, eventLoop: any EventLoop, port: FrontPort, start: LoopStart, settings: FrontSettings,
        shardSettings: ShardSettings, access: AccessPolicy, services: any NodeServices, authentication: Authentication,
        exchange: FrameExchange
    ) {
        eventLoop.preconditionInEventLoop()
        settings.validate()
        self.index = index
        self.eventLoop = eventLoop
        self.port = port
        self.settings = settings
        self.services = services
        self.authentication = authentication
        self.exchange = exchange
        sendRing = settings.sendBatching.wantsRing ? SendRing() : nil
        compressor = FrameCompressor(threshold: settings.compressionThreshold)
        ledger = start.ledger
        shard = Shard(
            settings: shardSettings, access: access, place: start.place, topics: start.topics, heads: start.heads,
            deliveredThrough: start.deliveredThrough)
        sessionPrefix = base64URLEncode((0..<7).map { _ in UInt8.random(in: 0...255) }) + "."
    }

    /// Why a principal may not do something, whether or not there is a topic of that name.
    func refusal(of action: AccessAction, on name: TopicName, to principal: Principal) -> Refusal? {
        shard.refusal(of: action, on: name, to: principal)
    }

    var shardCounters: ShardCounters { shard.counters }
    var subscriptionCount: Int { shard.subscriptionCount }
    var connectionCount: Int {
        occupants.reduce(0) { count, occupant in
            if case .client = occupant { count + 1 } else { count }
        }
    }

    func subscriberCount(of topic: TopicName) -> Int { shard.subscriberCount(of: topic) }

    var subscriberCounts: [TopicName: UInt64] { shard.subscriberCounts }

    // MARK: What goes into the shard

    /// Gives a connection its number and begins its session; without a principal it has yet to authenticate.
    ///
    /// - Parameter rate: requests a second where the node's operator set no limit; nil for none.
    func open(
        _ occupant: (ConnectionID) -> Occupant, principal: Principal?, rate: Int? = nil
    ) -> ConnectionID {
        let connection = number(occupant)
        sessionCount += 1
        shard.open(
            connection, session: sessionPrefix + String(sessionCount, radix: 36), principal: principal, rate: rate,
            at: settings.clock(), into: &effects)
        settle()
        return connection
    }

    /// Begins a branch of a client: a further session with the same principal.
    func open(_ branch: BranchID, of client: WebSocketConnection, _ connection: ConnectionID) -> ConnectionID {
        let session = number { _ in .branch(client, branch) }
        shard.open(session, branching: connection)
        return session
    }

    private func number(_ occupant: (ConnectionID) -> Occupant) -> ConnectionID {
        let index = freeIndexes.popLast() ?? UInt32(occupants.count)
        if Int(index) == occupants.count {
            occupants.append(nil)
            generations.append(0)
        }
        generations[Int(index)] &+= 1
        let connection = ConnectionID(index: index, generation: generations[Int(index)])
        occupants[Int(index)] = occupant(connection)
        return connection
    }

    func closed(_ connection: ConnectionID) {
        guard occupant(connection) != nil else { return }
        shard.closed(connection, into: &effects)
        settle()
        forbidDirect(connection)
        occupants[Int(connection.index)] = nil
        freeIndexes.append(connection.index)
    }

    func receive(_ requests: [(connection: ConnectionID, request: Request)]) {
        shard.receive(requests, ledger: ledger, at: settings.clock(), into: &effects)
        // What was published here is in this loop's own mailbox already: no wake-up is waited for.
        deliver()
    }

    /// The mailbox is no longer empty.
    func mailHasCome() {
        // Between two turns the loop looks at its sockets first.
        if !isDeliveryDue { deliver() }
    }

    /// Passes on the first that waits in the mailbox; the rest follows by itself.
    private func deliver() {
        let now = settings.clock()
        turn.begin(at: now.monotonic)
        let (batch, hasMore) = ledger.take(atMost: DeliveryTurn.slice)
        shard.deliver(batch, at: now, into: &effects)
        settle()
        let isOver = turn.end(at: settings.clock().monotonic)
        guard hasMore || isOver, !isDeliveryDue else { return }
        isDeliveryDue = true
        if isOver {
            eventLoop.assumeIsolated().scheduleTask(in: DeliveryTurn.pause.timeAmount) { self.goOnDelivering() }
        } else {
            eventLoop.assumeIsolated().execute { self.goOnDelivering() }
        }
    }

    private func goOnDelivering() {
        isDeliveryDue = false
        deliver()
    }

    /// The disk, or the replicas, have come further, which this loop has asked to be told.
    func durabilityHasAdvanced() { settle() }

    func congested(_ connection: ConnectionID) {
        shard.congested(connection, into: &effects)
        settle()
    }

    func drained(_ connection: ConnectionID) {
        shard.drained(connection, at: settings.clock(), into: &effects)
        settle()
    }

    func setAccess(_ policy: AccessPolicy) {
        shard.setAccess(policy, into: &effects)
        settle()
    }

    func page(_ id: ReadID, _ result: Result<TopicPage, Refusal>) {
        shard.page(id, result, ledger: ledger, at: settings.clock(), into: &effects)
        settle()
    }

    func described(_ id: ReadID, _ result: Result<TopicDescription, Refusal>) {
        shard.described(id, result, into: &effects)
        settle()
    }

    func queried(_ id: QueryID, _ result: Result<QueryChunk, Refusal>) {
        switch result {
        case .success(let chunk):
            if chunk.end != nil { queries[id] = nil }
            shard.queried(id, chunk, ledger: ledger, at: settings.clock(), into: &effects)
        case .failure(let refusal):
            queries[id] = nil
            shard.queryRefused(id, refusal, ledger: ledger, at: settings.clock(), into: &effects)
        }
        settle()
    }

    func reported(_ id: ReadID, _ result: Result<StatusReport, Refusal>) {
        shard.reported(id, result, at: settings.clock(), into: &effects)
        settle()
    }

    func interestConfirmed(_ id: InterestID) {
        shard.interestConfirmed(id, ledger: ledger, at: settings.clock(), into: &effects)
        settle()
    }

    func presenceChanged(_ events: [PresenceEvent]) {
        shard.presenceChanged(events, at: settings.clock(), into: &effects)
        settle()
    }

    /// Begins to work, once it can be reached.
    func begin() {
        shard.begin(at: settings.clock(), into: &effects)
        settle()
    }

    func peersChanged(_ peers: [Origin]) {
        shard.peersChanged(peers, at: settings.clock(), into: &effects)
        settle()
    }

    func take(_ errand: Errand) {
        shard.receive(errand, at: settings.clock(), into: &effects)
        settle()
    }

    func lost(_ errand: Errand) {
        shard.lost(errand, at: settings.clock(), into: &effects)
        settle()
    }

    func presenceListed(_ id: ReadID, _ result: Result<PresenceList, Refusal>) {
        shard.presenceListed(id, result, into: &effects)
        settle()
    }

    func verified(_ connection: ConnectionID, _ reference: RequestReference, _ result: Result<Principal, Refusal>) {
        shard.verified(connection, reference, result, at: settings.clock(), into: &effects)
        for branch in client(connection)?.branchConnections ?? [] {
            shard.adopt(branch, from: connection, into: &effects)
        }
        settle()
    }

    // MARK: What comes out of it

    /// Carries out effects until there are none.
    private func settle() {
        guard !isSettling else { return }
        isSettling = true
        repeat {
            while !effects.isEmpty {
                var batch: [ShardEffect] = []
                swap(&batch, &effects)
                for effect in batch { carryOut(effect) }
            }
            if shard.awaitsStorage { shard.durable(through: port.storage.awaitMore(), into: &effects) }
            if shard.awaitsReplicas {
                shard.replicated(through: port.replicas.awaitMore(begun: services.replicasAreAwaited), into: &effects)
            } else {
                port.replicas.awaitNothing()
            }
        } while !effects.isEmpty
        isSettling = false
        if !isFlushScheduled { ledger.endTurn() }
        scheduleWakeUp()
    }

    func occupant(_ connection: ConnectionID) -> Occupant? {
        let index = Int(connection.index)
        guard index < occupants.count, generations[index] == connection.generation else { return nil }
        return occupants[index]
    }

    // MARK: Time

    private func scheduleWakeUp() {
        let next = shard.nextDeadline
        guard next < .distantFuture, wakeUp.map({ next < $0.at }) ?? true else { return }
        wakeUp?.timer.cancel()
        let delay = max(.zero, next - settings.clock().monotonic)
        let timer = eventLoop.assumeIsolated().scheduleTask(in: delay.timeAmount) { self.advance() }
        wakeUp = (next, timer)
    }

    private func advance() {
        wakeUp = nil
        shard.advance(to: settings.clock(), ledger: ledger, into: &effects)
        settle()
    }

    /// Begins to ping; a thirtieth of the connections at a time, so that no tick has them all.
    func startPinging() {
        let step = TimeAmount.nanoseconds(max(1, settings.pingInterval.nanoseconds / Int64(Self.pingRounds)))
        pinging = eventLoop.scheduleRepeatedTask(initialDelay: step, delay: step) { [port] _ in port.confined?.ping() }
    }

    private static let pingRounds = 30

    private func ping() {
        pingRound = (pingRound + 1) % Self.pingRounds
        for index in stride(from: pingRound, to: occupants.count, by: Self.pingRounds) {
            if case .client(let connection) = occupants[index] { connection.ping() }
        }
    }

    // MARK: The end

    /// Moves every client elsewhere, each at a time of its own within the window: it is answered what it waits for, told
    /// where to go and closed with 1012. Nobody new is let in.
    func drain(within window: Duration, nodes: [String]) {
        isDraining = true
        let spread = min(window, Self.moveSpread).milliseconds
        for case .client(let connection)? in occupants {
            let pause = Duration.milliseconds(Int64.random(in: 0...max(0, spread)))
            let delay = Int64.random(in: 0...max(0, window.milliseconds))
            guard delay > 0 else {
                connection.move(retryAfter: pause, nodes: nodes)
                continue
            }
            eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(delay)) {
                connection.move(retryAfter: pause, nodes: nodes)
            }
        }
    }

    /// Lets clients in again, after a drain that came to nothing.
    func reopen() { isDraining = false }

    /// Clients that are moved at about the same time are told to come after a pause of up to this.
    private static let moveSpread: Duration = .milliseconds(500)

    /// How many requests of a connection wait for an answer.
    func pendingCount(of connection: ConnectionID) -> Int { shard.pendingCount(of: connection) }

    /// Stops timers and closes every connection; the futures say when they are closed.
    func stop() -> [EventLoopFuture<Void>] {
        (isDraining, isStopping) = (true, true)
        pinging?.cancel()
        wakeUp?.timer.cancel()
        wakeUp = nil
        let clients = occupants.compactMap { occupant in
            if case .client(let client) = occupant { client.context?.channel } else { nil }
        }
        let open = channels.values.map(\.channel) + clients
        for channel in open { channel.close(promise: nil) }
        return open.map(\.closeFuture)
    }

    /// Takes note of an accepted connection, here and in the node's count, until a client has it or it ends.
    func accepted(_ channel: any Channel, _ stay: Stay) {
        counters.accepted += 1
        channels[ObjectIdentifier(channel)] = (channel, stay)
    }

    /// A connection has become a client, which ``occupants`` holds and which ends its stay.
    func isClient(_ channel: any Channel) -> Stay? {
        channels.removeValue(forKey: ObjectIdentifier(channel))?.stay
    }

    /// A connection that is no client has ended.
    func left(_ channel: any Channel) { channels.removeValue(forKey: ObjectIdentifier(channel))?.stay.end() }
}
