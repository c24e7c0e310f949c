import ArgumentParser

/// `roost bench cross-node`: publishers at one node, subscribers at the others.
struct CrossNodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cross-node",
        abstract: "Publish at the first --url, subscribe at the others: every delivery crosses the cluster.")

    @Option(help: "Subscribed connections, spread over the other nodes.")
    var subscribers = 100

    @Option(help: "Publishing connections.")
    var publishers = 1

    @OptionGroup var pacing: PacingOptions
    @OptionGroup var load: LoadOptions

    func validate() throws { try validateConnections(subscribers: subscribers, publishers: publishers) }

    func run() async throws {
        var settings = try load.settings()
        guard settings.publisherAddresses.count > 1 else {
            throw CommandFailure.configuration("cross-node needs two addresses or more: --url FIRST --url OTHER")
        }
        settings.subscriberAddresses.removeFirst()
        settings.publisherAddresses.removeLast(settings.publisherAddresses.count - 1)
        let run = LoadRun(
            scenario: "cross-node", plan: .fanOut(subscribers: subscribers, publishers: publishers),
            settings: settings, watched: load.serverPID)
        try load.conclude(run.measure(pacing.pacing, words: pacing.words, warmUp: load.warmUp, until: load.end))
    }
}
