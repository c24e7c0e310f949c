/// The head of an HTTP/1 request, read so far as it takes to see whether it asks for a WebSocket.
package struct RequestHead: Equatable, Sendable {
    /// The bytes that a head may have: 16 KiB.
    package static let defaultLimit = 16_384

    /// `GET`, as it was written.
    package let method: String
    /// Path and query, as they were written.
    package let target: String
    /// `HTTP/1.1`, as it was written.
    package let version: String
    /// The header lines.
    package let fields: HeaderFields

    /// Reads a head from the first bytes of a connection.
    ///
    /// - Parameter limit: the most bytes that the head may have, its empty line included.
    /// - Returns: the head and how many bytes it had; nil while bytes are missing.
    package static func parse(
        _ bytes: UnsafeRawBufferPointer, limit: Int = defaultLimit
    ) throws(HeadError) -> (head: RequestHead, consumed: Int)? {
        guard let lines = try HeadLines.parse(bytes, limit: limit) else { return nil }
        let words = lines.start.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard words.count == 3, !words[0].isEmpty, words[0].utf8.allSatisfy(isToken), !words[1].isEmpty,
            words[2] == "HTTP/1.1" || words[2] == "HTTP/1.0"
        else { throw .startLineInvalid }
        let head = RequestHead(method: words[0], target: words[1], version: words[2], fields: lines.fields)
        return (head, lines.count)
    }

    /// Whether the request names `websocket` among the protocols to which it would change.
    package var asksForWebSocket: Bool { fields.list("Upgrade", contains: "websocket") }

    /// Whether the connection may carry another request after this one (RFC 9112 §9.3).
    package var isPersistent: Bool {
        version == "HTTP/1.1"
            ? !fields.list("Connection", contains: "close") : fields.list("Connection", contains: "keep-alive")
    }

    /// Whether something follows the head that belongs to the request (RFC 9112 §6).
    package var announcesBody: Bool {
        !fields.all("Transfer-Encoding").isEmpty || fields.all("Content-Length").contains { $0 != "0" }
    }

    /// Whether the client waits to be told to send the body (RFC 9110 §10.1.1).
    package var expectsContinue: Bool {
        version == "HTTP/1.1" && fields.list("Expect", contains: "100-continue")
    }

    /// The same head without its `Upgrade` lines, which a server may pass over (RFC 9110 §7.8), as bytes; nil where it has
    /// none.
    package var bytesWithoutUpgrade: [UInt8]? {
        guard fields["Upgrade"] != nil else { return nil }
        var text = "\(method) \(target) \(version)\r\n"
        for field in fields.fields where !isEqualIgnoringCase(field.name, "Upgrade") {
            text += "\(field.name): \(field.value)\r\n"
        }
        return Array((text + "\r\n").utf8)
    }

    /// The target before the `?`, as it was written.
    package var path: String { String(target.prefix { $0 != "?" }) }

    /// The path with `%` sequences resolved; nil when one is malformed or the result is not UTF-8.
    package var decodedPath: String? { percentDecoded(path.utf8, plusIsSpace: false) }

    /// The value of the first query item with that name, `%` sequences and `+` resolved; empty for an item without `=`.
    ///
    /// Nil when there is none, or its value is malformed or not UTF-8.
    package func queryItem(_ name: String) -> String? {
        guard let mark = target.utf8.firstIndex(of: UInt8(ascii: "?")) else { return nil }
        for item in target.utf8[target.utf8.index(after: mark)...].split(separator: UInt8(ascii: "&")) {
            let key = item.prefix { $0 != UInt8(ascii: "=") }
            guard percentDecoded(key, plusIsSpace: true) == name else { continue }
            return percentDecoded(item[key.endIndex...].dropFirst(), plusIsSpace: true)
        }
        return nil
    }
}

/// Text with its `%` sequences resolved (RFC 3986 §2.1), and `+` read as a space where forms write it so; nil when
/// malformed.
func percentDecoded(_ text: some Sequence<UInt8>, plusIsSpace: Bool) -> String? {
    var decoded: [UInt8] = []
    var rest = text.makeIterator()
    while let byte = rest.next() {
        if byte == UInt8(ascii: "%") {
            guard let high = rest.next().flatMap(hexadecimalDigit), let low = rest.next().flatMap(hexadecimalDigit)
            else {
                return nil
            }
            decoded.append(high << 4 | low)
        } else {
            decoded.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
        }
    }
    return String(validating: decoded, as: UTF8.self)
}

/// The value of a hexadecimal digit; nil for another byte.
func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x37
    case 0x61...0x66: byte - 0x57
    default: nil
    }
}
