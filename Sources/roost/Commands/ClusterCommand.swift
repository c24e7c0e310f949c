import ArgumentParser
import JSON

/// `roost cluster`: shows the cluster as a node sees it.
struct ClusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster", abstract: "Show the members of the cluster and what the node holds.")

    @Flag(help: "Show every journal's position too.")
    var vector = false

    @OptionGroup var client: ClientOptions

    func run() async throws {
        let status = try await RESTClient(client).call(.GET, "/api/v1/cluster")
        if client.json { return writeLine(status.bytes) }
        writeLine("cluster \(status["cluster"]?.string ?? "?"), seen by \(status["node"]?["name"]?.string ?? "?")")
        var rows = [["NAME", "ID", "STATE", "INCARNATION", "LISTEN", "LANE", "LAG"]]
        for member in status["members"]?.elements() ?? [] {
            rows.append([
                member["name"]?.string ?? "", member["id"]?.string ?? "", member["state"]?.string ?? "",
                number(member["incarnation"]), member["listen"]?.string ?? "-",
                member["connected"]?.bool == true ? "up" : "down", number(member["lag"]),
            ])
        }
        for line in table(rows) { writeLine(line) }
        writeLine("digest \(status["digest"]?.string ?? "?")")
        guard vector else { return }
        for (origin, slots) in status["vector"]?.members() ?? [] {
            let positions = slots.members().map { "\($0.key):\(number($0.value))" }.joined(separator: " ")
            writeLine("\(origin)  \(positions)")
        }
    }

    private func number(_ view: JSONView?) -> String { view.map { String(decoding: $0.bytes, as: UTF8.self) } ?? "?" }
}
