/// What a close frame carries: nothing, or a code and a reason (RFC 6455 §5.5.1).
enum ClosePayload {
    /// Reads a payload, refusing codes that may not be sent and reasons that are not UTF-8.
    static func parse(_ payload: [UInt8]) throws(ProtocolViolation) -> MessageEvent {
        guard let first = payload.first else { return .close(code: nil, reason: "") }
        guard payload.count >= 2 else { throw .closeTruncated }
        let code = CloseCode(rawValue: UInt16(first) << 8 | UInt16(payload[1]))
        guard code.maySend else { throw .closeCodeInvalid(code.rawValue) }
        guard let reason = String(validating: payload[2...], as: UTF8.self) else { throw .textNotUTF8 }
        return .close(code: code, reason: reason)
    }
}
