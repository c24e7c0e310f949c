import ArgumentParser

/// `roost bench`: loads a broker and says what it did.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench", abstract: "Load a broker, and check and measure what it delivers.",
        discussion: """
            Every subscriber checks the order of every publisher's messages. When one is lost, repeated or out of \
            order, or a connection ended, the exit code is 65. Topics are made under bench/ and removed again. One \
            thread does it all: on a machine of several cores start several. It speaks no TLS.
            """,
        subcommands: [
            FanOutCommand.self, RoomsCommand.self, IdleCommand.self, CrossNodeCommand.self, StormCommand.self,
        ])
}
