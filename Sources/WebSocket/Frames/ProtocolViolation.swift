/// How a peer broke RFC 6455 or RFC 7692, and so why the connection is to be closed.
package enum ProtocolViolation: Error, Equatable, Sendable, CustomStringConvertible {
    /// A reserved bit is set that no extension has given a meaning (§5.2).
    case reservedBits
    /// An opcode that the RFC reserves (§5.2).
    case reservedOpcode(UInt8)
    /// A client's frame without mask (§5.1).
    case unmasked
    /// A server's frame with a mask (§5.1).
    case masked
    /// A control frame in fragments (§5.5).
    case controlFragmented
    /// A control frame with more than 125 bytes (§5.5).
    case controlTooLong
    /// A length in more bytes than it needs, or beyond 63 bits (§5.2).
    case lengthNotMinimal
    /// A continuation while no message is open (§5.4).
    case continuationUnexpected
    /// A new message while another is open (§5.4).
    case continuationMissing
    /// A close frame with one byte, which can hold no code (§5.5.1).
    case closeTruncated
    /// A close frame with a code that may not be sent (§7.4).
    case closeCodeInvalid(UInt16)
    /// Text, or the reason of a close, that is not UTF-8 (§8.1).
    case textNotUTF8
    /// A message of more bytes than are taken here.
    case messageTooLarge(limit: Int)
    /// A compressed message that inflates to more bytes than are taken here.
    case inflatedTooLarge(limit: Int)
    /// A compressed message that cannot be inflated by itself (RFC 7692 §7.2.2).
    case compressedDataInvalid

    /// The code for the close frame that answers.
    package var code: CloseCode {
        switch self {
        case .reservedBits, .reservedOpcode, .unmasked, .masked, .controlFragmented, .controlTooLong, .lengthNotMinimal,
            .continuationUnexpected, .continuationMissing, .closeTruncated, .closeCodeInvalid:
            .protocolError
        case .textNotUTF8, .compressedDataInvalid: .invalidPayload
        case .messageTooLarge, .inflatedTooLarge: .messageTooBig
        }
    }

    /// A sentence for the close frame that answers, at most 123 bytes.
    package var reason: String {
        switch self {
        case .reservedBits: "a reserved bit is set here that no agreed extension has given a meaning"
        case .reservedOpcode(let opcode): "opcode \(opcode) is reserved"
        case .unmasked: "frames of a client must be masked"
        case .masked: "frames of a server must not be masked"
        case .controlFragmented: "a control frame must not be fragmented"
        case .controlTooLong: "a control frame holds at most 125 bytes"
        case .lengthNotMinimal: "a length must be written in the fewest bytes"
        case .continuationUnexpected: "a continuation came while no message was open"
        case .continuationMissing: "a new message came before the last fragment of the one before"
        case .closeTruncated: "a close frame holds no byte or at least two"
        case .closeCodeInvalid(let code): "close code \(code) must not be sent"
        case .textNotUTF8: "text must be UTF-8"
        case .messageTooLarge(let limit): "a message may have at most \(limit) bytes"
        case .inflatedTooLarge(let limit): "a message may have at most \(limit) bytes when it is inflated"
        case .compressedDataInvalid: "a compressed message must be deflate data that stands for itself"
        }
    }

    /// Whether what was compressed is the reason.
    package var isOfCompression: Bool {
        switch self {
        case .inflatedTooLarge, .compressedDataInvalid: true
        default: false
        }
    }

    /// The sentence with its close code.
    package var description: String { "\(reason) (close code \(code))" }
}
