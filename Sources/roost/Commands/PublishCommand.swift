import ArgumentParser
import Foundation
import JSON
import Synchronization

/// `roost pub`: publishes one message, or each line of standard input.
struct PublishCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pub", abstract: "Publish messages.",
        discussion: "A message that is JSON is published as such, any other as a JSON string.")

    @Argument(help: "The topic.")
    var topic: String

    @Argument(help: "The message; - for each line of standard input.")
    var message = "-"

    @Option(help: "What to wait for: none, accepted, stored or replicated.")
    var ack = "accepted"

    @Option(help: "The messages' key.")
    var key: String?

    @Option(help: "The event's name.")
    var event: String?

    @Option(help: ArgumentHelp("The message's own id, by which a repeat is known.", valueName: "id"))
    var messageID: String?

    @Flag(help: "Create the topic when it does not exist.")
    var create = false

    @OptionGroup var client: ClientOptions

    /// How many messages may be under way without an answer.
    private static let window = 256
    /// The id of the request that creates the topic; messages count from 1.
    private static let creation = 0
    /// The id of the ping that comes last.
    private static let farewell = -1

    func validate() throws {
        guard ["none", "accepted", "stored", "replicated"].contains(ack) else {
            throw ValidationError("--ack must be none, accepted, stored or replicated.")
        }
        guard messageID == nil || message != "-" else {
            throw ValidationError("--message-id names one message, so it cannot go with standard input.")
        }
    }

    func run() async throws {
        var failure: any Error = CommandFailure.unreachable("no address was given")
        for address in try client.addresses() {
            let isAttached = Mutex(false)
            do {
                return try await publish(at: address) { isAttached.withLock { $0 = true } }
            } catch let error as LiveConnection.Ended {
                throw CommandFailure.unreachable("\(address) closed the connection: \(error.reason)")
            } catch CommandFailure.unreachable(let reason) where !isAttached.withLock({ $0 }) {
                failure = CommandFailure.unreachable(reason)
            }
        }
        throw failure
    }

    private func publish(at address: ServerAddress, attached: @escaping @Sendable () -> Void) async throws {
        let lines = InputLines(message == "-" ? nil : message, window: Self.window)
        let progress = Progress()
        try await LiveConnection.run(address, token: client.bearer) { connection in
            attached()
            if create {
                progress.asked()
                try await connection.send(
                    LiveRequest.text(id: Self.creation, "create-topic") { writer in
                        writer.key("topicName")
                        writer.string(topic)
                    })
            }
            var number = 0
            for try await line in lines.stream {
                number += 1
                progress.asked()
                try await connection.send(request(number, line))
            }
            progress.inputEnded()
            // Its answer ends the reading also where every other has come before.
            try await connection.send(LiveRequest.text(id: Self.farewell, "ping") { _ in })
        } receive: { _, text in
            let answer: LiveRequest.Answer
            do throws(CommandFailure) {
                answer = try LiveRequest.read(text)
            } catch {
                guard create, case .refused(code: "TOPIC_EXISTS", _) = error else { throw error }
                return progress.answered()
            }
            guard case .response(let id, let data) = answer else { return progress.isUnfinished }
            if id != Self.creation {
                lines.answered()
                if client.json, let data { writeLine(data.bytes) }
            }
            return progress.answered()
        }
    }

    /// What is still waited for; shared by the task that sends and the one that reads.
    private final class Progress: Sendable {
        private let state = Mutex((waiting: 0, isInputEnded: false))

        var isUnfinished: Bool { state.withLock { !($0.isInputEnded && $0.waiting == 0) } }

        func asked() { state.withLock { $0.waiting += 1 } }

        func inputEnded() { state.withLock { $0.isInputEnded = true } }

        /// Whether there is more to wait for.
        func answered() -> Bool {
            state.withLock {
                $0.waiting -= 1
                return !($0.isInputEnded && $0.waiting == 0)
            }
        }
    }

    private func request(_ number: Int, _ line: String) -> [UInt8] {
        LiveRequest.text(id: number, "publish") { writer in
            writer.key("topicName")
            writer.string(topic)
            writer.key("message")
            let bytes = Array(line.utf8)
            if let value = try? JSONView(parsing: bytes) { writer.raw(value.bytes) } else { writer.string(line) }
            writer.key("ack")
            // With an id there is an answer at every level, by which a refusal is told from silence.
            writer.string(ack == "none" ? "accepted" : ack)
            if let key {
                writer.key("key")
                writer.string(key)
            }
            if let event {
                writer.key("event")
                writer.string(event)
            }
            if let messageID {
                writer.key("messageId")
                writer.string(messageID)
            }
        }
    }
}

/// The messages to publish: one, or the lines of standard input, read by a thread that waits while too many are
/// unanswered.
final class InputLines: Sendable {
    let stream: AsyncThrowingStream<String, any Error>
    private let room: DispatchSemaphore

    init(_ single: String?, window: Int) {
        // Made empty and then filled: one that was made with room may not be let go of before all of it is back.
        let room = DispatchSemaphore(value: 0)
        for _ in 0..<window { room.signal() }
        self.room = room
        let (stream, continuation) = AsyncThrowingStream<String, any Error>.makeStream()
        self.stream = stream
        if let single {
            continuation.yield(single)
            continuation.finish()
            return
        }
        Thread {
            var number = 0
            var input = StandardInput()
            while let bytes = input.nextLine() {
                number += 1
                guard let line = String(validating: bytes, as: UTF8.self) else {
                    return continuation.finish(throwing: CommandFailure.refused(
                        code: "INVALID_MESSAGE", message: "line \(number) of standard input is not UTF-8; those before it were sent"))
                }
                room.wait()
                continuation.yield(line)
            }
            continuation.finish()
        }.start()
    }

    /// Makes room for another line.
    func answered() { room.signal() }
}

/// Standard input as lines of bytes, which may be no text.
private struct StandardInput {
    private var held: [UInt8] = []
    private var first = 0
    private var isEnded = false

    /// The next line without its end; nil at the end of the input.
    mutating func nextLine() -> [UInt8]? {
        var searched = first
        while true {
            if let end = held[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { first = end + 1 }
                return Array(held[first..<end])
            }
            searched = held.count
            guard !isEnded else {
                defer { first = held.count }
                return first < held.count ? Array(held[first...]) : nil
            }
            held.removeFirst(first)
            searched -= first
            first = 0
            fill()
        }
    }

    private mutating func fill() {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = read(STDIN_FILENO, &chunk, chunk.count)
        if count > 0 { held.append(contentsOf: chunk[..<count]) } else { isEnded = count == 0 || errno != EINTR }
    }
}
