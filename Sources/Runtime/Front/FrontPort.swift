import Broker
import Model
import NIOCore

/// A loop as other threads reach it: every call is carried out on the loop, in the order in which they were made.
package struct FrontPort: Sendable {
    package let eventLoop: any EventLoop
    private let loop: NIOLoopBoundBox<FrontLoop?>
    /// How far this node's disk has come.
    let storage = DurabilityGauge()
    /// How far the disks of a majority of the replicas have come with this node's own.
    let replicas = DurabilityGauge()

    /// Makes a loop's share of the front; called on the loop.
    package static func start(
        loop index: Int, on eventLoop: any EventLoop, settings: FrontSettings, shardSettings: ShardSettings,
        access: AccessPolicy, services: any NodeServices, authentication: Authentication, exchange: FrameExchange
    ) -> FrontPort {
        let port = FrontPort(eventLoop: eventLoop, loop: NIOLoopBoundBox(nil, eventLoop: eventLoop))
        let start = services.attach(port, loop: index)
        let loop = FrontLoop(
            index: index, eventLoop: eventLoop, port: port, start: start, settings: settings,
            shardSettings: shardSettings, access: access, services: services, authentication: authentication,
            exchange: exchange)
        port.loop.value = loop
        loop.begin()
        loop.startPinging()
        return port
    }

    /// The loop's share, for those who are on the loop; nil once it was stopped.
    var confined: FrontLoop? { loop.value }

    /// Runs `body` on the loop, later.
    func run(_ body: @escaping @Sendable (FrontLoop) -> Void) {
        eventLoop.execute { [loop] in
            if let loop = loop.value { body(loop) }
        }
    }

    /// Asks the loop something.
    private func ask<Answer: Sendable>(_ body: @escaping @Sendable (FrontLoop) -> Answer) async -> Answer? {
        await withCheckedContinuation { continuation in
            eventLoop.execute { [loop] in continuation.resume(returning: loop.value.map(body)) }
        }
    }

    /// The loop's mailbox was empty and is not any more.
    package func wake() { run { $0.mailHasCome() } }

    /// Everything up to this local sequence is on this node's disk.
    package func durable(through sequence: UInt64) {
        if storage.advance(to: sequence) { run { $0.durabilityHasAdvanced() } }
    }

    /// Everything of this node's own up to this local sequence is on the disks of a majority of the replicas.
    package func replicated(through sequence: UInt64) {
        if replicas.advance(to: sequence) { run { $0.durabilityHasAdvanced() } }
    }

    /// Somebody came, went, changed, or began or ceased to type, on whichever node.
    package func presenceChanged(_ events: [PresenceEvent]) { run { $0.presenceChanged(events) } }

    /// Another event loop, of this node or a peer, has something to tell the loop.
    package func take(_ errand: Errand) { run { $0.take(errand) } }

    /// An errand of the loop could not be carried.
    package func lost(_ errand: Errand) { run { $0.lost(errand) } }

    /// Other runs of other nodes are alive and reached than before.
    package func peersChanged(_ peers: [Origin]) { run { $0.peersChanged(peers) } }

    /// Takes new roles into use.
    package func setAccess(_ policy: AccessPolicy) { run { $0.setAccess(policy) } }

    /// Asks those who come from now on for other credentials.
    func setAuthentication(_ authentication: Authentication) { run { $0.authentication = authentication } }

    /// Carries out commands of one principal in order, through the shard like any client's.
    package func perform(_ commands: [Command], as principal: Principal) async -> [Reply] {
        await withCheckedContinuation { continuation in
            eventLoop.execute { [loop] in
                guard let loop = loop.value else { return continuation.resume(returning: []) }
                loop.perform(commands, as: principal) { continuation.resume(returning: $0) }
            }
        }
    }

    /// Carries out one command.
    package func perform(_ command: Command, as principal: Principal) async -> Reply {
        await perform([command], as: principal).first ?? .refused(.internal("the node is stopping"))
    }

    /// How many connections of the loop follow a topic.
    package func subscriberCount(of topic: TopicName) async -> Int { await ask { $0.subscriberCount(of: topic) } ?? 0 }

    /// How many connections of the loop follow each topic; topics that nobody follows are left out.
    package func subscriberCounts() async -> [TopicName: UInt64] { await ask { $0.subscriberCounts } ?? [:] }

    /// What the loop has done and has open.
    package func figures() async -> FrontFigures {
        await ask { loop in
            FrontFigures(
                counters: loop.counters, shard: loop.shardCounters, connections: loop.connectionCount,
                subscriptions: loop.subscriptionCount)
        } ?? FrontFigures()
    }

    /// Moves every client of the loop to another node within the window, and closes them with 1012.
    package func drain(within window: Duration, nodes: [String]) async {
        _ = await ask { $0.drain(within: window, nodes: nodes) }
    }

    /// Lets clients in again, after a drain that came to nothing.
    package func reopen() { run { $0.reopen() } }

    /// Why a principal may not do something to the cluster itself; nil when it may.
    package func refusal(of action: AccessAction, on name: TopicName, to principal: Principal) async -> Refusal? {
        await ask { $0.refusal(of: action, on: name, to: principal) } ?? .draining
    }

    /// Ends the loop's timers, closes its connections, and lets its share go when they are closed.
    package func stop() async {
        let closed = await ask { $0.stop() } ?? []
        // However a connection ends, it has ended.
        for future in closed { _ = try? await future.get() }
        await withCheckedContinuation { continuation in
            eventLoop.execute { [loop] in
                loop.value = nil
                continuation.resume()
            }
        }
    }
}

/// What one loop, or several together, have done and have open.
package struct FrontFigures: Sendable, Equatable {
    package var counters = FrontCounters()
    package var shard = ShardCounters()
    package var connections = 0
    package var subscriptions = 0

    /// Adds what another loop has done and has open.
    mutating func add(_ other: FrontFigures) {
        counters.add(other.counters)
        shard.add(other.shard)
        connections += other.connections
        subscriptions += other.subscriptions
    }
}
