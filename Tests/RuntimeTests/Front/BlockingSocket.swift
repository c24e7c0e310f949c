import Glibc
import Model
import WebSocket

/// A client's socket of the system itself, with a receive buffer as small as wanted; used by one thread.
final class BlockingSocket {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let descriptor: CInt
    private var held: [UInt8] = []

    /// Connects and shakes hands at `/live`.
    init(port: UInt16, receiveBuffer: CInt? = nil) throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(description: "socket: \(errno)") }
        if var size = receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<CInt>.size))
        }
        // Generous: it bounds a hang.
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw Failure(description: "connect: \(errno)") }
        try send(
            Array(
                ("GET /live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").utf8))
        while !held.suffix(4).elementsEqual(Array("\r\n\r\n".utf8)) { held.append(try bytes(1)[0]) }
        held = []
    }

    deinit { close(descriptor) }

    /// Ends the connection with a reset, at once.
    func reset() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
        shutdown(descriptor, CInt(SHUT_RDWR))
    }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress! + sent, $0.count - sent, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(description: "send: \(errno)") }
            sent += count
        }
    }

    func say(_ opcode: Opcode, _ payload: String) throws {
        var frame: [UInt8] = []
        FrameEncoder.frame(opcode, Array(payload.utf8)[...], mask: MaskingKey((1, 2, 3, 4)), into: &frame)
        try send(frame)
    }

    /// The next bytes, read in pieces of at most `piece`.
    func bytes(_ count: Int, piece: () -> Int = { 65_536 }) throws -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count)
        while result.count < count {
            var buffer = [UInt8](repeating: 0, count: max(1, min(piece(), count - result.count)))
            let read = recv(descriptor, &buffer, buffer.count, 0)
            guard read > 0 else { throw Failure(description: read == 0 ? "ended" : "recv: \(errno)") }
            result.append(contentsOf: buffer[..<read])
        }
        return result
    }

    /// The next frame, which must be a whole, unmasked one.
    func frame(piece: () -> Int = { 65_536 }) throws -> (opcode: UInt8, payload: [UInt8]) {
        let head = try bytes(2)
        guard head[0] & 0xF0 == 0x80, head[1] & 0x80 == 0 else {
            throw Failure(description: "no frame begins with \(head)")
        }
        var length = Int(head[1])
        if length == 126 { length = try bytes(2).reduce(0) { $0 << 8 | Int($1) } }
        if length == 127 { length = try bytes(8).reduce(0) { $0 << 8 | Int($1) } }
        guard length <= 1 << 21 else { throw Failure(description: "no frame has \(length) bytes") }
        return (head[0] & 0x0F, try bytes(length, piece: piece))
    }

    /// The next frame as text.
    func text(piece: () -> Int = { 65_536 }) throws -> String {
        String(decoding: try frame(piece: piece).payload, as: UTF8.self)
    }
}
