import ArgumentParser

/// `roost bench storm`: connections as fast as they go, dropped, and again.
struct StormCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "storm",
        abstract: "Attach and subscribe as fast as it goes, drop every connection at once, and come back.",
        discussion: """
            Who is turned away with 503 comes back after what Retry-After says. After each storm one message must \
            reach everyone. --at-once bounds how many are under way.
            """)

    @Option(help: "Subscribed connections.")
    var subscribers = 10_000

    @Option(help: "How often they come.")
    var rounds = 2

    @OptionGroup var load: LoadOptions

    func validate() throws {
        try validateConnections(subscribers: subscribers, publishers: 1)
        guard (1...1_000).contains(rounds) else { throw ValidationError("--rounds must be 1 to 1000.") }
    }

    func run() async throws {
        let run = LoadRun(
            scenario: "storm", plan: .fanOut(subscribers: subscribers, publishers: 1), settings: try load.settings(),
            watched: load.serverPID)
        try load.conclude(run.storm(rounds: rounds))
    }
}
