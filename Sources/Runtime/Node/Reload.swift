import Logging
import NIOSSL

/// Takes what an operator changed into use while the node runs (SIGHUP): all of what can be, or nothing.
struct Reload: Sendable {
    /// What the node was started with; a change of it that is not taken into use is named each time.
    let started: NodeConfiguration
    /// Reads flags, environment and file as at the start.
    let reread: @Sendable () throws(ConfigurationError) -> NodeConfiguration
    let front: Front
    let logger: Logger

    /// The settings that take effect; the roles of the file do as well. All others need a restart.
    static let reloadable: Set<SettingKey> = [
        .tlsCertificateFile, .tlsKeyFile, .tlsClientCAFile, .tlsClientAuth, .tlsMinVersion, .authSecretFile,
        .authKeyFiles, .usersFile, .anonymous, .origins, .loginHours,
    ]

    /// Reads everything first; what is wrong with any of it leaves the node as it is, and is logged.
    func run() async {
        let configuration: NodeConfiguration
        let authentication: Authentication
        var security: NIOSSLContext?
        do {
            configuration = try reread()
            authentication = try await Authentication.load(configuration)
            if started.tlsListen != nil, let settings = configuration.security {
                security = try NIOSSLContext(settings)
            }
        } catch {
            return logger.error(
                "the configuration was not reloaded, the one before stays in use", metadata: ["reason": "\(error)"])
        }
        front.setAuthentication(authentication)
        for port in front.ports { port.setAccess(configuration.access) }
        if let security { front.setSecurity(security) }
        logger.notice(
            "configuration reloaded",
            metadata: security == nil ? [:] : ["certificate": "\(configuration.tlsCertificateFile ?? "")"])
        let pending = configuration.changes(since: started).filter { !Self.reloadable.contains($0) }
        guard !pending.isEmpty else { return }
        logger.warning(
            "some settings that changed need a restart",
            metadata: ["keys": "\(pending.map(\.rawValue).joined(separator: ", "))"])
    }
}
