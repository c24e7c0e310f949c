import Broker
import Dialects
import Logging
import Model
import NIOCore
import NIOPosix
import NIOSSL

/// The whole front of a node: one share for each event loop, the listeners, and HTTP.
package struct Front: Sendable {
    /// One for each loop, in order.
    package let ports: [FrontPort]
    private let group: MultiThreadedEventLoopGroup
    private let settings: FrontSettings
    private let shared: FrontShared
    private let byLoop: [ObjectIdentifier: FrontPort]
    private let authentication: InUse<Authentication>
    private let security: InUse<NIOSSLContext?>
    /// Closed while the node is about to stop.
    package let gate: FrontGate

    /// Starts the loops; nothing is accepted before ``listen(on:security:)``.
    package static func start(
        group: MultiThreadedEventLoopGroup, settings: FrontSettings, shardSettings: ShardSettings,
        access: AccessPolicy, services: any NodeServices, authentication: Authentication, logger: Logger
    ) async throws -> Front {
        var ports: [FrontPort] = []
        var lackingRings = 0
        let exchange = FrameExchange(loops: Array(group.makeIterator()).count)
        for (index, eventLoop) in group.makeIterator().enumerated() {
            let (port, lacksRing) = try await eventLoop.submit {
                reserveHeap()
                let port = FrontPort.start(
                    loop: index, on: eventLoop, settings: settings, shardSettings: shardSettings, access: access,
                    services: services, authentication: authentication, exchange: exchange)
                return (port, port.confined?.sendRing == nil)
            }.get()
            ports.append(port)
            if lacksRing { lackingRings += 1 }
        }
        let wantsRings = settings.sendBatching.wantsRing
        if settings.sendBatching == .automatic {
            logger.info(
                wantsRings
                    ? "a message goes to many sockets in one call of the kernel, which takes less time here"
                    : "a message goes to each socket in a call of its own: one for many would not take less time here")
        }
        if wantsRings, lackingRings > 0 {
            logger.notice(
                "io_uring cannot be had here: a message is sent to each socket by itself",
                metadata: ["loops": "\(lackingRings)"])
        }
        let byLoop = Dictionary(uniqueKeysWithValues: ports.map { (ObjectIdentifier($0.eventLoop), $0) })
        let inUse = InUse(authentication)
        let gate = FrontGate()
        let serving = HTTPServing(
            rest: RESTDoor(
                fronts: byLoop, settings: settings, authentication: inUse, services: services,
                desk: LoginDesk(authentication: inUse), gate: gate),
            operations: OperationsDoor(fronts: ports, services: services), pages: PagesDoor(), settings: settings,
            authentication: inUse, gate: gate, logger: logger)
        let identity = services.identity
        var conversation = ConversationContext(node: identity.name, cluster: identity.cluster) { settings.clock().wall }
        conversation.graphQL = settings.graphQL
        let shared = FrontShared(
            conversation: conversation,
            http: serving.takeover(), admission: Admission(settings: settings))
        return Front(
            ports: ports, group: group, settings: settings, shared: shared, byLoop: byLoop, authentication: inUse,
            security: InUse(nil), gate: gate)
    }

    /// Accepts connections on an address, plain or with TLS.
    package func listen(on endpoint: Endpoint, security: NIOSSLContext? = nil) async throws -> FrontListener {
        if let security { self.security.replace(security) }
        return try await FrontListener.bind(
            endpoint, group: group, fronts: byLoop, shared: shared, settings: settings,
            security: security == nil ? nil : self.security)
    }

    /// Uses another certificate for handshakes from now on; open connections stay as they are.
    package func setSecurity(_ context: NIOSSLContext) { security.replace(context) }

    /// Asks those who come from now on for other credentials; open sessions stay as they are.
    package func setAuthentication(_ authentication: Authentication) {
        self.authentication.replace(authentication)
        for port in ports { port.setAuthentication(authentication) }
    }

    /// How many connections are served by HTTP now.
    package var httpConnections: Int { shared.http.servedCount }

    /// Moves every client to one of `nodes`, each at a time of its own within the window, and closes with 1012. From now
    /// on upgrades and requests are sent elsewhere with 503; what operators ask is answered.
    package func drain(within window: Duration, nodes: [String]) async {
        gate.close()
        for port in ports { await port.drain(within: window, nodes: nodes) }
    }

    /// Lets clients in again, after a drain that came to nothing.
    package func reopen() {
        gate.close(false)
        for port in ports { port.reopen() }
    }

    /// How many clients are attached.
    package func clientCount() async -> Int {
        var count = 0
        for port in ports { count += await port.figures().connections }
        return count
    }

    /// Closes every connection, ends timers and lets go of what the loops hold. The group is the caller's to shut down.
    package func stop() async {
        for port in ports { await port.stop() }
        await shared.http.finished()
    }
}
