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

    /// Starts the loops; nothing is accepted before ``listen(on:security:)``.
    package static func start(
        group: MultiThreadedEventLoopGroup, settings: FrontSettings, shardSettings: ShardSettings,
        access: AccessPolicy, services: any NodeServices, authentication: Authentication, logger: Logger
    ) async throws -> Front {
        var ports: [FrontPort] = []
        let exchange = FrameExchange(loops: Array(group.makeIterator()).count)
        for (index, eventLoop) in group.makeIterator().enumerated() {
            let port = try await eventLoop.submit {
                FrontPort.start(
                    loop: index, on: eventLoop, settings: settings, shardSettings: shardSettings, access: access,
                    services: services, authentication: authentication, exchange: exchange)
            }.get()
            ports.append(port)
        }
        let byLoop = Dictionary(uniqueKeysWithValues: ports.map { (ObjectIdentifier($0.eventLoop), $0) })
        let serving = HTTPServing(
            rest: RESTDoor(
                fronts: byLoop, settings: settings, authentication: authentication, services: services,
                desk: LoginDesk(authentication: authentication)),
            operations: OperationsDoor(fronts: ports, services: services), pages: PagesDoor(), settings: settings,
            authentication: authentication, logger: logger)
        let identity = services.identity
        let shared = FrontShared(
            conversation: ConversationContext(node: identity.name, cluster: identity.cluster),
            http: serving.takeover(), count: ConnectionCount())
        return Front(ports: ports, group: group, settings: settings, shared: shared, byLoop: byLoop)
    }

    /// Accepts connections on an address, plain or with TLS.
    package func listen(on endpoint: Endpoint, security: NIOSSLContext? = nil) async throws -> FrontListener {
        try await FrontListener.bind(
            endpoint, group: group, fronts: byLoop, shared: shared, settings: settings, security: security)
    }

    /// How many connections are served by HTTP now.
    package var httpConnections: Int { shared.http.servedCount }

    /// Tells every client to go to one of `nodes`, each after a delay of its own, and closes with 1012.
    package func drain(within window: Duration, nodes: [String]) async {
        for port in ports { await port.drain(within: window, nodes: nodes) }
    }

    /// Closes every connection, ends timers and lets go of what the loops hold. The group is the caller's to shut down.
    package func stop() async {
        for port in ports { await port.stop() }
        await shared.http.finished()
    }
}

/// The TLS side of a listener: a certificate chain and its key in PEM, TLS 1.2 or later.
package func securityContext(certificateFile: String, keyFile: String) throws -> NIOSSLContext {
    let chain = try NIOSSLCertificate.fromPEMFile(certificateFile).map { NIOSSLCertificateSource.certificate($0) }
    let key = try NIOSSLPrivateKey(file: keyFile, format: .pem)
    var configuration = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key))
    configuration.minimumTLSVersion = .tlsv12
    configuration.applicationProtocols = ["http/1.1"]
    return try NIOSSLContext(configuration: configuration)
}
