/// The client's side of the opening handshake (RFC 6455 §4.1).
package struct ClientHandshake: Sendable {
    /// Why a client cannot ask, or was not given, a WebSocket.
    package enum Failure: Error, Equatable, Sendable, CustomStringConvertible {
        /// A part of the request holds a byte that would end its line, or a space where none may be.
        case requestInvalid(part: String)
        /// The response is not HTTP/1.
        case responseInvalid(HeadError)
        /// The server answers with another status than 101.
        case refused(status: Int)
        /// The response does not prove that the server read the request.
        case acceptWrong
        /// The server names a subprotocol or an extension for which nobody asked.
        case notOffered(String)

        /// A phrase for the user of a client.
        package var description: String {
            switch self {
            case .requestInvalid(let part): "\(part) holds a character that a request cannot carry"
            case .responseInvalid(let error): "the server's answer is not HTTP: \(error)"
            case .refused(let status): "the server answered \(status) instead of 101"
            case .acceptWrong: "the server's answer does not fit the WebSocket handshake"
            case .notOffered(let name): "the server chose \(name), which was not offered"
            }
        }
    }

    /// What a server agreed to.
    package struct Agreement: Equatable, Sendable {
        /// One of those offered; nil for none.
        package let subprotocol: String?
        /// How many bytes the response had; frames follow.
        package let consumed: Int
    }

    /// The complete request.
    package let request: [UInt8]
    private let key: String
    private let subprotocols: [String]

    /// - Parameters:
    ///   - host: the value of `Host`, with a port where it is not the scheme's own.
    ///   - target: path and query, percent-encoded.
    ///   - nonce: 16 random bytes, drawn anew for each handshake.
    ///   - subprotocols: what is offered, the most wanted first.
    ///   - headers: further lines such as `Authorization`.
    package init(
        host: String, target: String, nonce: (high: UInt64, low: UInt64), subprotocols: [String] = [],
        headers: [(name: String, value: String)] = []
    ) throws(Failure) {
        let bytes = [nonce.high, nonce.low].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
        }
        key = HandshakeKey.base64(bytes)
        self.subprotocols = subprotocols
        guard !target.isEmpty, target.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .requestInvalid(part: "the target")
        }
        var fields = [
            ("Host", host), ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", key),
            ("Sec-WebSocket-Version", "13"),
        ]
        if !subprotocols.isEmpty { fields.append(("Sec-WebSocket-Protocol", subprotocols.joined(separator: ", "))) }
        var text = "GET \(target) HTTP/1.1\r\n"
        for (name, value) in fields + headers {
            guard !name.isEmpty, name.utf8.allSatisfy(isToken), value.utf8.allSatisfy(isFieldContent) else {
                throw .requestInvalid(part: "the header \(name)")
            }
            text += "\(name): \(value)\r\n"
        }
        request = Array((text + "\r\n").utf8)
    }

    /// Checks the server's response.
    ///
    /// - Returns: what was agreed; nil while bytes are missing.
    package func verify(
        _ bytes: UnsafeRawBufferPointer, limit: Int = RequestHead.defaultLimit
    ) throws(Failure) -> Agreement? {
        let parsed: HeadLines?
        do throws(HeadError) {
            parsed = try HeadLines.parse(bytes, limit: limit)
        } catch {
            throw .responseInvalid(error)
        }
        guard let lines = parsed else { return nil }
        let words = lines.start.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard words.count >= 2, words[0] == "HTTP/1.1", words[1].utf8.count == 3, let status = Int(words[1]) else {
            throw .responseInvalid(.startLineInvalid)
        }
        guard status == 101 else { throw .refused(status: status) }
        let fields = lines.fields
        guard fields.list("Upgrade", contains: "websocket"), fields.list("Connection", contains: "Upgrade"),
            fields.all("Sec-WebSocket-Accept") == [HandshakeKey.accept(key)]
        else { throw .acceptWrong }
        let subprotocol = fields["Sec-WebSocket-Protocol"]
        if let subprotocol, !subprotocols.contains(subprotocol) { throw .notOffered(subprotocol) }
        if let offered = fields["Sec-WebSocket-Extensions"] { throw .notOffered(offered) }
        return Agreement(subprotocol: subprotocol, consumed: lines.count)
    }
}
