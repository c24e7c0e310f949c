import Broker
import Model
import NIOCore
import Runtime
import Testing
import WebSocket

@Suite("A front", .serialized)
struct FrontTests {
    /// One client that has shaken hands and read its session frame.
    private func attached(
        _ fixture: FrontFixture, _ body: (RawConnection) async throws -> Void
    ) async throws {
        try await fixture.connect { connection in
            try await connection.send(upgrade + "\r\n")
            let head = try await connection.read(head)
            #expect(head?.hasPrefix("HTTP/1.1 101 ") == true && head?.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == true)
            #expect(try await next(connection)?.contains(#""type":"session""#) == true)
            try await body(connection)
        }
    }

    @Test("shakes hands with a WebSocket whose head comes byte by byte, and answers HTTP on the same port")
    func sniffs() async throws {
        try await FrontFixture.run { fixture in
            try await fixture.connect { connection in
                for byte in Array((upgrade + "\r\n").utf8) { try await connection.send([byte]) }
                #expect(try await connection.read(head)?.hasPrefix("HTTP/1.1 101 ") == true)
                #expect(try await next(connection)?.contains(#""type":"session""#) == true)
            }
            try await fixture.connect { connection in
                for byte in Array("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".utf8) {
                    try await connection.send([byte])
                }
                let answer = try await connection.rest()
                #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.hasSuffix("ok\n"))
            }
        }
    }

