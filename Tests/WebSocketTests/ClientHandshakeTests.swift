import Testing
import WebSocket

@Suite("A client's handshake")
struct ClientHandshakeTests {
    private func client(
        subprotocols: [String] = [], headers: [(name: String, value: String)] = []
    ) throws -> ClientHandshake {
        try ClientHandshake(
            host: "node.example:7336", target: "/v1?x=1",
            nonce: (high: 0x7468_6520_7361_6D70, low: 0x6C65_206E_6F6E_6365),
            subprotocols: subprotocols, headers: headers)
    }

    private func verify(_ client: ClientHandshake, _ text: String) throws(ClientHandshake.Failure) -> ClientHandshake
        .Agreement?
    {
        try Array(text.utf8).withUnsafeBufferPointer { (buffer) throws(ClientHandshake.Failure) in
            try client.verify(UnsafeRawBufferPointer(buffer))
        }
    }

    private let accepted = [
        "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "", "",
    ].joined(separator: "\r\n")

    @Test("is understood by our server, and understands its answer")
    func roundTrip() throws {
        let client = try client(subprotocols: ["a", "b"], headers: [(name: "Authorization", value: "Bearer x.y.z")])
        let (head, consumed) = try #require(try head(String(decoding: client.request, as: UTF8.self)))
        #expect(consumed == client.request.count)
        #expect(head.target == "/v1?x=1")
        #expect(head.fields["Host"] == "node.example:7336")
        #expect(head.fields["Authorization"] == "Bearer x.y.z")
        #expect(head.fields["Sec-WebSocket-Key"] == "dGhlIHNhbXBsZSBub25jZQ==")
        let acceptance = try Handshake.accept(head, subprotocols: ["b"]).get()
        let text = String(decoding: acceptance.response, as: UTF8.self)
        let agreement = try #require(try verify(client, text + "\u{1}frames"))
        #expect(agreement.subprotocol == "b")
        #expect(agreement.consumed == acceptance.response.count)
    }

    @Test("waits for the whole answer")
    func waits() throws {
        let client = try client()
        #expect(try verify(client, String(accepted.dropLast())) == nil)
        #expect(try verify(client, accepted)?.consumed == accepted.utf8.count)
    }

    @Test("refuses an answer that agrees to something else")
    func refuses() throws {
        let client = try client(subprotocols: ["a"])
        func check(_ old: String, _ new: String, _ failure: ClientHandshake.Failure) {
            let parts = accepted.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false)
            #expect(throws: failure) { try verify(client, parts.joined(separator: new)) }
        }
        check("101 Switching Protocols", "401 Unauthorized", .refused(status: 401))
        check("HTTP/1.1", "SPDY/1", .responseInvalid(.startLineInvalid))
        check("s3p", "s3q", .acceptWrong)
        check("Upgrade: websocket", "Upgrade: h2c", .acceptWrong)
        check("Connection: Upgrade", "Connection: close", .acceptWrong)
        check("\r\n\r\n", "\r\nSec-WebSocket-Protocol: z\r\n\r\n", .notOffered("z"))
        check("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", .notOffered("permessage-deflate"))
        check("Upgrade:", "Up grade:", .responseInvalid(.fieldInvalid(line: 1)))
    }

    @Test("refuses to ask with what would end its line")
    func injection() {
        #expect(throws: ClientHandshake.Failure.requestInvalid(part: "the header Authorization")) {
            try client(headers: [(name: "Authorization", value: "x\r\nEvil: y")])
        }
        #expect(throws: ClientHandshake.Failure.requestInvalid(part: "the target")) {
            try ClientHandshake(host: "a", target: "/a b", nonce: (high: 1, low: 2))
        }
    }
}
