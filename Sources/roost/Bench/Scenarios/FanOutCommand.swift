import ArgumentParser

/// `roost bench fan-out`: every message to every subscriber.
struct FanOutCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fan-out", abstract: "One topic, many subscribers: every message goes to all of them.")

    @Option(help: "Subscribed connections.")
    var subscribers = 100

    @Option(help: "Publishing connections.")
    var publishers = 1

    @OptionGroup var pacing: PacingOptions
    @OptionGroup var load: LoadOptions

    func validate() throws { try validateConnections(subscribers: subscribers, publishers: publishers) }

    func run() async throws {
        let run = LoadRun(
            scenario: "fan-out", plan: .fanOut(subscribers: subscribers, publishers: publishers),
            settings: try load.settings(), watched: load.serverPID)
        try load.conclude(run.measure(pacing.pacing, words: pacing.words, warmUp: load.warmUp, until: load.end))
    }
}

/// Refuses numbers of connections that make no load.
func validateConnections(subscribers: Int, publishers: Int) throws {
    guard (1...1_000_000).contains(subscribers) else {
        throw ValidationError("There must be 1 to 1000000 subscribers.")
    }
    guard (1...1_024).contains(publishers) else { throw ValidationError("There must be 1 to 1024 publishers.") }
}