    @Test("hands what is no known door, no upgrade or no HTTP to HTTP, which answers it")
    func others() async throws {
        try await FrontFixture.run { fixture in
            for (request, status) in [
                (
                    upgrade.replacing("/live", with: "/nowhere").replacing(
                        "Connection: Upgrade", with: "Connection: close")
                        + "\r\n", "404"
                ),
                ("GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "503"),
                ("GET /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404"),
                ("complete nonsense\r\n\r\n", "400"),
            ] {
                try await fixture.connect { connection in
                    try await connection.send(request)
                    let answer = try await connection.rest()
                    #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(request): \(answer)")
                }
            }
        }
    }

    @Test("refuses upgrades before the handshake: with a bad token, without a key, beyond the limit")
    func refusals() async throws {
        try await FrontFixture.run(anonymous: nil) { fixture in
            try await fixture.connect { connection in
                try await connection.send(upgrade.replacing("/live", with: "/live?token=nonsense") + "\r\n")
                let answer = try await connection.rest()
                #expect(answer.hasPrefix("HTTP/1.1 401 ") && answer.contains("AUTH_FAILED"))
            }
            try await fixture.connect { connection in
                try await connection.send(upgrade.replacing("dGhlIHNhbXBsZSBub25jZQ==", with: "short") + "\r\n")
                #expect(try await connection.rest().hasPrefix("HTTP/1.1 400 "))
            }
        }
        var settings = FrontSettings()
        settings.connectionLimit = 1
        try await FrontFixture.run(settings: settings) { fixture in
            try await attached(fixture) { _ in
                try await fixture.connect { connection in
                    try await connection.send(upgrade + "\r\n")
                    let answer = try await connection.rest()
                    #expect(answer.hasPrefix("HTTP/1.1 503 ") && answer.contains("Retry-After: "))
                }
            }
        }
    }

    /// Awaits a client's next frame, and shows what came instead.
    private func expect(_ connection: RawConnection, _ frame: String) async throws {
        let came = try await next(connection)
        #expect(came == frame)
    }

    @Test("closes with the right code for what a client may not send, and nobody else notices")
    func violations() async throws {
        try await FrontFixture.run { fixture in
            try await attached(fixture) { bystander in
                try await attached(fixture) { connection in
                    try await connection.send([0x81, 0x02, 0x68, 0x69])
                    try await expect(connection, "close 1002")
                }
                try await attached(fixture) { connection in
                    try await say(connection, .binary, "x")
                    try await expect(connection, "close 1003")
                }
                try await attached(fixture) { connection in
                    try await connection.send([0x81, 0x81, 0, 0, 0, 0, 0xFF])
                    try await expect(connection, "close 1007")
                }
                try await attached(fixture) { connection in
                    try await connection.send([0x81, 0xFF, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0])
                    try await expect(connection, "close 1009")
                }
                try await say(bystander, .ping, "still here")
                #expect(try await next(bystander) == "pong still here")
                try await say(bystander, .close, [0x03, 0xE8])
                #expect(try await next(bystander) == "close 1000")
                #expect(try await next(bystander) == nil, "the server ends the connection after the handshake")
            }
        }
    }

    @Test("ends the stream behind the close frame of a violation, without waiting for an answer that it could not read")
    func failing() async throws {
        var settings = FrontSettings()
        settings.closeTimeout = .seconds(3_600)
        try await FrontFixture.run(settings: settings) { fixture in
            let violations: [[UInt8]] = [
                [0x81, 0x02, 0x68, 0x69], [0x83, 0x80, 0, 0, 0, 0], [0x81, 0x81, 0, 0, 0, 0, 0xFF],
            ]
            for violation in violations {
                try await attached(fixture) { connection in
                    try await connection.send(violation)
                    #expect(try await next(connection)?.hasPrefix("close 100") == true)
                    #expect(try await next(connection) == nil)
                }
            }
        }
    }

    @Test("says back text as text and binary as binary at the echo door, which only a test flag opens")
    func echoes() async throws {
        let echo = upgrade.replacing("/live", with: "/echo") + "\r\n"
        try await FrontFixture.run { fixture in
            try await fixture.connect { connection in
                try await connection.send(echo.replacing("Connection: Upgrade", with: "Connection: close"))
                #expect(try await connection.rest().hasPrefix("HTTP/1.1 404 "))
            }
        }
        var settings = FrontSettings()
        settings.testDoors = true
        try await FrontFixture.run(settings: settings) { fixture in
            try await fixture.connect { connection in
                try await connection.send(echo)
                #expect(try await connection.read(head)?.hasPrefix("HTTP/1.1 101 ") == true)
                try await say(connection, .text, "Grüße")
                #expect(try await next(connection) == "Grüße")
                try await say(connection, .binary, "\0\u{1}")
                #expect(try await next(connection) == "binary \0\u{1}")
                try await say(connection, .text, "")
                #expect(try await next(connection) == "")
                let long = [UInt8](repeating: 0x61, count: 2 << 20)
                try await say(connection, .binary, long)
                let back: [UInt8]? = try await connection.read { bytes in
                    guard bytes.count >= 10 + long.count else { return nil }
                    defer { bytes.removeFirst(10 + long.count) }
                    return Array(bytes[..<(10 + long.count)])
                }
                #expect(back == [0x82, 127, 0, 0, 0, 0, 0, 0x20, 0, 0] + long, "more than other doors take")
                // A frame over 16 MiB is refused by its header alone.
                try await connection.send([0x82, 0xFF, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0])
                #expect(try await next(connection) == "close 1009")
            }
        }
    }

    @Test("gives a message to every subscriber, encoded once, and goes on when one of them has left")
    func fansOut() async throws {
        try await FrontFixture.run { fixture in
            let port = fixture.front.ports[0]
            let admin = Principal(user: "op", roles: [AccessPolicy.admin])
            let topic = try TopicName("news")
            _ = await port.perform(.createTopic(Command.CreateTopic(name: topic)), as: admin)
            let subscribe = #"{"id":1,"method":"subscribe","attributes":{"topicName":"news"}}"#
            try await attached(fixture) { first in
                try await attached(fixture) { second in
                    try await attached(fixture) { leaving in
                        for client in [first, second, leaving] {
                            try await say(client, .text, subscribe)
                            #expect(try await next(client)?.contains(#""ok":true"#) == true)
                        }
                    }
                    let before = await port.figures().counters.encodings
                    for number in 1...3 {
                        let publish = Command.Publish(topic: topic, payload: Array("\(number)".utf8))
                        guard case .published = await port.perform(.publish(publish), as: admin) else {
                            Issue.record("not published")
                            return
                        }
                    }
                    for client in [first, second] {
                        for number in 1...3 {
                            #expect(try await next(client)?.contains(#""data":\#(number),"#) == true)
                        }
                    }
                    let after = await port.figures()
                    #expect(after.counters.encodings - before == 3)
                }
            }
        }
    }

    @Test("reads from its clients while there is no end to what other loops publish")
    func endlessMail() async throws {
        let mail = EndlessMail()
        try await FrontFixture.run(mail: mail) { fixture in
            defer { mail.end() }
            try await attached(fixture) { client in
                mail.begin()
                fixture.front.ports[0].wake()
                for round in 1...20 {
                    try await say(client, .ping, "\(round)")
                    #expect(try await next(client) == "pong \(round)")
                }
                #expect(mail.sliceCount > 20, "the loop goes on delivering meanwhile")
            }
        }
    }

    @Test("lets a client without a token authenticate by its first message, and closes one that does not in time")
    func firstMessage() async throws {
        var shardSettings = ShardSettings()
        shardSettings.firstMessageLimit = .seconds(3)
        try await FrontFixture.run(shardSettings: shardSettings, anonymous: nil) { fixture in
            try await attached(fixture) { client in
                try await say(client, .text, #"{"id":1,"method":"list-topic"}"#)
                #expect(try await next(client)?.contains(#""code":"AUTH_REQUIRED""#) == true)
                #expect(try await next(client)?.contains(#""type":"error""#) == true)
                #expect(try await next(client) == "close 1008")
            }
            #expect(await fixture.front.ports[0].figures().shard.unauthenticated == 1)
        }
    }

    @Test("does not read a client over its requests a second, loses nothing of it, and closes one that goes on")
    func holds() async throws {
        var shardSettings = ShardSettings()
        shardSettings.requestsPerSecond = 200
        shardSettings.excessLimit = .seconds(1)
        try await FrontFixture.run(shardSettings: shardSettings) { fixture in
            try await attached(fixture) { client in
                // Within a second's budget of the excess limit: told once, all answered in order.
                var burst: [UInt8] = []
                for number in 0..<260 {
                    FrameEncoder.frame(
                        .text, Array(#"{"id":\#(number),"method":"list-topic"}"#.utf8)[...],
                        mask: MaskingKey((1, 2, 3, 4)), into: &burst)
                }
                try await client.send(burst)
                var (answered, told) = (0, 0)
                while answered < 260, let text = try await next(client) {
                    if text.contains(#""code":"RATE_LIMIT_EXCEEDED""#) { told += 1 } else { answered += 1 }
                }
                #expect(answered == 260 && told == 1)
            }
            try await attached(fixture) { client in
                var flood: [UInt8] = []
                for _ in 0..<20_000 {
                    FrameEncoder.frame(
                        .text, Array(#"{"method":"list-topic"}"#.utf8)[...], mask: MaskingKey((1, 2, 3, 4)),
                        into: &flood)
                }
                try await client.send(flood)
                var last: String?
                while let text = try await next(client) {
                    last = text
                    if text.hasPrefix("close") { break }
                }
                #expect(last == "close 1008")
            }
            let shard = await fixture.front.ports[0].figures().shard
            #expect(shard.excesses == 1 && shard.holds >= 2)
        }
    }

    @Test("tells clients of a drain and closes them with 1012")
    func drains() async throws {
        try await FrontFixture.run { fixture in
            try await attached(fixture) { client in
                await fixture.front.drain(within: .milliseconds(10), nodes: ["other:1"])
                #expect(try await next(client)?.contains(#""type":"drain""#) == true)
                #expect(try await next(client) == "close 1012")
                try await fixture.connect { late in
                    try await late.send(upgrade + "\r\n")
                    #expect(try await late.rest().hasPrefix("HTTP/1.1 503 "))
                }
            }
        }
    }

    @Test("stops while clients are attached, and closes them")
    func stops() async throws {
        try await FrontFixture.run { fixture in
            try await attached(fixture) { client in
                try await fixture.connect { idle in
                    try await idle.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                    #expect(try await idle.read(head)?.hasPrefix("HTTP/1.1 200 ") == true)
                    try await fixture.connect { silent in
                        // Answered only by the loop: the silent connection was accepted before it.
                        _ = await fixture.front.ports[0].figures()
                        await fixture.front.stop()
                        let (end, body, nothing) = (
                            try await next(client), try await idle.rest(), try await silent.rest()
                        )
                        #expect(end == nil && body.hasSuffix("ok\n") && nothing.isEmpty)
                    }
                }
            }
        }
    }

    /// A connection may be accepted after the loop has closed what it has, and before it lets its share go.
    @Test("closes connections that are accepted while it stops")
    func acceptsNobodyWhileItStops() async throws {
        for _ in 0..<40 {
            try await FrontFixture.run { fixture in
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    for _ in 0..<8 {
                        tasks.addTask {
                            try await fixture.connect { late in
                                let said = try await late.rest()
                                #expect(said.isEmpty)
                            }
                        }
                    }
                    await fixture.front.stop()
                    try await tasks.waitForAll()
                }
            }
        }
    }
}
