import Broker
import Foundation
import Logging
import Model
import NIOCore
import NIOPosix
import NIOSSL
import UnixSignals

/// Why a node did not start or could not go on.
package struct NodeFailure: Error, CustomStringConvertible {
    /// For a person, with what was wrong and what would be right.
    package let sentence: String
    /// Whether a setting, or a file that one names, is to blame.
    package let isConfiguration: Bool

    package init(_ sentence: String, isConfiguration: Bool = false) {
        self.sentence = sentence
        self.isConfiguration = isConfiguration
    }

    package var description: String { sentence }
}

/// A whole node: its engine and its front. Composition only.
package enum Node {
    /// How long the start waits for one of the nodes to join, and the stop for lanes to empty.
    static let patience: Duration = .seconds(3)

    /// Runs a node until SIGTERM, SIGINT, or a failure that it cannot go on with.
    ///
    /// Once it accepts clients and has tried to join, it prints one line `ready node=… listen=…` on standard output; once
    /// more when it begins anew because it was removed from its cluster. SIGHUP takes into use what can be of the
    /// configuration as `reread` then gives it.
    package static func run(
        _ configuration: NodeConfiguration,
        reread: @escaping @Sendable () throws(ConfigurationError) -> NodeConfiguration
    ) async throws {
        LogOutput.install(configuration)
        let logger = Logger(label: "roost")
        // Signals that come while the node starts are kept for when it has.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        let (endings, end) = AsyncStream.makeStream(of: Ending.self)
        let listening = Task {
            for await signal in signals { end.yield(signal == .sighup ? .reload : .stop(reason: nil)) }
        }
        defer { listening.cancel() }
        var iterator = endings.makeAsyncIterator()
        while try await runOnce(configuration, reread: reread, &iterator, end, logger) == .removed {
            logger.notice("beginning anew")
        }
    }

    /// One life of a node under one id.
    private static func runOnce(
        _ configuration: NodeConfiguration,
        reread: @escaping @Sendable () throws(ConfigurationError) -> NodeConfiguration,
        _ endings: inout AsyncStream<Ending>.Iterator, _ end: AsyncStream<Ending>.Continuation, _ logger: Logger
    ) async throws -> Outcome {
        let authentication: Authentication
        let engine: Engine
        do {
            authentication = try await Authentication.load(configuration)
            engine = try await Engine(settings: try EngineSettings(configuration), logger: logger) { event in
                switch event {
                case .failed(let reason): end.yield(.stop(reason: reason))
                case .removed: end.yield(.removed)
                case .asksToLeave(let user, let reply): end.yield(.leave(user: user, reply))
                }
            }
        } catch {
            throw failure(error, configuration)
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: configuration.loops)
        let settings = frontSettings(configuration, logger)
        var listeners: [FrontListener] = []
        let front: Front
        do {
            front = try await Front.start(
                group: group, settings: settings, shardSettings: ShardSettings(configuration),
                access: configuration.access, services: engine, authentication: authentication, logger: logger)
            listeners.append(try await front.listen(on: configuration.listen))
            if let endpoint = configuration.tlsListen {
                guard let settings = configuration.security else {
                    preconditionFailure("a configuration with tls-listen has a certificate and a key")
                }
                listeners.append(try await front.listen(on: endpoint, security: try NIOSSLContext(settings)))
            }
        } catch {
            await engine.stop(patience: .zero)
            throw failure(error, configuration)
        }
        warn(configuration, logger)
        let hasJoined = try await engine.join(patience: patience)
        if !hasJoined {
            logger.notice(
                "none of the nodes to join has answered yet; it is tried on",
                metadata: ["join": "\(configuration.join.map(\.description).joined(separator: ","))"])
        }
        let places = zip(["listen", "tls-listen"], listeners).map { "\($0)=\($1.endpoint)" }.joined(separator: " ")
        FileHandle.standardOutput.write(Data("ready node=\(configuration.nodeName) \(places)\n".utf8))

        let reload = Reload(started: configuration, reread: reread, front: front, logger: logger)
        var outcome: Outcome?
        while outcome == nil {
            switch await endings.next() {
            case .reload: await reload.run()
            case .stop(let why): outcome = why.map { .failed($0) } ?? .stopped
            case .removed: outcome = .removed
            case .leave(let user, let reply):
                if await leave(front, engine, configuration, user: user, reply) { outcome = .left }
            case nil: outcome = .stopped
            }
        }
        let stop = NodeStop(front: front, engine: engine, listeners: listeners, group: group, logger: logger)
        await stop.run(outcome ?? .stopped, window: configuration.drainWindow)
        if case .failed(let reason) = outcome { throw NodeFailure(reason) }
        return outcome ?? .stopped
    }

    /// What a running node is told.
    private enum Ending {
        case reload
        /// With a sentence where it cannot go on.
        case stop(reason: String?)
        case removed
        case leave(user: String, @Sendable (Result<RemovedMember, Refusal>) -> Void)
    }

    /// How the life of a node ended.
    enum Outcome: Equatable {
        case stopped
        case failed(String)
        /// By an operator: the data is set aside, and another node begins in its place.
        case removed
        /// By an operator, after it has handed over.
        case left
    }

    /// The front's bounds, with no more connections than this process may have open files for.
    private static func frontSettings(_ configuration: NodeConfiguration, _ logger: Logger) -> FrontSettings {
        var settings = FrontSettings(configuration)
        let descriptors = raiseDescriptorLimit()
        settings.fit(descriptors: descriptors)
        if settings.connectionLimit < configuration.limits.connections {
            logger.notice(
                "fewer connections are taken than limits.connections says: the system allows too few open files",
                metadata: ["connections": "\(settings.connectionLimit)", "files": "\(descriptors)"])
        }
        return settings
    }

    /// Moves every client away, hands over and takes the node out of the cluster. Whether it is out; where not, it goes on
    /// as before.
    private static func leave(
        _ front: Front, _ engine: Engine, _ configuration: NodeConfiguration, user: String,
        _ reply: @Sendable (Result<RemovedMember, Refusal>) -> Void
    ) async -> Bool {
        engine.logger.notice("an operator has this node leave the cluster", metadata: ["user": "\(user)"])
        await NodeStop.drain(front, engine, window: configuration.drainWindow)
        if let refusal = await engine.handOver() {
            engine.logger.warning("this node stays after all", metadata: ["reason": "\(refusal.sentence)"])
            engine.stay()
            front.reopen()
            reply(.failure(refusal))
            return false
        }
        reply(await engine.part(user: user))
        engine.logger.notice("this node has left the cluster; what it held stays in its data directory")
        return true
    }

    private static func warn(_ configuration: NodeConfiguration, _ logger: Logger) {
        if configuration.testDoors {
            logger.warning(
                "test doors are open: /echo says back whatever it is sent; no node that serves anybody has them",
                metadata: ["listen": "\(configuration.listen)"])
        }
        let secrets = [configuration.tlsKeyFile, configuration.authSecretFile].compactMap { $0 }
        for path in secrets + configuration.clusterKeyFiles where isReadableByEveryone(path) {
            logger.warning(
                "every user of this machine can read a file that only the node should: chmod 600 it",
                metadata: ["file": "\(path)"])
        }
        guard configuration.isOpenToAll, let role = configuration.anonymousRole else { return }
        logger.warning(
            "no authentication is configured: everybody who reaches this node acts as \(role)",
            metadata: ["listen": "\(configuration.listen)"])
    }

    private static func failure(_ error: any Error, _ configuration: NodeConfiguration) -> NodeFailure {
        if let failure = error as? NodeFailure { return failure }
        return NodeFailure(
            explained(error, configuration), isConfiguration: error is AccessFileError || error is SecurityFailure)
    }

    /// What a person at the terminal should read of an error at start.
    private static func explained(_ error: any Error, _ configuration: NodeConfiguration) -> String {
        if let error = error as? IOError, error.errnoCode == EADDRINUSE {
            let place = configuration.tlsListen.map { "\(configuration.listen) or \($0)" } ?? "\(configuration.listen)"
            return "\(place) is in use by another process: choose another address with --listen"
        }
        if let error = error as? BusError { return "\(error) (choose another address with --bus)" }
        if let error = error as? GossipError { return "\(error) (choose another address with --gossip)" }
        return "\(error)"
    }
}

