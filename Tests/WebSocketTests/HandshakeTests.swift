import Testing
import WebSocket

@Suite("A handshake")
struct HandshakeTests {
    private let lines = [
        "GET /chat HTTP/1.1", "Host: server.example.com", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: chat, superchat",
        "Sec-WebSocket-Version: 13",
    ]

    private func answer(
        _ lines: [String], subprotocols: [String] = []
    ) throws -> Result<Handshake.Acceptance, HandshakeRefusal> {
        let head = try #require(try head(lines.joined(separator: "\r\n") + "\r\n\r\n")).head
        return Handshake.accept(head, subprotocols: subprotocols)
    }

    private func refusal(_ changes: [Int: String]) throws -> HandshakeRefusal? {
        let changed = lines.indices.map { changes[$0] ?? lines[$0] }.filter { !$0.isEmpty }
        guard case .failure(let refusal) = try answer(changed) else { return nil }
        return refusal
    }

    @Test("answers the sample of RFC 6455 §1.3")
    func sample() throws {
        let acceptance = try answer(lines, subprotocols: ["superchat", "chat"]).get()
        let text = String(decoding: acceptance.response, as: UTF8.self)
        #expect(text.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
        #expect(text.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"))
        #expect(text.hasSuffix("\r\nSec-WebSocket-Protocol: chat\r\n\r\n"), "the client's order decides")
        #expect(acceptance.subprotocol == "chat")
    }

    @Test("goes on without a subprotocol when none is spoken")
    func noSubprotocol() throws {
        let acceptance = try answer(lines, subprotocols: ["other"]).get()
        #expect(acceptance.subprotocol == nil)
        #expect(!String(decoding: acceptance.response, as: UTF8.self).contains("Sec-WebSocket-Protocol"))
    }

    @Test("is refused for each thing that is missing or wrong")
    func refusals() throws {
        #expect(try refusal([:]) == nil)
        #expect(try refusal([3: "Connection: keep-alive, upgrade"]) == nil)
        #expect(try refusal([0: "POST /chat HTTP/1.1"]) == .methodNotGet)
        #expect(try refusal([0: "GET /chat HTTP/1.0"]) == .versionTooOld)
        #expect(try refusal([1: ""]) == .hostMissing)
        #expect(try refusal([2: "Upgrade: h2c"]) == .upgradeMissing)
        #expect(try refusal([3: "Connection: close"]) == .connectionMissing)
        #expect(try refusal([6: ""]) == .protocolVersionUnsupported)
        #expect(try refusal([6: "Sec-WebSocket-Version: 8"]) == .protocolVersionUnsupported)
        #expect(try refusal([4: ""]) == .keyInvalid)
        for key in ["", "AAAA", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQAA", "dGhlIHNhbXBsZSBub25*ZQ=="] {
            #expect(try refusal([4: "Sec-WebSocket-Key: \(key)"]) == .keyInvalid)
        }
        #expect(try refusal([5: lines[4]]) == .keyInvalid, "the key twice")
        #expect(try refusal([5: "Content-Length: 4"]) == .bodyUnexpected)
        #expect(try refusal([5: "Content-Length: 0"]) == nil)
        #expect(try refusal([5: "Transfer-Encoding: chunked"]) == .bodyUnexpected)
        #expect(try refusal([5: "Sec-WebSocket-Extensions: a; ="]) == .extensionsInvalid)
    }

    @Test("is refused with a complete response")
    func refusalResponse() {
        let text = String(decoding: HandshakeRefusal.protocolVersionUnsupported.response(), as: UTF8.self)
        #expect(text.hasPrefix("HTTP/1.1 426 Upgrade Required\r\n"))
        #expect(text.contains("\r\nSec-WebSocket-Version: 13\r\n"))
        #expect(text.contains("\r\nConnection: close"))
        let body = "Only WebSocket version 13 is spoken here.\n"
        #expect(text.hasSuffix("\r\n\r\n" + body))
        #expect(text.contains("\r\nContent-Length: \(body.utf8.count)\r\n"))
        #expect(
            String(decoding: HandshakeRefusal.keyInvalid.response(), as: UTF8.self).hasPrefix(
                "HTTP/1.1 400 Bad Request\r\n"))
    }
}
