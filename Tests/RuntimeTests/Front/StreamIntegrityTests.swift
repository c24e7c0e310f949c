import Broker
import Foundation
import Model
import NIOCore
import Runtime
import Testing

@Suite("The stream of a connection", .serialized)
struct StreamIntegrityTests {
    private let admin = Principal(user: "op", roles: [AccessPolicy.admin])

    /// A payload of which every byte says where it stands.
    private func payload(_ number: Int, _ count: Int) -> String {
        var text = "\"\(number)-"
        text.reserveCapacity(count)
        while text.utf8.count < count { text += String((number &* 31 &+ text.utf8.count) % 997, radix: 36) }
        return text + "\""
    }

    /// How long each message is: mostly short, some far longer than a socket's buffer.
    private func sizes(_ count: Int, _ seed: UInt64) -> [Int] {
        var random = RandomSource(seed: seed)
        return (0..<count).map { _ in
            switch Int.random(in: 0..<20, using: &random) {
            case 0: Int.random(in: 100_000...400_000, using: &random)
            case 1..<6: Int.random(in: 5_000...60_000, using: &random)
            default: Int.random(in: 10...500, using: &random)
            }
        }
    }

    /// Runs a body on a thread of its own: it blocks.
    private func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread { continuation.resume(with: Result(catching: body)) }.start()
        }
    }

    /// Reads as slowly and in pieces as chance wants, and checks every byte of every message; gives how many pongs came.
    private func read(
        _ socket: BlockingSocket, _ topics: [String], _ expected: [String], seed: UInt64
    ) throws -> Int {
        var random = RandomSource(seed: seed)
        var pongs = 0
        for (number, payload) in expected.enumerated() {
            if number % 37 == Int(seed % 37) { try socket.say(.ping, "\(number)") }
            // A reader that is elsewhere for a while, so that the node meets a full socket.
            if Int.random(in: 0..<12, using: &random) == 0 { usleep(UInt32.random(in: 0...20_000, using: &random)) }
            var text: String
            repeat {
                let frame = try socket.frame(piece: { 1 << Int.random(in: 4...16, using: &random) })
                if frame.opcode == 0xA { pongs += 1 }
                text = frame.opcode == 1 ? String(decoding: frame.payload, as: UTF8.self) : ""
            } while text.isEmpty
            let isRight =
                text.contains(#""topic":"\#(topics[number % topics.count])""#)
                && text.contains(#""data":\#(payload),"id""#)
            guard isRight else {
                throw BlockingSocket.Failure(description: "message \(number), seed \(seed): \(text.prefix(300))…")
            }
        }
        return pongs
    }

    @Test(
        "is whole, in order and without a foreign byte, whatever the readers' speed and buffers",
        arguments: [1, 3], [SendBatching.always, .never])
    func integrity(topicCount: Int, batching: SendBatching) async throws {
        var settings = FrontSettings()
        settings.sendBatching = batching
        settings.outboundHighMark = 1 << 30  // nobody is to leave the live stream here
        settings.outboundLowMark = 1 << 20
        let topics = (0..<topicCount).map { "news/\($0)" }
        let expected = sizes(400, UInt64(topicCount)).enumerated().map { payload($0.offset, $0.element) }
        try await FrontFixture.run(settings: settings) { fixture in
            let port = fixture.front.ports[0]
            for topic in topics {
                _ = await port.perform(.createTopic(Command.CreateTopic(name: try TopicName(topic))), as: admin)
            }
            let listening = fixture.listener.endpoint.port
            try await withThrowingTaskGroup(of: Int.self) { readers in
                let (subscribed, isSubscribed) = AsyncStream.makeStream(of: Void.self)
                for seed in 1...12 as ClosedRange<UInt64> {
                    readers.addTask {
                        try await onThread {
                            let socket = try BlockingSocket(port: listening, receiveBuffer: seed % 3 == 0 ? nil : 2_048)
                            _ = try socket.text()
                            for topic in topics {
                                try socket.say(
                                    .text, #"{"id":1,"method":"subscribe","attributes":{"topic":"\#(topic)"}}"#)
                                _ = try socket.text()
                            }
                            isSubscribed.yield()
                            return try read(socket, topics, expected, seed: seed)
                        }
                    }
                }
                var count = 0
                for await _ in subscribed {
                    count += 1
                    if count == 12 { break }
                }
                // Several in one turn of the loop, so that they share a send.
                for start in stride(from: 0, to: expected.count, by: 8) {
                    let batch = try (start..<start + 8).map { number in
                        Command.publish(
                            Command.Publish(
                                topic: try TopicName(topics[number % topics.count]),
                                payload: Array(expected[number].utf8)))
                    }
                    #expect(await port.perform(batch, as: admin).count == 8)
                }
                var pongs = 0
                for try await each in readers { pongs += each }
                #expect(pongs > 12, "the readers' pings are answered in between")
            }
        }
    }

    @Test("never reaches a socket that took the number of one that was closed", arguments: [SendBatching.always, .never])
    func reusedDescriptors(batching: SendBatching) async throws {
        var settings = FrontSettings()
        settings.sendBatching = batching
        try await FrontFixture.run(settings: settings) { fixture in
            let port = fixture.front.ports[0]
            _ = await port.perform(.createTopic(Command.CreateTopic(name: try TopicName("news"))), as: admin)
            let listening = fixture.listener.endpoint.port
            let rounds = 300
            let reading = Task {
                try await onThread {
                    var strangers: [BlockingSocket] = []
                    for round in 0..<rounds {
                        let leaving = try BlockingSocket(port: listening)
                        _ = try leaving.text()
                        try leaving.say(.text, #"{"id":1,"method":"subscribe","attributes":{"topic":"news"}}"#)
                        _ = try leaving.text()
                        leaving.reset()
                        // It takes the lowest number that is free: that of the one that has just gone, as soon as it is.
                        let stranger = try BlockingSocket(port: listening)
                        let opening = try stranger.text()
                        guard opening.hasPrefix(#"{"type":"session""#) else {
                            throw BlockingSocket.Failure(description: "round \(round): \(opening)")
                        }
                        strangers.append(stranger)
                        if strangers.count > 20 { strangers.removeFirst() }
                        try stranger.say(.ping, "still alone")
                        let answer = try stranger.frame()
                        guard answer.opcode == 0xA, answer.payload == Array("still alone".utf8) else {
                            throw BlockingSocket.Failure(description: "round \(round): \(answer)")
                        }
                    }
                }
            }
            let publishing = Task {
                let publish = Command.publish(Command.Publish(topic: try TopicName("news"), payload: Array("1".utf8)))
                while !Task.isCancelled { _ = await port.perform([publish, publish], as: admin) }
            }
            let result = await reading.result
            publishing.cancel()
            try result.get()
            #expect(await port.figures().counters.upgraded == UInt64(2 * rounds))
        }
    }
}
