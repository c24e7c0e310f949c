import ArgumentParser
import JSON

/// `roost topics`: lists, creates and deletes topics.
struct TopicsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "topics", abstract: "List, create and delete topics.",
        subcommands: [List.self, Create.self, Delete.self],
        defaultSubcommand: List.self)

    /// `roost topics list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List topics.")

        @Option(help: "Only topics that match, such as chat/#.")
        var filter: String?

        @OptionGroup var client: ClientOptions

        func run() async throws {
            let rest = try RESTClient(client)
            var rows = [["NAME", "KIND", "DURABILITY", "OWNER", "CREATED"]]
            var after: String?
            repeat {
                var path = "/api/v1/topics?limit=1000"
                if let filter { path += "&filter=\(pathSegment(filter))" }
                if let after { path += "&after=\(pathSegment(after))" }
                let answer = try await rest.call(.GET, path)
                let topics = answer["topics"]?.elements() ?? []
                if client.json { writeLine(answer.bytes) }
                rows += topics.map { topic in
                    ["name", "kind", "durability", "owner", "created"].map { topic[$0]?.string ?? "" }
                }
                after = answer["more"]?.bool == true ? topics.last?["name"]?.string : nil
            } while after != nil
            if !client.json { for line in table(rows) { writeLine(line) } }
        }
    }

    /// `roost topics create`.
    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Create a topic.")

        @Argument(help: "The topic's name.")
        var name: String

        @Option(help: "stream or table. (default: stream)")
        var kind: String?

        @Option(help: "disk or memory. (default: disk)")
        var durability: String?

        @Option(help: ArgumentHelp("Keep at most so many messages.", valueName: "number"))
        var retentionMessages: UInt64?

        @Option(help: ArgumentHelp("Keep at most so many bytes.", valueName: "number"))
        var retentionBytes: UInt64?

        @Option(help: ArgumentHelp("Keep messages for so long.", valueName: "number"))
        var retentionSeconds: UInt64?

        @Option(help: ArgumentHelp("The permission mask.", valueName: "number"))
        var permission: UInt64?

        @OptionGroup var client: ClientOptions

        func run() async throws {
            let topic = try await RESTClient(client).call(.POST, "/api/v1/topics", body: request)
            writeLine(client.json ? Array(topic.bytes) : Array("created \(name)".utf8))
        }

        private var request: [UInt8] {
            var writer = JSONWriter()
            writer.beginObject()
            for (key, value) in [("name", name), ("kind", kind), ("durability", durability)] {
                guard let value else { continue }
                writer.key(key)
                writer.string(value)
            }
            if let permission {
                writer.key("permission")
                writer.unsigned(permission)
            }
            writer.key("retention")
            writer.beginObject()
            let limits = [("messages", retentionMessages), ("bytes", retentionBytes), ("seconds", retentionSeconds)]
            for (key, value) in limits {
                guard let value else { continue }
                writer.key(key)
                writer.unsigned(value)
            }
            writer.endObject()
            writer.endObject()
            return writer.bytes
        }
    }

    /// `roost topics delete`.
    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a topic with all its messages.", aliases: ["destroy"])

        @Argument(help: "The topic's name.")
        var name: String

        @OptionGroup var client: ClientOptions

        func run() async throws {
            let answer = try await RESTClient(client).call(.DELETE, "/api/v1/topics/\(pathSegment(name))")
            writeLine(client.json ? Array(answer.bytes) : Array("deleted \(name)".utf8))
        }
    }
}
