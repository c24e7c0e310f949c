import ArgumentParser

/// The `roost` command.
@main
struct Roost: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roost",
        abstract: "A clustered publish/subscribe broker, and its tools.",
        discussion: """
            Exit codes: 0 done, 1 the broker refused, 64 the command line is wrong, 65 messages were lost, repeated or \
            out of order, 69 no node could be reached, 70 something else failed, 78 the configuration is wrong.
            """,
        version: Version.text,
        subcommands: [
            Serve.self, PublishCommand.self, SubscribeCommand.self, RequestCommand.self, TopicsCommand.self, QueryCommand.self,
            FeedCommand.self, ScheduleCommand.self, ClusterCommand.self, BackupCommand.self, RestoreCommand.self, TokenCommand.self,
            UserCommand.self, BenchCommand.self,
        ])

    static func main() async {
        ignoreBrokenPipes()
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch let failure as CommandFailure {
            failure.exit()
        } catch {
            exit(withError: error)
        }
    }
}