extension EngineSettings {
    /// What a configuration means for the engine; makes the data directory, and in it a cluster key where none is named.
    init(_ configuration: NodeConfiguration) throws {
        let directory = configuration.dataDirectory
        do {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw NodeFailure("the data directory \(directory) cannot be made: \((error as NSError).localizedDescription)")
        }
        let fronts = [configuration.listen] + (configuration.tlsListen.map { [$0] } ?? [])
        self.init(
            directory: directory, name: configuration.nodeName, cluster: configuration.cluster,
            keys: try ClusterKeyFile.load(configuration), gossip: configuration.gossip, bus: configuration.bus,
            advertisedGossip: configuration.advertised(configuration.gossip),
            advertisedBus: configuration.advertised(configuration.bus),
            advertisedFronts: fronts.filter { $0.port != 0 }.map(configuration.advertised), join: configuration.join,
            loops: configuration.loops, messageLimit: configuration.limits.messageBytes,
            replicas: configuration.replicas)
        versions = configuration.wireVersions
        logThread.scrubRate = configuration.scrubBytesPerSecond
        logThread.scrubInterval = configuration.scrubInterval
        queries.time = configuration.limits.queryTime
        queries.rows = configuration.limits.queryRows
        queries.bytes = configuration.limits.queryBytes
        queries.queries = configuration.limits.queries
    }
}

extension ShardSettings {
    /// The bounds that a configuration gives.
    init(_ configuration: NodeConfiguration) {
        self.init()
        subscriptionsPerConnection = configuration.limits.subscriptions
        requestsPerSecond = configuration.limits.requestsPerSecond
        requestBurst = configuration.limits.requestBurst
        excessLimit = configuration.limits.excess
        firstMessageLimit = configuration.limits.firstMessage
        defaultPermission = configuration.defaultPermission
        defaultRetention = configuration.defaultRetention
    }
}
