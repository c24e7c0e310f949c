import Foundation
import Model

extension NodeConfiguration {
    /// The file that is read where none is named, if it exists.
    package static let defaultFile = "roost.yaml"

    /// Reads flags over the environment over a file, for this machine.
    ///
    /// - Parameter file: nil for ``defaultFile``, which may be missing; a file that is named must be there.
    package static func load(
        flags: SettingLayer, file: String?, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws(ConfigurationError) -> NodeConfiguration {
        var layers = [flags, try SettingLayer(environment: environment)]
        if let path = file ?? environment["ROOST_CONFIG"] {
            layers.append(try read(path))
        } else if FileManager.default.fileExists(atPath: defaultFile) {
            layers.append(try read(defaultFile))
        }
        return try NodeConfiguration(
            layers, hostName: ProcessInfo.processInfo.hostName, cores: usableCores())
    }

    private static func read(_ path: String) throws(ConfigurationError) -> SettingLayer {
        let text: String
        do {
            text = try String(contentsOfFile: path, encoding: .utf8)
        } catch {
            throw .fileUnreadable(path: path, reason: (error as NSError).localizedDescription)
        }
        return try SettingLayer(yaml: text, path: path)
    }
}

extension Authentication {
    /// Reads the files that a configuration names.
    package static func load(_ configuration: NodeConfiguration) async throws(AccessFileError) -> Authentication {
        var keys: [TokenKey] = []
        var minter: TokenMinter?
        if let path = configuration.authSecretFile {
            let secret = try await TokenKey.secret(file: path)
            keys.append(secret)
            minter = TokenMinter(key: secret)
        }
        for path in configuration.authKeyFiles { keys += try await TokenKey.publicKeys(file: path) }
        var users = UserFile()
        if let path = configuration.usersFile { users = try UserFile(path: path) }
        return Authentication(
            verifier: TokenVerifier(keys: keys), minter: minter, users: users,
            anonymousRole: configuration.anonymousRole, origins: configuration.origins,
            loginLifetime: configuration.loginLifetime)
    }
}

extension FrontSettings {
    /// The bounds that a configuration gives.
    package init(_ configuration: NodeConfiguration) {
        self.init()
        let limits = configuration.limits
        messageLimit = limits.messageBytes
        connectionLimit = limits.connections
        connectionsPerAddress = limits.connectionsPerAddress
        exemptAddresses = limits.exemptAddresses
        trustedProxies = configuration.trustedProxies
        upgradesPerSecond = limits.upgradesPerSecond
        upgradeBurst = limits.upgradeBurst
        requestsPerSecond = limits.requestsPerSecond
        requestBurst = limits.requestBurst
        outboundHighMark = limits.outboundBytes
        outboundLowMark = limits.outboundBytes / 4
        headLimit = limits.headBytes
        headFieldLimit = limits.headFields
        graphQL.depth = limits.graphQLDepth
        graphQL.complexity = limits.graphQLComplexity
        headTimeout = limits.head
        pingInterval = limits.ping
        pongTimeout = limits.pong
        idleTimeout = limits.idle
        cookieName = configuration.cookieName
        testDoors = configuration.testDoors
        compresses = configuration.compression
        compressionThreshold = configuration.compressionThreshold
        sendBatching = configuration.batchedSends
    }
}
