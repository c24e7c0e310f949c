import ArgumentParser
import JSON

/// `roost schedule`: has queries asked and messages published at certain times.
struct ScheduleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schedule", abstract: "Have queries asked and messages published at certain times.",
        subcommands: [List.self, Add.self, Remove.self], defaultSubcommand: List.self)

    private static let path = "/api/v1/schedules"

    /// `roost schedule list`.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List schedules.")

        @OptionGroup var client: ClientOptions

        func run() async throws {
            let answer = try await RESTClient(client).call(.GET, path)
            if client.json { return writeLine(answer.bytes) }
            var rows = [["ID", "NAME", "WHEN", "WHAT", "OWNER", "NEXT"]]
            for schedule in answer["schedules"]?.elements() ?? [] {
                let when = schedule["cron"]?.string ?? "every \(schedule["interval"]?.integer ?? 0) ms"
                let what =
                    schedule["query"]?["sql"]?.string ?? "publish to \(schedule["publish"]?["topic"]?.string ?? "")"
                func text(_ name: String) -> String { schedule[name]?.string ?? "" }
                rows.append([text("id"), text("name"), when, what, text("owner"), text("next")])
            }
            for line in table(rows) { writeLine(line) }
        }
    }

    /// `roost schedule add`.
    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a schedule.",
            discussion: """
                roost schedule add 'Daily sales' --cron '0 6 * * MON-FRI' --query 'SELECT * FROM sales'
                roost schedule add Beat --every 30 --publish beats --message '{"beat": true}'
                """)

        @Argument(help: "Its name.")
        var name: String

        @Option(help: "When, in the five fields of crontab, in UTC.")
        var cron: String?

        @Option(help: ArgumentHelp("Every so many seconds.", valueName: "seconds"))
        var every: Double?

        @Option(help: "One SELECT to be asked.")
        var query: String?

        @Option(help: ArgumentHelp("A topic to be published to.", valueName: "topic"))
        var publish: String?

        @Option(help: "The message; JSON where it is JSON, else a text.")
        var message: String?

        @Option(help: "The message's key.")
        var key: String?

        @Option(help: "The event's name.")
        var event: String?

        @OptionGroup var client: ClientOptions

        func validate() throws {
            guard (cron == nil) != (every == nil) else { throw ValidationError("Give one of --cron and --every.") }
            guard (query == nil) != (publish == nil) else {
                throw ValidationError("Give one of --query and --publish.")
            }
            guard (publish == nil) == (message == nil) else {
                throw ValidationError("--publish and --message go together.")
            }
            guard every.map({ $0.isFinite && $0 >= 1 && $0 <= 31_536_000 }) ?? true else {
                throw ValidationError("--every must be 1 to 31536000 seconds.")
            }
        }

        func run() async throws {
            let schedule = try await RESTClient(client).call(.POST, path, body: request)
            let line = "added \(schedule["id"]?.string ?? ""), due next at \(schedule["next"]?.string ?? "")"
            writeLine(client.json ? Array(schedule.bytes) : Array(line.utf8))
        }

        private var request: [UInt8] {
            var writer = JSONWriter()
            func write(_ fields: [(StaticString, String?)]) {
                for case (let name, let value?) in fields {
                    writer.key(name)
                    writer.string(value)
                }
            }
            writer.beginObject()
            write([("name", name), ("cron", cron)])
            if let every {
                writer.key("interval")
                writer.integer(Int64((every * 1_000).rounded()))
            }
            writer.key(query == nil ? "publish" : "query")
            writer.beginObject()
            write([("sql", query), ("topic", publish), ("key", key), ("event", event)])
            if let message {
                writer.key("message")
                if let value = try? JSONView(parsing: Array(message.utf8)) {
                    writer.raw(value.bytes)
                } else {
                    writer.string(message)
                }
            }
            writer.endObject()
            writer.endObject()
            return writer.bytes
        }
    }

    /// `roost schedule remove`.
    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Remove a schedule.", aliases: ["delete"])

        @Argument(help: "Its id.")
        var id: String

        @OptionGroup var client: ClientOptions

        func run() async throws {
            let answer = try await RESTClient(client).call(.DELETE, "\(path)/\(pathSegment(id))")
            writeLine(client.json ? Array(answer.bytes) : Array("removed \(id)".utf8))
        }
    }
}
