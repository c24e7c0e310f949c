import ArgumentParser
import Model
import Runtime

/// `roost serve`: runs a node until it is told to stop.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a node.",
        discussion: """
            Without any setting it is a single node on this machine. SIGHUP reloads certificates, users and roles. Flags go before the environment (ROOST_LISTEN for \
            --listen), and that before roost.yaml (listen). When the node accepts clients it prints one line: \
            ready node=NAME listen=HOST:PORT. SIGTERM and SIGINT stop it cleanly.
            """)

    @Option(help: "The configuration file. (default: roost.yaml, if there is one)")
    var config: String?

    @Option(help: "The node's name. (default: the host's)")
    var nodeName: String?

    @Option(help: "The data directory. (default: ./roost-data)")
    var data: String?

    @Option(help: ArgumentHelp("Where clients attach. (default: 127.0.0.1:6336)", valueName: "host:port"))
    var listen: String?

    @Option(help: ArgumentHelp("Where they attach with TLS. (default: nowhere)", valueName: "host:port"))
    var tlsListen: String?

    @Option(help: ArgumentHelp("The certificate chain for TLS, in PEM.", valueName: "file"))
    var tlsCertificateFile: String?

    @Option(help: ArgumentHelp("Its private key, in PEM.", valueName: "file"))
    var tlsKeyFile: String?

    @Option(help: ArgumentHelp("The authorities of clients' certificates, in PEM.", valueName: "file"))
    var tlsClientCaFile: String?

    @Option(help: "Whether clients show a certificate: none, optional or required. (default: none)")
    var tlsClientAuth: String?

    @Option(help: "The oldest TLS that is spoken: 1.2 or 1.3. (default: 1.2)")
    var tlsMinVersion: String?

    @Option(help: ArgumentHelp("The UDP address for gossip. (default: 127.0.0.1:7336)", valueName: "host:port"))
    var gossip: String?

    @Option(help: ArgumentHelp("The address of the bus. (default: 127.0.0.1:8336)", valueName: "host:port"))
    var bus: String?

    @Option(help: ArgumentHelp("The host under which others reach this node.", valueName: "host"))
    var advertise: String?

    @Option(
        help: ArgumentHelp("The gossip address of another node; may be given several times.", valueName: "host:port"))
    var join: [String] = []

    @Option(help: "The cluster's name. (default: roost)")
    var cluster: String?

    @Option(help: ArgumentHelp("The cluster's key; up to three files, the current key first.", valueName: "file"))
    var clusterKeyFile: [String] = []

    @Option(help: ArgumentHelp("The secret that signs tokens, at least 32 bytes.", valueName: "file"))
    var authSecretFile: String?

    @Option(help: ArgumentHelp("The users who may log in; roost user add writes it.", valueName: "file"))
    var usersFile: String?

    @Option(help: ArgumentHelp("The role of clients without a token.", valueName: "role"))
    var anonymous: String?

    @Option(
        help: ArgumentHelp(
            "A proxy whose X-Forwarded-For is believed; may be given several times.", valueName: "block"))
    var trustedProxies: [String] = []

    @Flag(help: "Bind beyond this machine without authentication or cluster key.")
    var insecureBind = false

    @Flag(help: .hidden)
    var testDoors = false

    @Option(help: "trace, debug, info, notice, warning, error or critical. (default: info)")
    var logLevel: String?

    @Option(help: "text or json. (default: text)")
    var logFormat: String?

    @OptionGroup(title: "Limits")
    var limits: LimitFlags

    /// The flags that were given, as the first layer of settings.
    private var flags: SettingLayer {
        var values = limits.values
        let single: [(SettingKey, String?)] = [
            (.nodeName, nodeName), (.data, data), (.listen, listen), (.tlsListen, tlsListen),
            (.tlsCertificateFile, tlsCertificateFile), (.tlsKeyFile, tlsKeyFile), (.tlsClientCAFile, tlsClientCaFile),
            (.tlsClientAuth, tlsClientAuth), (.tlsMinVersion, tlsMinVersion), (.gossip, gossip), (.bus, bus),
            (.advertise, advertise), (.cluster, cluster), (.authSecretFile, authSecretFile), (.usersFile, usersFile),
            (.anonymous, anonymous), (.logLevel, logLevel), (.logFormat, logFormat),
            (.insecureBind, insecureBind ? "true" : nil), (.testDoors, testDoors ? "true" : nil),
        ]
        for (key, value) in single { if let value { values[key] = [value] } }
        if !join.isEmpty { values[.join] = join }
        if !trustedProxies.isEmpty { values[.trustedProxies] = trustedProxies }
        if !clusterKeyFile.isEmpty { values[.clusterKeyFile] = clusterKeyFile }
        return SettingLayer(place: "the command line", values: values)
    }

    func run() async throws {
        let settings: NodeConfiguration
        do throws(ConfigurationError) {
            settings = try NodeConfiguration.load(flags: flags, file: config)
        } catch {
            throw CommandFailure.configuration("\(error)")
        }
        do {
            // The one place where a command becomes a node.
            let (flags, config) = (flags, config)
            try await Node.run(settings) { () throws(ConfigurationError) in
                try NodeConfiguration.load(flags: flags, file: config)
            }
        } catch let failure as NodeFailure {
            throw failure.isConfiguration
                ? CommandFailure.configuration(failure.sentence) : CommandFailure.broken(failure.sentence)
        }
    }
}
