import WebSocket

/// A request to become a WebSocket, without the empty line.
let upgrade = """
    GET /live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n
    """

/// Takes a head off the front of bytes; nil while it is not complete.
func head(_ bytes: inout [UInt8]) -> String? {
    let text = String(decoding: bytes, as: UTF8.self)
    guard let end = bytes.indices.first(where: { bytes[$0...].starts(with: Array("\r\n\r\n".utf8)) }) else {
        return nil
    }
    bytes.removeFirst(end + 4)
    return String(text.prefix(end))
}

/// The next response of a connection: its status line, and its body where it says how long that is.
func response(_ connection: RawConnection) async throws -> (head: String, body: String)? {
    guard let head = try await connection.read(head) else { return nil }
    let length = head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
    let count = length.flatMap { Int($0.dropFirst("content-length:".count).drop { $0 == " " }) } ?? 0
    let body = try await connection.read { bytes -> [UInt8]? in
        guard bytes.count >= count else { return nil }
        defer { bytes.removeFirst(count) }
        return Array(bytes.prefix(count))
    }
    return body.map { (head, String(decoding: $0, as: UTF8.self)) }
}

/// The next frame of a client: its text, or `close CODE`; nil at the connection's end.
func next(_ connection: RawConnection) async throws -> String? {
    try await connection.read { bytes in
        guard bytes.count >= 2 else { return nil }
        var (start, length) = (2, Int(bytes[1]))
        if length == 126 {
            guard bytes.count >= 4 else { return nil }
            (start, length) = (4, Int(bytes[2]) << 8 | Int(bytes[3]))
        }
        guard bytes.count >= start + length else { return nil }
        let opcode = bytes[0]
        let payload = bytes[start..<start + length]
        bytes.removeFirst(start + length)
        switch opcode {
        case 0x88: return "close \(Int(payload.first!) << 8 | Int(payload.dropFirst().first!))"
        case 0x8A: return "pong \(String(decoding: payload, as: UTF8.self))"
        case 0x89: return "ping"
        case 0x82: return "binary \(String(decoding: payload, as: UTF8.self))"
        default: return String(decoding: payload, as: UTF8.self)
        }
    }
}

func say(_ connection: RawConnection, _ opcode: Opcode, _ text: String) async throws {
    try await say(connection, opcode, Array(text.utf8))
}

func say(_ connection: RawConnection, _ opcode: Opcode, _ payload: [UInt8]) async throws {
    try await connection.send(masked(opcode, payload))
}

/// A client's frame.
func masked(_ opcode: Opcode, _ payload: [UInt8]) -> [UInt8] {
    var frame: [UInt8] = []
    FrameEncoder.frame(opcode, payload[...], mask: MaskingKey((1, 2, 3, 4)), into: &frame)
    return frame
}
