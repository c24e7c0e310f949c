/// The server's side of the opening handshake (RFC 6455 §4.2).
package enum Handshake {
    /// The answer to a request that becomes a WebSocket.
    package struct Acceptance: Equatable, Sendable {
        /// The complete 101 response.
        package let response: [UInt8]
        /// The agreed subprotocol; nil when the client offered none that is spoken.
        package let subprotocol: String?
        /// What was agreed about compression; nil for none.
        package let deflate: DeflateAgreement?
    }

    /// Decides whether a request becomes a WebSocket.
    ///
    /// - Parameters:
    ///   - subprotocols: those that are spoken here; the first of the client's list among them is agreed.
    ///     When none is, the handshake goes on without (RFC 6455 §4.2.2).
    ///   - compresses: whether permessage-deflate is agreed to where it is offered in a way that can be kept.
    package static func accept(
        _ head: RequestHead, subprotocols: [String] = [], compresses: Bool = false
    ) -> Result<Acceptance, HandshakeRefusal> {
        if let refusal = refusal(of: head) { return .failure(refusal) }
        guard let key = head.fields["Sec-WebSocket-Key"] else { return .failure(.keyInvalid) }
        let offers: [ExtensionOffer]
        do throws(ExtensionOffer.Malformed) {
            offers = try ExtensionOffer.parse(head.fields.all("Sec-WebSocket-Extensions"))
        } catch {
            return .failure(.extensionsInvalid)
        }
        let deflate = compresses ? DeflateAgreement.first(of: offers) : nil
        let agreed = head.fields.list("Sec-WebSocket-Protocol").first(where: subprotocols.contains)
        var lines = [
            "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
            "Sec-WebSocket-Accept: \(HandshakeKey.accept(key))",
        ]
        if let agreed { lines.append("Sec-WebSocket-Protocol: \(agreed)") }
        if let deflate { lines.append("Sec-WebSocket-Extensions: \(deflate.response)") }
        let response = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        return .success(Acceptance(response: response, subprotocol: agreed, deflate: deflate))
    }

    private static func refusal(of head: RequestHead) -> HandshakeRefusal? {
        let fields = head.fields
        guard head.method == "GET" else { return .methodNotGet }
        guard head.version == "HTTP/1.1" else { return .versionTooOld }
        guard fields.all("Host").count == 1 else { return .hostMissing }
        guard head.asksForWebSocket else { return .upgradeMissing }
        guard fields.list("Connection", contains: "Upgrade") else { return .connectionMissing }
        guard fields.all("Sec-WebSocket-Version") == ["13"] else { return .protocolVersionUnsupported }
        let keys = fields.all("Sec-WebSocket-Key")
        guard keys.count == 1, HandshakeKey.isValid(keys[0]) else { return .keyInvalid }
        let lengths = fields.all("Content-Length")
        guard fields["Transfer-Encoding"] == nil, lengths.allSatisfy({ $0 == "0" }) else { return .bodyUnexpected }
        return nil
    }
}
