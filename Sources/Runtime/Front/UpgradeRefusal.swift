import Broker
import JSON

/// Responses to upgrades and streams that are refused.
enum UpgradeRefusal {
    /// The complete response to a refusal, with the envelope that REST has.
    ///
    /// - Parameters:
    ///   - closing: whether it says that the connection is closed after it.
    ///   - delay: after how long the client may try again; rounded up to whole seconds.
    ///   - fields: more header lines.
    static func response(
        to refusal: Refusal, closing: Bool, retryAfter delay: Duration = pause, fields: [String] = []
    ) -> [UInt8] {
        let status = refusal.status
        let body = refusal.envelope
        var lines = [
            "HTTP/1.1 \(status.code) \(status.phrase)", "Content-Type: application/json",
            "Content-Length: \(body.count)",
        ]
        if closing { lines.append("Connection: close") }
        if status.code == 401 { lines.append("WWW-Authenticate: Bearer") }
        if status.code == 503 { lines.append("Retry-After: \(max(1, (delay.milliseconds + 999) / 1_000))") }
        lines += fields
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body
    }

    /// The response to a head that is larger than it may be (RFC 6585 §5).
    static func headTooLarge(_ limit: String) -> [UInt8] {
        let body = errorEnvelope(code: "INVALID_MESSAGE", message: "the head of a request may have at most \(limit)")
        let head = [
            "HTTP/1.1 431 Request Header Fields Too Large", "Content-Type: application/json",
            "Content-Length: \(body.count)", "Connection: close", "", "",
        ]
        return Array(head.joined(separator: "\r\n").utf8) + body
    }

    /// After how long a client that met a limit may try again, at least.
    static let pause: Duration = .seconds(5)
}

/// Why an upgrade was refused; the raw value is the label in `/metrics`.
package enum UpgradeRefusalReason: String, CaseIterable, Sendable {
    case connections
    case address
    case rate
    case draining
    case handshake
    case authentication
    case origin
    /// What is asked for cannot be had: a topic that is not there or may not be read, a place that cannot be understood.
    case request

    /// What the client is told; nil where the reason itself says more.
    var refusal: Refusal? {
        switch self {
        case .connections: .connectionLimit
        case .draining: .draining
        case .address: .addressLimit
        case .rate: .attachLimit
        case .handshake, .authentication, .origin, .request: nil
        }
    }
}

extension Refusal {
    /// The HTTP status that says it.
    package var status: (code: Int, phrase: String) {
        switch self {
        case .authenticationRequired, .authenticationFailed, .authenticationExpired: (401, "Unauthorized")
        case .permissionDenied, .originForbidden: (403, "Forbidden")
        case .invalidMessage: (400, "Bad Request")
        case .queryWrong: (400, "Bad Request")
        case .topicUnknown, .tableUnknown, .memberUnknown, .rowUnknown, .scheduleUnknown: (404, "Not Found")
        case .topicExists, .memberNeeded: (409, "Conflict")
        case .notSupported, .notATable: (501, "Not Implemented")
        case .cursorTooOld: (410, "Gone")
        case .notReplicated: (504, "Gateway Timeout")
        case .requestFailed(let failure): failure.status
        case .rateLimited, .queryLimit, .scheduleLimit: (429, "Too Many Requests")
        case .connectionLimit, .addressLimit, .attachLimit, .subscriptionLimit, .presenceLimit, .draining, .unavailable:
            (503, "Service Unavailable")
        case .internal: (500, "Internal Server Error")
        }
    }

    /// `{"success":false,"error":{"code","message"}}`.
    package var envelope: [UInt8] { errorEnvelope(code: code, message: sentence) }
}

extension RequestFailure {
    /// The HTTP status that says it.
    fileprivate var status: (code: Int, phrase: String) {
        switch self {
        case .nobody, .responderGone: (503, "Service Unavailable")
        case .timedOut: (504, "Gateway Timeout")
        case .allBusy, .tooMany, .nodeBusy, .answerTooLong, .unread: (429, "Too Many Requests")
        }
    }
}

/// The envelope of a failure.
func errorEnvelope(code: String, message: String) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("success")
    writer.bool(false)
    writer.key("error")
    writer.beginObject()
    writer.key("code")
    writer.string(code)
    writer.key("message")
    writer.string(message)
    writer.endObject()
    writer.endObject()
    return writer.bytes
}
