import NIOCore
import Synchronization
import WebSocket

/// A WebSocket to `/live` of one node. Texts go out by `send`; pings are answered while texts are read.
struct LiveConnection: Sendable {
    private let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>

    /// How the node ended the conversation.
    struct Ended: Error {
        let code: CloseCode?
        let reason: String
    }

    /// Attaches to a node, hands each text to `receive` in its order until that says stop, and detaches.
    ///
    /// - Parameters:
    ///   - begin: runs beside the reading, once attached.
    ///   - receive: whether to go on reading.
    /// - Throws: `Ended` when the node closes, `CommandFailure` when it cannot be reached or refuses.
    static func run(
        _ address: ServerAddress, token: String?, begin: @escaping @Sendable (LiveConnection) async throws -> Void,
        receive: (LiveConnection, [UInt8]) async throws -> Bool
    ) async throws {
        let channel = try await dial(address) { channel in
            try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
        }
        let handshake = try ClientHandshake(
            host: "\(address.endpoint)", target: "/live",
            nonce: (.random(in: 0...UInt64.max), .random(in: 0...UInt64.max)),
            headers: token.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? [])
        try await channel.executeThenClose { inbound, outbound in
            let connection = LiveConnection(outbound: outbound)
            try await outbound.write(ByteBuffer(bytes: handshake.request))
            var iterator = inbound.makeAsyncIterator()
            var bytes = try await agree(handshake, &iterator, address)
            let trouble = Trouble()
            let beginning = Task {
                do {
                    try await begin(connection)
                } catch {
                    trouble.error.withLock { $0 = error }
                    // The node answers the close, and that ends the reading.
                    try await connection.close()
                }
            }
            defer { beginning.cancel() }
            var assembler = MessageAssembler(role: .client, messageLimit: messageLimit)
            while true {
                var events: [MessageEvent] = []
                try bytes.withUnsafeBytes { try assembler.receive($0, into: &events) }
                for event in events {
                    if let error = trouble.error.withLock({ $0 }) { throw error }
                    guard try await connection.handle(event, receive) else {
                        return try await connection.close()
                    }
                }
                guard let next = try await iterator.next() else {
                    throw trouble.error.withLock { $0 } ?? Ended(code: nil, reason: "the connection ended")
                }
                bytes = Array(next.readableBytesView)
            }
        }
    }

    /// The most bytes of a text from a node: 64 MiB, more than any answer has.
    private static let messageLimit = 64 << 20

    /// Reads the response of the handshake; gives the bytes after it.
    private static func agree(
        _ handshake: ClientHandshake, _ iterator: inout NIOAsyncChannelInboundStream<ByteBuffer>.AsyncIterator,
        _ address: ServerAddress
    ) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while let part = try await iterator.next() {
            bytes.append(contentsOf: part.readableBytesView)
            do {
                if let agreement = try bytes.withUnsafeBytes({ try handshake.verify($0) }) {
                    return Array(bytes.dropFirst(agreement.consumed))
                }
            } catch ClientHandshake.Failure.refused(let status) {
                throw refusal(status, bytes)
            }
        }
        throw CommandFailure.unreachable("\(address): the connection ended during the handshake")
    }

    private static func refusal(_ status: Int, _ bytes: [UInt8]) -> CommandFailure {
        switch status {
        case 401: .refused(code: "AUTH_REQUIRED", message: "the node wants a token that it accepts")
        case 403: .refused(code: "PERMISSION_DENIED", message: "this token may not attach")
        case 503: .unreachable("the node takes no more connections")
        default: .broken("the node answered \(status) instead of a WebSocket")
        }
    }

    private func handle(
        _ event: MessageEvent, _ receive: (LiveConnection, [UInt8]) async throws -> Bool
    ) async throws -> Bool {
        switch event {
        case .text(let text): return try await receive(self, text)
        case .binary, .pong: return true
        case .ping(let payload):
            var frame: [UInt8] = []
            FrameEncoder.pong(payload, mask: mask, into: &frame)
            try await outbound.write(ByteBuffer(bytes: frame))
            return true
        case .close(let code, let reason): throw Ended(code: code, reason: reason)
        }
    }

    /// Sends one text.
    func send(_ text: [UInt8]) async throws {
        var frame: [UInt8] = []
        FrameEncoder.text(text, mask: mask, into: &frame)
        try await outbound.write(ByteBuffer(bytes: frame))
    }

    private func close() async throws {
        var frame: [UInt8] = []
        FrameEncoder.close(.normal, mask: mask, into: &frame)
        try await outbound.write(ByteBuffer(bytes: frame))
    }

    /// Drawn anew for each frame (RFC 6455 §5.3).
    private var mask: MaskingKey { MaskingKey(word: .random(in: 0...UInt32.max)) }
}

/// Why a client that sends could not go on, for the one who reads.
private final class Trouble: Sendable {
    let error = Mutex<(any Error)?>(nil)
}
