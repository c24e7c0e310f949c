import ArgumentParser
import Foundation

/// What every scenario takes.
struct LoadOptions: ParsableArguments {
    @OptionGroup var client: ClientOptions

    @Option(help: "The bytes of a message, \(Stamp.smallest) to 65536.")
    var size = 128

    @Option(help: "Seconds of the measured time.")
    var seconds = 5.0

    @Option(help: "Messages to publish in the measured time, instead of seconds.")
    var messages: Int?

    @Option(help: "Seconds of the same load before, which do not count.")
    var warmUp = 1.0

    @Option(help: "Seconds in which something has to come; what has not come then is lost.")
    var patience = 10.0

    @Option(help: "Connections that are opened at a time.")
    var atOnce = 256

    @Option(
        name: .customLong("server-pid"),
        help: "A process of the server, on this machine, whose CPU and memory are reported; may be given several times.")
    var serverPID: [Int32] = []

    @Option(
        name: .customLong("protocol"),
        help: "What the broker speaks over WebSocket: live (Roost), mqtt, nats, or plain (a path is a topic).")
    var tongueName = "live"

    @Option(help: "Of --protocol plain: the path that publishes; {topic} stands for the topic.")
    var publishPath = "/pub/{topic}"

    @Option(help: "Of --protocol plain: the path that subscribes.")
    var subscribePath = "/sub/{topic}"

    @Option(help: "Of --protocol live: the topics' durability, disk or memory.")
    var durability = "disk"

    func validate() throws {
        guard (Stamp.smallest...65_536).contains(size) else {
            throw ValidationError("--size must be \(Stamp.smallest) to 65536 bytes.")
        }
        for (name, value) in [("seconds", seconds), ("patience", patience)] {
            guard (0.1...86_400).contains(value) else { throw ValidationError("--\(name) must be 0.1 to 86400.") }
        }
        guard (0...3_600).contains(warmUp) else { throw ValidationError("--warm-up must be 0 to 3600 seconds.") }
        guard atOnce > 0 else { throw ValidationError("--at-once must be at least 1.") }
        guard messages.map({ $0 > 0 }) ?? true else { throw ValidationError("--messages must be at least 1.") }
        guard ["live", "mqtt", "nats", "plain"].contains(tongueName) else {
            throw ValidationError("--protocol must be live, mqtt, nats or plain.")
        }
        guard ["disk", "memory"].contains(durability) else {
            throw ValidationError("--durability must be disk or memory.")
        }
    }

    /// How the broker is spoken to.
    var tongue: any LoadTongue {
        switch tongueName {
        case "mqtt": MQTTTongue()
        case "nats": NATSTongue()
        case "plain": PlainTongue(publishPath: publishPath, subscribePath: subscribePath)
        default: LiveTongue(durability: durability)
        }
    }

    /// When publishing ends.
    var end: LoadEnd { messages.map(LoadEnd.messages) ?? .after(.seconds(seconds)) }

    /// The settings of a load whose publishers and subscribers attach everywhere.
    func settings() throws(CommandFailure) -> LoadSettings {
        let addresses = try client.addresses()
        guard !addresses.contains(where: \.isSecure) else {
            throw .configuration("roost bench speaks no TLS; give it http:// or ws:// addresses")
        }
        return LoadSettings(
            publisherAddresses: addresses, subscriberAddresses: addresses, token: client.bearer, tongue: tongue,
            messageSize: size, atOnce: atOnce, patience: .seconds(patience))
    }

    /// Prints a report, and ends the process with 65 when the broker did not keep its word.
    func conclude(_ report: LoadReport) throws(CommandFailure) {
        if client.json {
            writeLine(report.json)
        } else {
            for line in report.lines { writeLine(line) }
        }
        if let complaint = report.complaint { throw .unkept(complaint) }
    }
}

/// How publishes follow each other, where a scenario leaves it open.
struct PacingOptions: ParsableArguments {
    @Option(help: "Messages in flight: the next is published when every subscriber has one.")
    var inFlight = 1

    @Option(help: "Messages a second, whatever is in flight; latency then counts from when each was due.")
    var rate: Double?

    func validate() throws {
        guard (1...65_536).contains(inFlight) else { throw ValidationError("--in-flight must be 1 to 65536.") }
        guard rate.map({ (0.01...10_000_000).contains($0) }) ?? true else {
            throw ValidationError("--rate must be 0.01 to 10000000 messages a second.")
        }
    }

    /// The pacing.
    var pacing: Pacing { rate.map(Pacing.rate) ?? .window(inFlight) }

    /// The pacing in words.
    var words: String { rate.map { "\($0) a second" } ?? "\(inFlight) in flight" }
}
