import ArgumentParser
import JSON

/// `roost cluster`: shows the cluster as a node sees it, and takes nodes out of it.
struct ClusterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cluster", abstract: "Show the cluster, and take nodes out of it.",
        subcommands: [Show.self, Await.self, Leave.self, Forget.self], defaultSubcommand: Show.self)

    /// `roost cluster show`.
    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the members of the cluster and what the node holds.")

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
    }

    /// `roost cluster leave`.
    struct Leave: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Have the node at --url hand over, leave the cluster for good, and stop.",
            discussion: """
                Its clients move to other nodes. It waits until every living member holds on its disk what it holds, and \
                then is a member no more, so that "replicated" no longer counts it. Its data directory stays as it is; \
                started on it again, it joins as a new, empty node and keeps the old data in a folder set aside.
                """)

        @OptionGroup var client: ClientOptions

        func run() async throws {
            guard try client.addresses().count == 1 else {
                throw CommandFailure.configuration("name the one node that is to leave with --url")
            }
            let left = try await RESTClient(client).call(.POST, "/api/v1/cluster/leave")
            writeLine(client.json ? Array(left.bytes) : Array(sentence(left, "has left the cluster").utf8))
        }
    }

    /// `roost cluster forget`.
    struct Forget: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove a member that is dead or away, for good.",
            discussion: """
                "replicated" no longer counts it. Should it come back, it is turned away and begins anew as an empty node, \
                with its old data in a folder set aside: what only it held is not in the cluster any more.
                """)

        @Argument(help: "The member's id, or its name where no other member has that.")
        var node: String

        @Flag(help: "Also where no majority of the members is alive, as when the others are lost for good.")
        var force = false

        @OptionGroup var client: ClientOptions

        func run() async throws {
            let path = "/api/v1/cluster/members/\(pathSegment(node))\(force ? "?force=true" : "")"
            let removed = try await RESTClient(client).call(.DELETE, path)
            writeLine(client.json ? Array(removed.bytes) : Array(sentence(removed, "is forgotten").utf8))
        }
    }

    private static func number(_ view: JSONView?) -> String {
        view.map { String(decoding: $0.bytes, as: UTF8.self) } ?? "?"
    }

    private static func sentence(_ removed: JSONView, _ what: String) -> String {
        "\(removed["name"]?.string ?? "?") (\(removed["id"]?.string ?? "?")) \(what); members: \(number(removed["members"]))"
    }
}
