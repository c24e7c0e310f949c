import ArgumentParser
import JSON

/// `roost request`: asks one of a topic's responders, and writes each of its replies on a line of its own.
struct RequestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "request", abstract: "Ask a topic's responder something.",
        discussion: """
            A message that is JSON is sent as such, any other as a JSON string. Replies are written as they come, strings \
            without their quotes; with --json each is the whole frame.
            """)

    @Argument(help: "The topic.")
    var topic: String

    @Argument(help: "The message.")
    var message: String

    @Option(help: "Milliseconds to wait for the end of the answer, 1 to 300000.")
    var timeout = 30_000

    @OptionGroup var client: ClientOptions

    func validate() throws {
        guard (1...300_000).contains(timeout) else { throw ValidationError("--timeout must be 1 to 300000.") }
    }

    func run() async throws {
        var failure: any Error = CommandFailure.unreachable("no address was given")
        for address in try client.addresses() {
            do {
                return try await ask(address)
            } catch let end as LiveConnection.Ended {
                // Whether it was carried out there is not known, so it is not made again elsewhere.
                throw CommandFailure.unreachable("\(address) closed the connection: \(end.reason)")
            } catch CommandFailure.unreachable(let reason) {
                failure = CommandFailure.unreachable(reason)
            }
        }
        throw failure
    }

    private func ask(_ address: ServerAddress) async throws {
        try await LiveConnection.run(address, token: client.bearer) { connection in
            try await connection.send(
                LiveRequest.text(id: 1, "request") { writer in
                    writer.key("topicName")
                    writer.string(topic)
                    writer.key("message")
                    if let value = try? JSONView(parsing: Array(message.utf8)) {
                        writer.raw(value.bytes)
                    } else {
                        writer.string(message)
                    }
                    writer.key("timeout")
                    writer.integer(Int64(timeout))
                })
        } receive: { _, text in
            switch try LiveRequest.read(text) {
            case .response: return false
            case .event(let reply):
                if client.json {
                    writeLine(reply.bytes)
                } else if let data = reply["data"] {
                    writeLine(data.stringBytes ?? data.bytes)
                }
            case .cursor, .gap, .unsubscribed, .other: break
            }
            return true
        }
    }
}
