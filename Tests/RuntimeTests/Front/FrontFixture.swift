import Broker
import Logging
import Model
import NIOCore
import NIOPosix
import Runtime
import Synchronization
import Testing

/// A front on a port of its own, over a node that sequences in memory and keeps no log.
struct FrontFixture {
    let front: Front
    let listener: FrontListener
    let group: MultiThreadedEventLoopGroup

    static func run(
        settings: FrontSettings = FrontSettings(), shardSettings: ShardSettings = ShardSettings(),
        anonymous: String? = AccessPolicy.admin, mail: EndlessMail? = nil,
        _ body: (FrontFixture) async throws -> Void
    ) async throws {
        var settings = settings
        // What a client says in a test may come late where the machine is busy; only a test of the limit sets it short.
        if settings.headTimeout == FrontSettings().headTimeout { settings.headTimeout = .seconds(300) }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let key = await TokenKey.secret(Array("0123456789abcdef0123456789abcdef".utf8))
        let front = try await Front.start(
            group: group, settings: settings, shardSettings: shardSettings, access: .standard,
            services: LoneNode(mail: mail),
            authentication: Authentication(
                verifier: TokenVerifier(keys: [key]), minter: TokenMinter(key: key), users: UserFile(),
                anonymousRole: anonymous),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let listener = try await front.listen(on: Endpoint(host: "127.0.0.1", port: 0))
        let fixture = FrontFixture(front: front, listener: listener, group: group)
        do {
            try await body(fixture)
        } catch {
            await fixture.end()
            throw error
        }
        await fixture.end()
    }

    private func end() async {
        await listener.close()
        await front.stop()
        do { try await group.shutdownGracefully() } catch { Issue.record(error) }
    }

    /// A token for somebody who may do anything.
    func token() async -> String {
        let key = await TokenKey.secret(Array("0123456789abcdef0123456789abcdef".utf8))
        let principal = Principal(user: "op", roles: [AccessPolicy.admin])
        return TokenMinter(key: key).token(for: principal, at: systemClock().wall)
    }

    /// Connects; the body is given what a test may say and read.
    func connect(_ body: (RawConnection) async throws -> Void) async throws {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: listener.endpoint.host, port: Int(listener.endpoint.port)) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: true)
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
        // A front that never answers must fail the test, not hang it.
        let deadline = channel.channel.eventLoop.scheduleTask(in: .seconds(120)) {
            Issue.record("no answer within 120 s")
            channel.channel.close(promise: nil)
        }
        defer { deadline.cancel() }
        try await channel.executeThenClose { inbound, outbound in
            try await body(RawConnection(inbound: inbound.makeAsyncIterator(), outbound: outbound))
        }
    }
}

/// The bytes of one connection.
final class RawConnection {
    private var inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    private var held: [UInt8] = []

    init(
        inbound: NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
        outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    ) {
        self.inbound = inbound
        self.outbound = outbound
    }

    func send(_ bytes: [UInt8]) async throws { try await outbound.write(ByteBuffer(bytes: bytes)) }

    func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    /// Ends its half of the connection.
    func finish() { outbound.finish() }

    /// Reads until `enough` has what it needs, and keeps what follows; nil when the connection ended before.
    func read<Result>(_ enough: (inout [UInt8]) throws -> Result?) async throws -> Result? {
        while true {
            if let result = try enough(&held) { return result }
            guard let part = try await inbound.next() else { return nil }
            held.append(contentsOf: part.readableBytesView)
        }
    }

    /// Everything up to the connection's end.
    func rest() async throws -> String {
        while let part = try await inbound.next() { held.append(contentsOf: part.readableBytesView) }
        defer { held = [] }
        return String(decoding: held, as: UTF8.self)
    }
}

/// A node of one loop whose ledger is the loop's own.
final class LoneNode: NodeServices {
    let identity = NodeIdentity(id: NodeID(rawValue: 1), name: "lone", cluster: "test")
    private let mail: EndlessMail?

    init(mail: EndlessMail? = nil) {
        self.mail = mail
    }

    func attach(_ port: FrontPort, loop: Int) -> LoopStart { LoopStart(ledger: LoneLedger(mail: mail)) }

    func replicasAreAwaited() {}

    func read(_ read: TopicRead, reply: @escaping @Sendable (Result<TopicPage, Refusal>) -> Void) {
        reply(.failure(.notSupported("no log here")))
    }

    func describe(_ topic: TopicDefinition, reply: @escaping @Sendable (Result<TopicDescription, Refusal>) -> Void) {
        reply(
            .success(
                TopicDescription(
                    definition: topic, statistics: TopicStatistics(messages: 0, bytes: 0), subscribers: 0,
                    heads: Cursor())))
    }

    func schedules() -> [Schedule] { [] }

    func addSchedule(_ schedule: Schedule) async -> Result<Schedule, Refusal> { .failure(.scheduleLimit(.ofCluster)) }

    func removeSchedule(_ id: String) async -> Result<Void, Refusal> { .failure(.scheduleUnknown(id)) }

    func query(
        _ task: QueryTask, deliver: @escaping @Sendable (Result<QueryChunk, Refusal>) -> Void
    ) -> any QueryHandle {
        deliver(.failure(.notSupported("no log here")))
        return NoQuery()
    }

    func announceInterest(
        loop: Int, added: [TopicFilter], removed: [TopicFilter], confirmed: @escaping @Sendable () -> Void
    ) { confirmed() }

    func announce(_ changes: [PresenceChange]) {}

    func confirmAnnouncements(loop: Int, confirmed: @escaping @Sendable () -> Void) { confirmed() }

    func carry(_ errand: Errand, to node: NodeID, loop: Int, from sender: Int) {}

