import Broker
import Logging
import Model

/// Everything that an operator decides about a node, read once and checked at start.
package struct NodeConfiguration: Sendable {
    /// At most 64 bytes; default the host's name.
    package var nodeName: String
    /// Default `./roost-data`.
    package var dataDirectory: String
    /// Where clients attach without TLS; default 127.0.0.1:6336. Port 0 lets the system choose.
    package var listen: Endpoint
    /// Where they attach with TLS; default nowhere.
    package var tlsListen: Endpoint?
    package var tlsCertificateFile: String?
    package var tlsKeyFile: String?
    /// The authorities of clients' certificates.
    package var tlsClientCAFile: String?
    /// Default none.
    package var tlsClientAuth: SecuritySettings.ClientAuthentication
    /// Default 1.2.
    package var tlsMinVersion: SecuritySettings.MinimumVersion
    /// UDP; default 127.0.0.1:7336.
    package var gossip: Endpoint
    /// Default 127.0.0.1:8336.
    package var bus: Endpoint
    /// The host under which other nodes and clients reach this one; default that of each address.
    package var advertise: String?
    /// Gossip addresses of other nodes.
    package var join: [Endpoint]
    /// Default `roost`.
    package var cluster: String
    /// One to three files, the current key first; empty for a key made in the data directory.
    package var clusterKeyFiles: [String]
    /// On how many nodes records are kept; default 3.
    package var replicas: Int
    package var authSecretFile: String?
    /// Public keys in PEM and JSON Web Key Sets.
    package var authKeyFiles: [String]
    package var usersFile: String?
    /// The role of clients that bring no token; nil where they are refused.
    package var anonymousRole: String?
    /// Origins whose pages may use the cookie or act without a token.
    package var origins: [String]
    /// Default `token`.
    package var cookieName: String
    /// Proxies whose `X-Forwarded-For` is believed; default none.
    package var trustedProxies: [AddressBlock]
    /// How long a login's token lasts; default 12 h.
    package var loginLifetime: Duration
    /// Event loops of the front; default one for each core that the process may use.
    package var loops: Int
    /// Over how long clients are told to go elsewhere at a stop; default 5 s.
    package var drainWindow: Duration
    /// How many bytes of closed segments are checked a second; 0 for none. Default 4 MiB.
    package var scrubBytesPerSecond: Int
    /// How far the beginnings of two checks of the whole log lie apart at least; default 1 h.
    package var scrubInterval: Duration
    package var logLevel: Logger.Level
    package var logFormat: LogFormat
    /// The mask of topics created without one.
    package var defaultPermission: PermissionMask
    /// What is kept of topics created without a limit of their own.
    package var defaultRetention: Retention
    /// Whether the doors that only conformance suites use are open; default false, and refused beyond loopback.
    package var testDoors: Bool
    /// What is spoken with peers: all that this build knows, unless a test has it speak one version alone.
    package var wireVersions: WireVersions
    package var limits: Limits
    /// Whether messages of WebSockets are compressed where the client offers it; default true.
    package var compression: Bool
    /// Bytes from which a message to clients is compressed; default 256.
    package var compressionThreshold: Int
    /// Whether fan-out uses io_uring; default where it takes less time.
    package var batchedSends: SendBatching
    package var access: AccessPolicy
    /// Every setting that was given, as it was written.
    private let given: [SettingKey: [String]]

    /// The settings that are given otherwise than in another configuration, in the order of ``SettingKey``.
    package func changes(since other: NodeConfiguration) -> [SettingKey] {
        SettingKey.allCases.filter { given[$0] != other.given[$0] }
    }

    /// What a listener with TLS needs; nil where a certificate or its key is missing.
    package var security: SecuritySettings? {
        guard let tlsCertificateFile, let tlsKeyFile else { return nil }
        var settings = SecuritySettings(certificateFile: tlsCertificateFile, keyFile: tlsKeyFile)
        settings.clientAuthorityFile = tlsClientCAFile
        settings.clientAuthentication = tlsClientAuth
        settings.minimumVersion = tlsMinVersion
        return settings
    }

    /// Whether the start must say loudly that nobody is asked who they are.
    package var isOpenToAll: Bool { authSecretFile == nil && authKeyFiles.isEmpty && usersFile == nil }

    /// How log lines are written.
    package enum LogFormat: String, Sendable {
        case text
        case json
    }

    /// Reads the layers, the first going before the others, fills in defaults and checks everything.
    package init(_ layers: [SettingLayer], hostName: String, cores: Int) throws(ConfigurationError) {
        let reader = SettingReader(layers: layers)
        given = Dictionary(
            uniqueKeysWithValues: SettingKey.allCases.compactMap { key in reader.values(key).map { (key, $0.texts) } })
        nodeName =
            try reader.value(.nodeName, expected: "1 to 64 bytes without spaces", Self.name)
            ?? Self.name(hostName) ?? "node"
        dataDirectory = reader.text(.data) ?? "./roost-data"
        listen = try reader.endpoint(.listen, allowsAnyPort: true) ?? Endpoint(host: "127.0.0.1", port: 6336)
        tlsListen = try reader.endpoint(.tlsListen, allowsAnyPort: true)
        tlsCertificateFile = reader.text(.tlsCertificateFile)
        tlsKeyFile = reader.text(.tlsKeyFile)
        tlsClientCAFile = reader.text(.tlsClientCAFile)
        tlsClientAuth =
            try reader.value(.tlsClientAuth, expected: "none, optional or required") {
                SecuritySettings.ClientAuthentication(rawValue: $0)
            } ?? .none
        tlsMinVersion =
            try reader.value(.tlsMinVersion, expected: "1.2 or 1.3") { SecuritySettings.MinimumVersion(rawValue: $0) }
            ?? .tls12
        gossip = try reader.endpoint(.gossip) ?? Endpoint(host: "127.0.0.1", port: 7336)
        bus = try reader.endpoint(.bus) ?? Endpoint(host: "127.0.0.1", port: 8336)
        advertise = reader.text(.advertise)
        join = try reader.endpoints(.join)
        cluster = try reader.value(.cluster, expected: "1 to 64 bytes without spaces", Self.name) ?? "roost"
        clusterKeyFiles = reader.list(.clusterKeyFile)
        replicas = try reader.number(.replicas, in: 1...64) ?? 3
        authSecretFile = reader.text(.authSecretFile)
        authKeyFiles = reader.list(.authKeyFiles)
        usersFile = reader.text(.usersFile)
        origins = reader.list(.origins)
        cookieName = reader.text(.cookie) ?? "token"
        trustedProxies = try reader.blocks(.trustedProxies) ?? []
        loginLifetime = .seconds(3_600 * (try reader.number(.loginHours, in: 1...8_760) ?? 12))
        loops = try reader.number(.loops, in: 1...1_024) ?? cores
        drainWindow = .seconds(try reader.number(.drainSeconds, in: 0...3_600) ?? 5)
        scrubBytesPerSecond = try reader.number(.scrubBytesPerSecond, in: 0...1 << 32) ?? 4 << 20
        scrubInterval = .seconds(try reader.number(.scrubIntervalSeconds, in: 0...31_536_000) ?? 3_600)
        logLevel =
            try reader.value(
                .logLevel, expected: "one of " + Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
            ) { Logger.Level(rawValue: $0) } ?? .info
        logFormat = try reader.value(.logFormat, expected: "text or json") { LogFormat(rawValue: $0) } ?? .text
        defaultPermission =
            try reader.value(
                .permission, expected: "everybody, owner, or a number of 21 bits", Self.permission) ?? .standard
        defaultRetention = Retention(
            messages: try reader.number(.retentionMessages, in: 1...Int.max).map { UInt64($0) },
            bytes: try reader.number(.retentionBytes, in: 1...Int.max).map { UInt64($0) },
            seconds: try reader.number(.retentionSeconds, in: 1...Int.max).map { UInt64($0) })
        testDoors = try reader.flag(.testDoors) ?? false
        let known = WireVersions.spoken
        let version = try reader.number(.testWireVersion, in: Int(known.lowest)...Int(known.highest))
        wireVersions = version.map { WireVersions(UInt8($0)...UInt8($0)) } ?? known
        limits = try Limits(reader)
        compression = try reader.flag(.compression) ?? true
        compressionThreshold = try reader.number(.compressionThreshold, in: 1...1_048_576) ?? 256
        batchedSends =
            try reader.value(.batchedSends, expected: "auto, always or never") { SendBatching(rawValue: $0) } ?? .automatic
        access = AccessPolicy(roles: try Self.roles(layers))
        anonymousRole = reader.text(.anonymous)
        if anonymousRole == nil, isOpenToAll { anonymousRole = AccessPolicy.admin }
        try validate(isInsecureAllowed: try reader.flag(.insecureBind) ?? false)
    }

    private static func name(_ text: String) -> String? {
        let isPlain = text.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F }
        return isPlain && (1...64).contains(text.utf8.count) ? text : nil
    }

    private static func permission(_ text: String) -> PermissionMask? {
        switch text {
        case "everybody": .standard
        case "owner": .ownerOnly
        default: UInt32(text).flatMap(PermissionMask.init(rawValue:))
        }
    }

    /// The built-in roles with those of the files; a role that a file defines replaces the built-in one.
    private static func roles(_ layers: [SettingLayer]) throws(ConfigurationError) -> [String: [Grant]] {
        var roles = AccessPolicy.standard.roles
        for layer in layers.reversed() {
            for (role, actions) in layer.roles.sorted(by: { $0.key < $1.key }) {
                roles[role] = try grants(of: role, actions, layer.place)
            }
        }
        return roles
    }

    private static func grants(
        of role: String, _ actions: [String: [String]], _ place: String
    ) throws(ConfigurationError) -> [Grant] {
        var grants: [Grant] = []
        for (name, texts) in actions.sorted(by: { $0.key < $1.key }) {
            guard let action = AccessAction(rawValue: name) else {
                let known = AccessAction.allCases.map(\.rawValue)
                throw .unknownKey("roles.\(role).\(name)", place: place, nearest: nearest(to: name, in: known))
            }
            var filters: [TopicFilter] = []
            for text in texts {
                do {
                    filters.append(try TopicFilter(text))
                } catch {
                    throw .invalid(
                        key: "roles.\(role).\(name)", place: place, value: text, expected: "a topic filter: \(error)")
                }
            }
            grants.append(Grant([action], on: filters))
        }
        return grants
    }
}
