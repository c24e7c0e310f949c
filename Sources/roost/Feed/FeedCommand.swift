import ArgumentParser
import Foundation

/// `roost feed`: publishes what a database holds.
struct FeedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "feed", abstract: "Publish a database's rows as tables.", subcommands: [SQLite.self])

    /// `roost feed sqlite`.
    struct SQLite: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "sqlite", abstract: "Follow the tables of a SQLite database.",
            discussion: """
                Each table has a topic of kind table under the prefix and its own name, and each row a key: its primary key. The \
                feed needs triggers in the database, which --install adds and --uninstall removes.
                """)

        @Argument(help: "The database's file.")
        var file: String

        @Option(name: .customLong("table"), help: "A table to follow; may be given several times. (default: all that have a primary key)")
        var tables: [String] = []

        @Option(help: "What comes before a table's name in its topic's, such as shop/.")
        var topicPrefix = ""

        @Option(help: "What to wait for before a change counts as told: accepted, stored or replicated.")
        var ack = "stored"

        @Option(help: ArgumentHelp("How often to look for changes.", valueName: "milliseconds"))
        var interval = 200

        @Flag(help: "Add the tables and triggers that are missing to the database.")
        var install = false

        @Flag(help: "Remove them, and do nothing else.")
        var uninstall = false

        @Flag(help: "End as soon as the topics are where the database is.")
        var once = false

        @OptionGroup var client: ClientOptions

        func validate() throws {
            guard ["accepted", "stored", "replicated"].contains(ack) else {
                throw ValidationError("--ack must be accepted, stored or replicated.")
            }
            guard (10...3_600_000).contains(interval) else { throw ValidationError("--interval must be 10 to 3600000.") }
            guard !(install && uninstall) else { throw ValidationError("--install and --uninstall contradict each other.") }
        }

        func run() async throws {
            let database = try SQLiteFile(file)
            if uninstall {
                let count = try ChangeTable(file: database).uninstall()
                return writeLine("removed \(count) triggers from \(file)")
            }
            let feed = Feed(
                file: database,
                plan: Feed.Plan(tables: tables.isEmpty ? nil : tables, prefix: topicPrefix, installs: install),
                topics: FedTopics(client: try RESTClient(client)),
                publisher: FeedPublisher(addresses: try client.addresses(), token: client.bearer, acknowledgement: ack))
            try await follow(feed)
        }

        private func follow(_ feed: Feed) async throws {
            var (isBehind, isTroubled) = (true, false)
            while true {
                do throws(CommandFailure) {
                    let count = try await feed.round()
                    if isTroubled { writeError("roost: nodes can be reached again") }
                    isTroubled = false
                    if count > 0 { writeLine("published \(count)") }
                    if count == 0, isBehind {
                        isBehind = false
                        writeLine("in step")
                        if once { return }
                    } else if count > 0 {
                        isBehind = true
                        continue
                    }
                } catch {
                    // Nodes come back; everything else needs somebody.
                    guard case .unreachable(let reason) = error, !once else { throw error }
                    if !isTroubled { writeError("roost: \(reason): trying again") }
                    isTroubled = true
                }
                try await Task.sleep(for: .milliseconds(interval))
            }
        }
    }
}
