import Model
import NIOCore
import Runtime
import Testing
import WebSocket

@Suite("A connection that is kept alive", .serialized)
struct KeptAliveTests {
    private let get = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

    /// The connection has become a WebSocket and works: handshake, session, ping.
    private func expectWebSocket(_ connection: RawConnection) async throws {
        let head = try await connection.read(head)
        #expect(head?.hasPrefix("HTTP/1.1 101 ") == true && head?.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") == true)
        #expect(try await next(connection)?.contains(#""type":"session""#) == true)
        try await say(connection, .ping, "here")
        #expect(try await next(connection) == "pong here")
    }

    private func expectOK(_ connection: RawConnection) async throws {
        let answer = try await response(connection)
        #expect(answer?.head.hasPrefix("HTTP/1.1 200 ") == true && answer?.body == "ok\n")
    }

    @Test("becomes a WebSocket by a later request, and nothing of HTTP is left")
    func later() async throws {
        try await FrontFixture.run { fixture in
            try await fixture.connect { connection in
                for _ in 1...3 {
                    try await connection.send(get)
                    try await expectOK(connection)
                }
                #expect(fixture.front.httpConnections == 1)
                try await connection.send(upgrade + "\r\n")
                try await expectWebSocket(connection)
                // The task that served HTTP ends on a thread of its own.
                let deadline = ContinuousClock.now + .seconds(30)
                while fixture.front.httpConnections > 0, ContinuousClock.now < deadline { await Task.yield() }
                #expect(fixture.front.httpConnections == 0)
                #expect(await fixture.front.ports[0].figures().connections == 1)
                #expect(await fixture.front.ports[0].figures().counters.upgraded == 1)
                try await say(connection, .close, [0x03, 0xE8])
                #expect(try await next(connection) == "close 1000")
                #expect(try await next(connection) == nil)
            }
        }
    }

    @Test("becomes a WebSocket after requests with bodies, of known length and in chunks")
    func bodies() async throws {
        try await FrontFixture.run { fixture in
            let json = #"{"name":"a"}"#
            let other = #"{"name":"b"}"#
            let path = "POST /api/v1/topics HTTP/1.1\r\nHost: x\r\n"
            try await fixture.connect { connection in
                try await connection.send(path + "Content-Length: \(json.utf8.count)\r\n\r\n" + json)
                #expect(try await response(connection)?.head.hasPrefix("HTTP/1.1 201 ") == true)
                try await connection.send(path + "Transfer-Encoding: chunked\r\n\r\n")
                try await connection.send("4;x=\"y\"\r\n\(other.prefix(4))\r\n8\r\n\(other.dropFirst(4))\r\n")
                try await connection.send("0\r\nDigest: none\r\n\r\n" + upgrade + "\r\n")
                #expect(try await response(connection)?.head.hasPrefix("HTTP/1.1 201 ") == true)
                try await expectWebSocket(connection)
            }
        }
    }

    @Test("answers pipelined requests in order before the upgrade behind them, and reads frames of the same write")
    func pipelined() async throws {
        try await FrontFixture.run { fixture in
            try await fixture.connect { connection in
                let frames = masked(.ping, Array("one".utf8)) + masked(.ping, Array("two".utf8))
                let missing = get.replacing("/healthz", with: "/nowhere")
                try await connection.send(Array((get + missing + get + upgrade + "\r\n").utf8) + frames)
                try await expectOK(connection)
                #expect(try await response(connection)?.head.hasPrefix("HTTP/1.1 404 ") == true)
                try await expectOK(connection)
                #expect(try await connection.read(head)?.hasPrefix("HTTP/1.1 101 ") == true)
                #expect(try await next(connection)?.contains(#""type":"session""#) == true)
                #expect(try await next(connection) == "pong one")
                #expect(try await next(connection) == "pong two")
            }
        }
    }

