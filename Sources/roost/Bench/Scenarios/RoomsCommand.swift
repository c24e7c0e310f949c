import ArgumentParser

/// `roost bench rooms`: many topics with a few subscribers each.
struct RoomsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rooms", abstract: "Many topics with a few subscribers each, published to in turn.")

    @Option(help: "Topics, at most \(Stamp.streamLimit).")
    var topics = 1_000

    @Option(help: "Subscribed connections of each topic.")
    var perTopic = 4

    @Option(help: "Publishing connections; of --protocol plain one for each topic.")
    var publishers = 10

    @OptionGroup var pacing: PacingOptions
    @OptionGroup var load: LoadOptions

    func validate() throws {
        guard (1...Stamp.streamLimit).contains(topics) else {
            throw ValidationError("--topics must be 1 to \(Stamp.streamLimit).")
        }
        guard (1...100_000).contains(perTopic) else { throw ValidationError("--per-topic must be 1 to 100000.") }
        try validateConnections(subscribers: topics * perTopic, publishers: publishers)
    }

    func run() async throws {
        let settings = try load.settings()
        let plan = LoadPlan.rooms(
            topics, subscribersPerTopic: perTopic,
            publishers: settings.tongue.isPublisherBoundToTopic ? topics : min(publishers, topics))
        let run = LoadRun(scenario: "rooms", plan: plan, settings: settings, watched: load.serverPID)
        try load.conclude(run.measure(pacing.pacing, words: pacing.words, warmUp: load.warmUp, until: load.end))
    }
}
