/// What a peer said, put together from its frames.
package enum MessageEvent: Equatable, Sendable {
    /// A text message; the bytes are UTF-8.
    case text([UInt8])
    /// A binary message.
    case binary([UInt8])
    /// A ping, to be answered by a pong with the same payload of at most 125 bytes.
    case ping([UInt8])
    /// A pong, asked for or not.
    case pong([UInt8])
    /// The peer closes, with a code that may be sent, or with none; nothing comes after it.
    case close(code: CloseCode?, reason: String)

    /// The bytes of a data message; 0 for the rest.
    var dataCount: Int {
        switch self {
        case .text(let payload), .binary(let payload): payload.count
        case .ping, .pong, .close: 0
        }
    }
}