    @Test("may come byte by byte: a request with a body, an upgrade, and the frames")
    func byteByByte() async throws {
        try await FrontFixture.run { fixture in
            try await fixture.connect { connection in
                let post =
                    "POST /api/v1/topics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + "C\r\n{\"name\":\"a\"}\r\n0\r\n\r\n"
                let frame = masked(.ping, Array("slow".utf8))
                for byte in Array((get + post + upgrade + "\r\n").utf8) + frame { try await connection.send([byte]) }
                try await expectOK(connection)
                #expect(try await response(connection)?.head.hasPrefix("HTTP/1.1 201 ") == true)
                #expect(try await connection.read(head)?.hasPrefix("HTTP/1.1 101 ") == true)
                #expect(try await next(connection)?.contains(#""type":"session""#) == true)
                #expect(try await next(connection) == "pong slow")
            }
        }
    }

    @Test("goes on with HTTP after an upgrade was refused, and can then be upgraded")
    func refused() async throws {
        try await FrontFixture.run(anonymous: nil) { fixture in
            try await fixture.connect { connection in
                try await connection.send(get)
                try await expectOK(connection)
                for (request, status) in [
                    (upgrade.replacing("/live", with: "/live?token=nonsense"), "401"),
                    (upgrade.replacing("dGhlIHNhbXBsZSBub25jZQ==", with: "short"), "400"),
                    (upgrade.replacing("Version: 13", with: "Version: 8"), "426"),
                    (upgrade.replacing("/live", with: "/nowhere"), "404"),
                ] {
                    try await connection.send(request + "\r\n")
                    let answer = try await response(connection)
                    #expect(answer?.head.hasPrefix("HTTP/1.1 \(status) ") == true, "\(request): \(answer?.head ?? "")")
                    #expect(answer?.head.lowercased().contains("connection: close") == false)
                    try await connection.send(get)
                    try await expectOK(connection)
                }
                let token = await fixture.token()
                try await connection.send(upgrade + "Authorization: Bearer \(token)\r\n\r\n")
                try await expectWebSocket(connection)
                let refused = await fixture.front.ports[0].figures().counters.refused
                #expect(refused[.authentication] == 1 && refused[.handshake] == 2)
            }
        }
    }

    @Test("ends after a refusal that leaves in doubt where the next request begins")
    func refusedWithBody() async throws {
        try await FrontFixture.run { fixture in
            try await fixture.connect { connection in
                try await connection.send(get + upgrade + "Content-Length: 4\r\n\r\nbody" + get)
                try await expectOK(connection)
                let rest = try await connection.rest()
                #expect(rest.hasPrefix("HTTP/1.1 400 ") && rest.contains("Connection: close"))
                #expect(rest.ranges(of: "HTTP/1.1 ").count == 1)
            }
        }
    }

    @Test("takes nothing in a body for an upgrade, nor anything behind a request whose end is in doubt")
    func smuggled() async throws {
        let whole = upgrade + "\r\n"
        let post = "POST /nowhere HTTP/1.1\r\nHost: x\r\n"
        try await FrontFixture.run { fixture in
            try await fixture.connect { connection in
                try await connection.send(post + "Content-Length: \(whole.utf8.count)\r\n\r\n" + whole + get)
                #expect(try await response(connection)?.head.hasPrefix("HTTP/1.1 404 ") == true)
                try await expectOK(connection)
            }
            for doubtful in [
                "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
                "Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
                "Transfer-Encoding: gzip, chunked\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n0 \r\n\r\n",
                "Content-Length : 5\r\n\r\n",
            ] {
                try await fixture.connect { connection in
                    try await connection.send(post + doubtful + whole)
                    connection.finish()
                    #expect(try await !connection.rest().contains("HTTP/1.1 101 "), "\(doubtful)")
                }
            }
            #expect(await fixture.front.ports[0].figures().counters.upgraded == 0)
        }
    }

    @Test("is at its end after a request that says so, or is HTTP/1.0, whatever follows")
    func last() async throws {
        try await FrontFixture.run { fixture in
            for request in [
                get.replacing("Host: x", with: "Host: x\r\nConnection: close"),
                get.replacing("Host: x", with: "Host: x\r\nConnection: TE, Close"),
                get.replacing("HTTP/1.1", with: "HTTP/1.0"),
            ] {
                try await fixture.connect { connection in
                    try await connection.send(get + request + upgrade + "\r\n")
                    try await expectOK(connection)
                    let rest = try await connection.rest()
                    #expect(rest.hasPrefix("HTTP/1.1 200 ") && rest.hasSuffix("ok\n"), "\(request): \(rest)")
                }
            }
        }
    }

    @Test("answers what came before a client ended its half, and does not upgrade half a connection")
    func halfClosed() async throws {
        try await FrontFixture.run { fixture in
            try await fixture.connect { connection in
                try await connection.send(get + get)
                connection.finish()
                let rest = try await connection.rest()
                #expect(rest.ranges(of: "HTTP/1.1 200 ").count == 2 && rest.hasSuffix("ok\n"))
            }
        }
    }

    @Test("tells a client that waits with its body to send it, after the responses before")
    func continues() async throws {
        try await FrontFixture.run { fixture in
            try await fixture.connect { connection in
                let post =
                    "POST /api/v1/topics HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n"
                try await connection.send(get + post)
                try await expectOK(connection)
                #expect(try await connection.read(head) == "HTTP/1.1 100 Continue")
                try await connection.send(#"{"name":"a"}"#)
                #expect(try await response(connection)?.head.hasPrefix("HTTP/1.1 201 ") == true)
                try await connection.send(upgrade + "\r\n")
                try await expectWebSocket(connection)
            }
        }
    }
}
