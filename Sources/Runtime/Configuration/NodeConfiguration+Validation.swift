import Broker
import Model

extension NodeConfiguration {
    /// The relations between settings.
    func validate(isInsecureAllowed: Bool) throws(ConfigurationError) {
        if tlsListen != nil {
            let reason = "tls-listen needs a certificate and its key"
            if tlsCertificateFile == nil {
                throw .missing(key: SettingKey.tlsCertificateFile.rawValue, because: reason)
            }
            if tlsKeyFile == nil { throw .missing(key: SettingKey.tlsKeyFile.rawValue, because: reason) }
        }
        if tlsClientAuth != .none, tlsClientCAFile == nil {
            throw .missing(
                key: SettingKey.tlsClientCAFile.rawValue,
                because: "tls-client-auth is \(tlsClientAuth.rawValue), which needs the authorities of certificates")
        }
        if usersFile != nil, authSecretFile == nil {
            throw .missing(
                key: SettingKey.authSecretFile.rawValue, because: "users who log in are given tokens signed with it")
        }
        if clusterKeyFiles.count > Self.maximumClusterKeys {
            throw .invalid(
                key: SettingKey.clusterKeyFile.rawValue, place: "the configuration",
                value: "\(clusterKeyFiles.count) files",
                expected: "at most \(Self.maximumClusterKeys), the current key first")
        }
        if let anonymousRole, anonymousRole != AccessPolicy.admin, access.roles[anonymousRole] == nil {
            let known = ([AccessPolicy.admin] + access.roles.keys).sorted().joined(separator: ", ")
            throw .invalid(
                key: SettingKey.anonymous.rawValue, place: "the configuration", value: anonymousRole,
                expected: "a role: \(known)")
        }
        for (key, endpoint) in [(SettingKey.gossip, gossip), (.bus, bus)] where advertise == nil && endpoint.isWildcard
        {
            throw .missing(
                key: SettingKey.advertise.rawValue,
                because: "\(key.rawValue) is \(endpoint), which tells other nodes no address to reach this one at")
        }
        for (key, endpoint) in [(SettingKey.listen, listen), (.tlsListen, tlsListen ?? listen)]
        where testDoors && !endpoint.isLoopback {
            throw .invalid(
                key: key.rawValue, place: "the configuration", value: "\(endpoint)",
                expected: "an address of this machine alone, such as 127.0.0.1:6336, while test-doors is on")
        }
        if !isInsecureAllowed { try requireProtection() }
    }

    /// A key ring has room for the current key, the one before and the one after.
    package static let maximumClusterKeys = 3

    /// Whoever reaches an address beyond this machine must have to prove something.
    private func requireProtection() throws(ConfigurationError) {
        if isOpenToAll {
            for (key, endpoint) in [(SettingKey.listen, listen), (.tlsListen, tlsListen ?? listen)]
            where !endpoint.isLoopback {
                throw .unprotected(
                    key: key.rawValue, address: "\(endpoint)",
                    missing: "authentication (auth-secret-file, auth-key-files or users-file)")
            }
        }
        guard clusterKeyFiles.isEmpty else { return }
        for (key, endpoint) in [(SettingKey.gossip, gossip), (.bus, bus)] where !endpoint.isLoopback {
            throw .unprotected(key: key.rawValue, address: "\(endpoint)", missing: "cluster key (cluster-key-file)")
        }
    }

    /// An address as other nodes and clients are told it.
    package func advertised(_ endpoint: Endpoint) -> Endpoint {
        Endpoint(host: advertise ?? endpoint.host, port: endpoint.port)
    }
}

extension Endpoint {
    /// Whether it stands for every address of the machine.
    var isWildcard: Bool { host == "0.0.0.0" || host == "::" }
}
