/// Why a WebSocket connection is closed (RFC 6455 §7.4 and the registry of IANA).
package struct CloseCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The number as it stands in a close frame.
    package let rawValue: UInt16

    /// Any number is taken; ``maySend`` says which may stand in a frame.
    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// 1000: the purpose of the connection is fulfilled.
    package static let normal = CloseCode(rawValue: 1000)
    /// 1001: the server is going down, or the browser left the page.
    package static let goingAway = CloseCode(rawValue: 1001)
    /// 1002: the peer broke the protocol.
    package static let protocolError = CloseCode(rawValue: 1002)
    /// 1003: the peer sent a type of data that is not accepted here, such as binary to a text dialect.
    package static let unsupportedData = CloseCode(rawValue: 1003)
    /// 1005: stands for a close frame without code; never sent.
    package static let noStatus = CloseCode(rawValue: 1005)
    /// 1006: stands for a connection that ended without a close frame; never sent.
    package static let abnormal = CloseCode(rawValue: 1006)
    /// 1007: the content does not fit its type, such as text that is not UTF-8.
    package static let invalidPayload = CloseCode(rawValue: 1007)
    /// 1008: the message breaks a rule of the server.
    package static let policyViolation = CloseCode(rawValue: 1008)
    /// 1009: the message is larger than the receiver takes.
    package static let messageTooBig = CloseCode(rawValue: 1009)
    /// 1010: a client misses an extension that it needs.
    package static let mandatoryExtension = CloseCode(rawValue: 1010)
    /// 1011: the server met a condition that it did not expect.
    package static let internalError = CloseCode(rawValue: 1011)
    /// 1012: the service restarts; connect again after a delay.
    package static let serviceRestart = CloseCode(rawValue: 1012)
    /// 1013: the service is overloaded; try again later.
    package static let tryAgainLater = CloseCode(rawValue: 1013)

    /// Whether the code may stand in a close frame: 1000–1003, 1007–1014, and 3000–4999 for libraries and applications.
    package var maySend: Bool {
        switch rawValue {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }

    /// The number.
    package var description: String { "\(rawValue)" }
}
