/// What a frame carries (RFC 6455 §5.2); the other values are reserved.
package enum Opcode: UInt8, Sendable {
    /// A further fragment of the open message.
    case continuation = 0x0
    /// A text message, or its first fragment.
    case text = 0x1
    /// A binary message, or its first fragment.
    case binary = 0x2
    /// The end of the connection.
    case close = 0x8
    /// A question whether the peer is there.
    case ping = 0x9
    /// The answer to a ping.
    case pong = 0xA

    /// Whether frames of it stand alone and may come between the fragments of a message (RFC 6455 §5.5).
    package var isControl: Bool { rawValue & 0x8 != 0 }
}
