import ArgumentParser
import JSON
import WebSocket

/// `roost sub`: follows topics and writes each message on a line of its own.
struct SubscribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sub", abstract: "Follow topics.",
        discussion: """
            When its node goes away it attaches to the next --url and goes on where it was. Without --json it writes the \
            messages alone, strings without their quotes.
            """)

    @Argument(help: "Topics or filters, such as chat/+ or sensors/#.")
    var topics: [String]

    @Option(
        help: ArgumentHelp(
            "Where to begin: beginning, last:N, a time in ISO 8601, or a cursor. (default: now)", valueName: "place"))
    var since: String?

    @Option(help: "Be a member of this queue group: each message goes to one member.")
    var group: String?

    @Flag(help: "Acknowledge each message once it is written; with --group. What is not acknowledged goes to another member.")
    var ack = false

    @Option(help: "End after so many messages.")
    var count: Int?

    @OptionGroup var client: ClientOptions

    /// Between two attempts to attach, doubled each time up to the second and drawn from zero (full jitter).
    private static let firstDelay = 0.2
    private static let longestDelay = 10.0
    /// Attempts without success before giving up, when it was never attached.
    private static let firstAttempts = 1

    func validate() throws {
        guard !topics.isEmpty else { throw ValidationError("Name at least one topic.") }
        if ack, group == nil { throw ValidationError("--ack goes with --group.") }
        if group != nil, since != nil { throw ValidationError("--since does not go with --group, which has one place.") }
        if let count, count < 1 { throw ValidationError("--count must be at least 1.") }
    }

    func run() async throws {
        let addresses = try client.addresses()
        let state = Subscriptions(topics: topics, since: since, group: group.map { ($0, ack) }, remaining: count)
        var failures = 0
        var attempt = 0
        while true {
            let address = addresses[attempt % addresses.count]
            attempt += 1
            do {
                try await follow(address, state)
                return
            } catch CommandFailure.unreachable(let reason) {
                guard state.wasAttached || attempt < addresses.count * Self.firstAttempts else {
                    throw CommandFailure.unreachable(reason)
                }
                writeError("roost: \(reason)")
            } catch let end as LiveConnection.Ended {
                if end.code == .policyViolation { throw CommandFailure.refused(code: "CLOSED", message: end.reason) }
                writeError("roost: \(address) closed the connection; attaching again")
                failures = 0
            }
            failures += 1
            let longest = min(Self.longestDelay, Self.firstDelay * Double(1 << min(failures, 10)))
            try await Task.sleep(for: .seconds(Double.random(in: 0...longest)))
        }
    }

    private func follow(_ address: ServerAddress, _ state: Subscriptions) async throws {
        let requests = state.requests()
        try await LiveConnection.run(address, token: client.bearer) { connection in
            for request in requests { try await connection.send(request) }
        } receive: { connection, text in
            switch try LiveRequest.read(text) {
            case .response(let id, let data): state.subscribed(id, data)
            case .event(let event):
                // What comes beyond the last one goes to another member.
                guard state.isUnfinished else { break }
                if state.saw(event) { write(event) }
                if let acknowledgement = state.acknowledgement(of: event) { try await connection.send(acknowledgement) }
            case .cursor(let notice): state.passed(notice)
            case .gap(let gap): writeError("roost: messages are lost: \(String(decoding: gap.bytes, as: UTF8.self))")
            case .unsubscribed(let end):
                throw CommandFailure.refused(
                    code: end["code"]?.string ?? "ENDED", message: end["error"]?.string ?? "the subscription has ended")
            case .other: break
            }
            return state.isUnfinished || state.awaitsAcknowledgement
        }
    }

    private func write(_ event: JSONView) {
        if client.json { return writeLine(event.bytes) }
        guard let data = event["data"] else { return }
        writeLine(data.stringBytes ?? data.bytes)
    }
}