    func presence(
        of topic: TopicName, limit: Int, reply: @escaping @Sendable (Result<PresenceList, Refusal>) -> Void
    ) { reply(.success(PresenceList(members: [], count: 0))) }

    func report(reply: @escaping @Sendable (Result<StatusReport, Refusal>) -> Void) {
        let figures = NodeFigures(
            node: identity.name, cpu: 1, memory: 2, connections: 3, subscriptions: 4, messagesIn: 5, messagesOut: 6,
            topics: 7)
        let view = ClusterView(node: identity.name, cluster: identity.cluster, digest: "7", members: [])
        reply(.success(StatusReport(figures: figures, cluster: view)))
    }

    func clusterStatus() async -> ClusterStatus {
        ClusterStatus(identity: identity, members: [], vector: VersionVector(), digest: 7)
    }

    func beginBackup() async -> Result<BackupDescription, Refusal> { .failure(.notSupported("no log is behind it")) }

    func readBackup(
        _ id: String, file: String, at position: Int, count: Int
    ) async -> Result<[UInt8], Refusal> { .failure(.notSupported("no log is behind it")) }

    func endBackup(_ id: String) async -> Bool { false }

    func unreadiness() async -> String? { "the disk is gone" }

    func leave(user: String) async -> Result<RemovedMember, Refusal> {
        .failure(.memberNeeded("\(user) asks the only member to leave"))
    }

    func forget(_ member: String, isForced: Bool, user: String) async -> Result<RemovedMember, Refusal> {
        guard member == "gone" else { return .failure(.memberUnknown(member)) }
        return .success(RemovedMember(id: NodeID(rawValue: 9), name: member, members: 1))
    }

    func metrics() async -> [Metric] { [Metric("roost_lone", .gauge, help: "Alone.", 1)] }
}

private struct NoQuery: QueryHandle {
    func resume() {}
    func cancel() {}
}

/// Mail of other loops that never ends while it flows, as from publishers who are faster than this loop.
final class EndlessMail: Sendable {
    private let flows = Atomic<Bool>(false)
    private let slices = Atomic<Int>(0)

    func begin() { flows.store(true, ordering: .sequentiallyConsistent) }

    func end() { flows.store(false, ordering: .sequentiallyConsistent) }

    /// How often the loop has taken some of it.
    var sliceCount: Int { slices.load(ordering: .sequentiallyConsistent) }

    func flowsOn() -> Bool {
        guard flows.load(ordering: .sequentiallyConsistent) else { return false }
        slices.add(1, ordering: .sequentiallyConsistent)
        return true
    }
}

/// Sequences without a lock, for one loop. Topics exist as soon as they are asked for.
private final class LoneLedger: Ledger {
    private let mail: EndlessMail?
    let origin = Origin(node: NodeID(rawValue: 1), epoch: Epoch(rawValue: 1))
    private var registry = Registry()
    private var mailbox: [Sequenced] = []
    private var sequence: UInt64 = 0
    private var offsets: [TopicName: UInt64] = [:]

    init(mail: EndlessMail?) {
        self.mail = mail
    }

    func take(atMost count: Int) -> (batch: [Sequenced], hasMore: Bool) {
        guard let mail, mail.flowsOn() else { return (take(), false) }
        for _ in 0..<count { _ = append(.member(MemberRecord(node: NodeID(rawValue: 2), name: "other"))) }
        return (take(), true)
    }

    private func append(_ body: Record.Body, _ transition: TopicTransition? = nil) -> Record {
        sequence += 1
        let record = Record(
            origin: origin, slot: .system, position: sequence, time: HybridTime(milliseconds: 1_000 + sequence),
            seen: 0,
            body: body)
        mailbox.append(Sequenced(sequence: sequence, record: record, transition: transition))
        return record
    }

    func publish(_ drafts: [Draft]) -> [Result<Receipt, Refusal>] {
        drafts.map { draft in
            let offset = offsets[draft.topic, default: 0] + 1
            offsets[draft.topic] = offset
            let message = Message(
                topic: draft.topic, generation: 1, offset: offset, event: draft.event, key: draft.key,
                publisher: draft.publisher, source: draft.source, messageID: draft.messageID, expiry: nil,
                payload: draft.payload)
            let record = append(.message(message))
            return .success(
                Receipt(
                    partition: record.partition(of: message), offset: offset, time: record.time, sequence: sequence,
                    isRepeat: false))
        }
    }

    func createTopic(_ topic: TopicCreation) -> Result<TopicWrite, Refusal> {
        let change = TopicChange.created(
            topic.name, generation: 1, kind: topic.kind, durability: topic.durability, owner: topic.owner,
            groups: topic.groups, settings: topic.settings)
        let stamp = Stamp(time: HybridTime(milliseconds: 1_001 + sequence), origin: origin)
        let transition = registry.merge(change, stamp: stamp)
        _ = append(.topic(change), transition)
        guard let definition = registry.topic(topic.name) else { return .failure(.internal("not merged")) }
        return .success(TopicWrite(definition: definition, sequence: 0))
    }

    func changeTopic(_ name: TopicName, retention: Retention?, permission: PermissionMask?) -> Result<
        TopicWrite, Refusal
    > {
        .failure(.notSupported("not here"))
    }

    func destroyTopic(_ name: TopicName) -> Result<TopicWrite, Refusal> { .failure(.notSupported("not here")) }

    func take() -> [Sequenced] {
        defer { mailbox = [] }
        return mailbox
    }

    func heads(of topics: [TopicName]) -> (heads: [Cursor], sequence: UInt64, batch: [Sequenced]) {
        let heads = topics.map { topic in
            offsets[topic].map { Cursor([Partition(origin: origin, generation: 1): $0]) } ?? Cursor()
        }
        return (heads, sequence, take())
    }
}
