import ArgumentParser
import Foundation

/// What every command that talks to a node takes.
struct ClientOptions: ParsableArguments {
    @Option(
        name: [.long, .customLong("server")],
        help: ArgumentHelp(
            "A node's address; may be given several times, others are tried in turn. (default: $ROOST_URL or http://127.0.0.1:6336)",
            valueName: "url"))
    var url: [String] = []

    @Option(help: "A token. (default: $ROOST_TOKEN)")
    var token: String?

    @Option(
        name: .customLong("ca-file"),
        help: ArgumentHelp(
            "The authority of the node's certificate, or the certificate itself, in PEM. (default: $ROOST_CA_FILE, or what the system trusts)",
            valueName: "file"))
    var authorityFile: String?

    @Flag(help: "Write JSON, one value a line.")
    var json = false

    /// The addresses in the order in which they are tried.
    func addresses() throws(CommandFailure) -> [ServerAddress] {
        let environment = ProcessInfo.processInfo.environment["ROOST_URL"] ?? ""
        var texts = url.isEmpty ? environment.split(separator: ",").map(String.init) : url
        if texts.isEmpty { texts = ["http://127.0.0.1:\(ServerAddress.plainPort)"] }
        var addresses: [ServerAddress] = []
        for text in texts {
            guard var address = ServerAddress(text) else { throw .configuration("\"\(text)\" is no address of a node") }
            address.authorityFile = authorityFile ?? ProcessInfo.processInfo.environment["ROOST_CA_FILE"]
            addresses.append(address)
        }
        return addresses
    }

    /// The token to bring along; nil for none.
    var bearer: String? { token ?? ProcessInfo.processInfo.environment["ROOST_TOKEN"] }
}
