import Model
import Runtime
import Testing

@Suite("A stream over HTTP", .serialized)
struct StreamTests {
    private let create = "POST /api/v1/topics HTTP/1.1\r\nHost: x\r\n"
    private let chat = #"{"name":"chat"}"#

    private func post(_ path: String, _ body: String) -> String {
        "POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    /// Reads up to and with the next empty line; nil when the connection ended before.
    private func block(_ connection: RawConnection, _ end: String = "\n\n") async throws -> String? {
        try await connection.read { held in
            let text = String(decoding: held, as: UTF8.self)
            guard let range = text.range(of: end) else { return nil }
            let block = text[..<range.upperBound]
            held.removeFirst(block.utf8.count)
            return String(block)
        }
    }

    /// The head of a stream's response and the event with which it begins.
    private func expectBegin(_ connection: RawConnection) async throws -> String? {
        let head = try await block(connection, "\r\n\r\n")
        #expect(head?.hasPrefix("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n") == true)
        #expect(try await block(connection)?.hasPrefix("retry: ") == true)
        #expect(try await block(connection)?.hasPrefix("id: ") == true)
        return head
    }

    @Test("gives its events to whoever asks on a fresh connection, or on one that is kept alive")
    func events() async throws {
        try await FrontFixture.run { fixture in
            try await fixture.connect { reader in
                try await reader.send(post("/api/v1/topics", chat))
                #expect(try await response(reader)?.head.hasPrefix("HTTP/1.1 201 ") == true)
                try await reader.send("GET /events?topics=chat HTTP/1.1\r\nHost: x\r\n\r\n")
                _ = try await expectBegin(reader)
                try await fixture.connect { other in
                    try await other.send("GET /events HTTP/1.0\r\nHost: x\r\n\r\n")
                    _ = try await expectBegin(other)
                    try await fixture.connect { writer in
                        for number in 1...3 {
                            try await writer.send(post("/api/v1/topics/chat/messages", #"{"message":\#(number)}"#))
                            #expect(try await response(writer)?.head.hasPrefix("HTTP/1.1 201 ") == true)
                        }
                    }
                    for number in 1...3 {
                        let event = try await block(reader)
                        #expect(event?.hasPrefix(#"data: {"type":"event","topic":"chat""#) == true)
                        #expect(event?.contains(#""data":\#(number),"#) == true && event?.contains("\nid: ") == true)
                        let (data, same) = (event?.prefix { $0 != "\n" }, try await block(other)?.prefix { $0 != "\n" })
                        #expect(data == same)
                    }
                }
                let figures = await fixture.front.ports[0].figures()
                #expect(figures.counters.streams == 2 && figures.counters.upgraded == 0)
                #expect(figures.shard.delivered == 6 && figures.counters.encodings == 3)
            }
        }
    }

    @Test("is refused with the status that says why, and the connection goes on where it may")
    func refusals() async throws {
        try await FrontFixture.run { fixture in
            try await fixture.connect { connection in
                try await connection.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                #expect(try await response(connection)?.head.hasPrefix("HTTP/1.1 200 ") == true)
                try await connection.send("GET /events?topics=a,, HTTP/1.1\r\nHost: x\r\n\r\n")
                let malformed = try await response(connection)
                #expect(malformed?.head.hasPrefix("HTTP/1.1 400 ") == true)
                #expect(malformed?.body.contains("INVALID_MESSAGE") == true)
                try await connection.send("POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
                let post = try await response(connection)
                #expect(post?.head.hasPrefix("HTTP/1.1 405 ") == true && post?.head.contains("GET") == true)
                try await connection.send("GET /events?topics=none HTTP/1.1\r\nHost: x\r\n\r\n")
                let unknown = try await response(connection)
                #expect(unknown?.head.hasPrefix("HTTP/1.1 404 ") == true)
                #expect(unknown?.head.contains("Connection: close") == true)
                #expect(unknown?.body.contains("TOPIC_NOT_FOUND") == true)
                #expect(try await connection.rest() == "")
            }
        }
    }

    @Test("wants a token where one is needed, and names no origin that is not allowed")
    func tokens() async throws {
        try await FrontFixture.run(anonymous: nil) { fixture in
            try await fixture.connect { connection in
                try await connection.send("GET /events HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n\r\n")
                let answer = try await response(connection)
                #expect(answer?.head.hasPrefix("HTTP/1.1 401 ") == true)
                #expect(answer?.head.contains("Access-Control-Allow-Origin") == false)
            }
            let token = await fixture.token()
            for way in [
                ("?token=\(token)", ""), ("", "Authorization: Bearer \(token)\r\n"), ("", "Cookie: token=\(token)\r\n"),
            ] {
                try await fixture.connect { connection in
                    try await connection.send(
                        "GET /events\(way.0) HTTP/1.1\r\nHost: x\r\nOrigin: http://localhost:99\r\n\(way.1)\r\n")
                    let head = try await expectBegin(connection)
                    #expect(head?.contains("Access-Control-Allow-Origin: http://localhost:99\r\n") == true)
                    #expect(head?.contains("Allow-Credentials") == false)
                }
            }
        }
    }

    @Test("lives on by comments, and is told where to go when the node drains")
    func drain() async throws {
        var settings = FrontSettings()
        settings.pingInterval = .milliseconds(300)
        settings.pongTimeout = .seconds(60)
        try await FrontFixture.run(settings: settings) { fixture in
            try await fixture.connect { connection in
                try await connection.send("GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
                _ = try await expectBegin(connection)
                #expect(try await block(connection) == ":\n\n")
                await fixture.front.drain(within: .milliseconds(10), nodes: ["b:6336"])
                let rest = try await connection.rest().replacing(":\n\n", with: "")
                #expect(rest.hasPrefix("retry: ") && rest.contains(#"{"type":"drain""#) && rest.contains("b:6336"))
                #expect(rest.contains(#"{"type":"close","code":1012"#))
            }
        }
    }
}
