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
    /// Once it accepts clients and has tried to join, it prints one line `ready node=… listen=…` on standard output.
    /// SIGHUP takes into use what can be of the configuration as `reread` then gives it.
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

        let authentication: Authentication
        let engine: Engine
        do {
            authentication = try await Authentication.load(configuration)
            engine = try await Engine(
                settings: try EngineSettings(configuration), logger: logger, failed: { end.yield(.stop(reason: $0)) })
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

        var reason: String?
        let reload = Reload(started: configuration, reread: reread, front: front, logger: logger)
        endings: for await ending in endings {
            switch ending {
            case .reload: await reload.run()
            case .stop(let why):
                reason = why
                break endings
            }
        }
        logger.notice("stopping", metadata: reason.map { ["reason": "\($0)"] } ?? [:])
        for listener in listeners { await listener.close() }
        if reason == nil { await leave(front, engine, configuration) }
        await engine.stop(patience: reason == nil ? patience : .zero)
        await front.stop()
        do { try await group.shutdownGracefully() } catch {
            logger.warning("the front's loops did not stop in an orderly way", metadata: ["error": "\(error)"])
        }
        if let reason { throw NodeFailure(reason) }
    }

    /// What a running node is told.
    private enum Ending {
        case reload
        /// With a sentence where it cannot go on.
        case stop(reason: String?)
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

    /// Sends every client to another node, and waits until they have gone or the window has passed.
    private static func leave(_ front: Front, _ engine: Engine, _ configuration: NodeConfiguration) async {
        let status = await engine.clusterStatus()
        let others = status.members.filter { $0.id != engine.identity.id && $0.state == "alive" }
        let nodes = others.compactMap { $0.listen.map { "\($0)" } }
        let clock = ContinuousClock()
        // With nowhere to go to, clients are told at once, and those that do not answer the close are not waited for.
        let deadline = clock.now + (nodes.isEmpty ? .seconds(1) : configuration.drainWindow)
        await front.drain(within: nodes.isEmpty ? .zero : configuration.drainWindow, nodes: nodes)
        while clock.now < deadline {
            var connections = 0
            for port in front.ports { connections += await port.figures().connections }
            if connections == 0 { return }
            do { try await Task.sleep(for: .milliseconds(50)) } catch { return }
        }
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
    }
}

/// The cluster's key as a file.
enum ClusterKeyFile {
    /// The file in the data directory of a node that was given no key.
    static let name = "cluster.key"

    /// Reads the files that are named, or the data directory's own, which is made where it is missing.
    static func load(_ configuration: NodeConfiguration) throws -> ClusterKeyRing {
        let paths = configuration.clusterKeyFiles
        if !paths.isEmpty { return try parse(try paths.map(read).joined(separator: "\n"), of: paths.joined(separator: ", ")) }
        let path = configuration.dataDirectory + "/" + name
        if FileManager.default.fileExists(atPath: path) { return try parse(try read(path), of: path) }
        let keys = ClusterKeyRing.random()
        guard FileManager.default.createFile(
            atPath: path, contents: Data(keys.fileText.utf8), attributes: [.posixPermissions: 0o600])
        else { throw NodeFailure("the cluster key \(path) cannot be written: \(String(cString: strerror(errno)))") }
        return keys
    }

    private static func parse(_ text: String, of file: String) throws -> ClusterKeyRing {
        do {
            return try ClusterKeyRing(parsing: text)
        } catch {
            throw NodeFailure("cluster key file \(file): \(error)", isConfiguration: true)
        }
    }

    private static func read(_ path: String) throws -> String {
        do {
            return try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw NodeFailure(
                "the cluster key file \(path) cannot be read: \((error as NSError).localizedDescription)",
                isConfiguration: true)
        }
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
