import ArgumentParser

/// `roost bench idle`: connections that subscribe and wait.
struct IdleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "idle",
        abstract: "Hold subscribed connections, then prove with one message that each is alive.",
        discussion: "--seconds says how long they are held.")

    @Option(help: "Subscribed connections.")
    var subscribers = 10_000

    @OptionGroup var load: LoadOptions

    func validate() throws { try validateConnections(subscribers: subscribers, publishers: 1) }

    func run() async throws {
        let run = LoadRun(
            scenario: "idle", plan: .fanOut(subscribers: subscribers, publishers: 1), settings: try load.settings(),
            watched: load.serverPID)
        try load.conclude(
            run.idle(for: .seconds(load.seconds)) { _ in
                if !load.client.json { writeLine("\(subscribers) connections are subscribed") }
            })
    }
}
