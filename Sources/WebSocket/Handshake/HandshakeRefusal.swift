/// Why a request does not become a WebSocket, with the response that says so.
package enum HandshakeRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    /// The method is not GET.
    case methodNotGet
    /// The request is HTTP/1.0.
    case versionTooOld
    /// No `Host` line, or several.
    case hostMissing
    /// `Upgrade` does not name `websocket`.
    case upgradeMissing
    /// `Connection` does not name `Upgrade`.
    case connectionMissing
    /// `Sec-WebSocket-Version` is not 13.
    case protocolVersionUnsupported
    /// `Sec-WebSocket-Key` is missing, repeated, or not the base64 of 16 bytes.
    case keyInvalid
    /// `Sec-WebSocket-Extensions` does not have the form of RFC 6455 §9.1.
    case extensionsInvalid
    /// The request announces a body, which would be read as frames.
    case bodyUnexpected

    /// The status line's number and phrase.
    package var status: (code: Int, phrase: String) {
        switch self {
        case .methodNotGet: (405, "Method Not Allowed")
        case .upgradeMissing, .protocolVersionUnsupported: (426, "Upgrade Required")
        case .versionTooOld, .hostMissing, .connectionMissing, .keyInvalid, .extensionsInvalid, .bodyUnexpected:
            (400, "Bad Request")
        }
    }

    /// A sentence for the client, which is the response's body.
    package var description: String {
        switch self {
        case .methodNotGet: "A WebSocket handshake must be a GET request."
        case .versionTooOld: "A WebSocket handshake must be HTTP/1.1."
        case .hostMissing: "A WebSocket handshake must have one Host header."
        case .upgradeMissing: "This address speaks WebSocket: send the header Upgrade: websocket."
        case .connectionMissing: "A WebSocket handshake must have the header Connection: Upgrade."
        case .protocolVersionUnsupported: "Only WebSocket version 13 is spoken here."
        case .keyInvalid: "A WebSocket handshake must have one Sec-WebSocket-Key header, the base64 of 16 bytes."
        case .extensionsInvalid:
            "Sec-WebSocket-Extensions must be a list of names with parameters, such as permessage-deflate; name=value."
        case .bodyUnexpected: "A WebSocket handshake must not have a body."
        }
    }

    /// The complete response.
    ///
    /// - Parameter closing: whether it says that the connection is closed after it.
    package func response(closing: Bool = true) -> [UInt8] {
        var lines = ["HTTP/1.1 \(status.code) \(status.phrase)"]
        switch self {
        case .methodNotGet: lines.append("Allow: GET")
        case .upgradeMissing: lines.append("Upgrade: websocket")
        case .protocolVersionUnsupported: lines += ["Upgrade: websocket", "Sec-WebSocket-Version: 13"]
        case .versionTooOld, .hostMissing, .connectionMissing, .keyInvalid, .extensionsInvalid, .bodyUnexpected: break
        }
        let options = (closing ? ["close"] : []) + (status.code == 426 ? ["Upgrade"] : [])
        if !options.isEmpty { lines.append("Connection: \(options.joined(separator: ", "))") }
        lines += [
            "Content-Type: text/plain; charset=utf-8", "Content-Length: \(description.utf8.count + 1)",
            "", "\(description)\n",
        ]
        return Array(lines.joined(separator: "\r\n").utf8)
    }
}
