import Broker
import JSON

/// Responses to upgrades that are refused.
enum UpgradeRefusal {
    /// More connections than the node takes, or a node that is going away.
    static let connectionLimit = response(to: .connectionLimit, closing: true)

    /// The complete response to a refusal, with the envelope that REST has.
    ///
    /// - Parameter closing: whether it says that the connection is closed after it.
    static func response(to refusal: Refusal, closing: Bool) -> [UInt8] {
        let status = refusal.status
        let body = refusal.envelope
        var lines = [
            "HTTP/1.1 \(status.code) \(status.phrase)", "Content-Type: application/json",
            "Content-Length: \(body.count)",
        ]
        if closing { lines.append("Connection: close") }
        if status.code == 401 { lines.append("WWW-Authenticate: Bearer") }
        if status.code == 503 { lines.append("Retry-After: \(retryAfterSeconds)") }
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body
    }

    /// When a client that met a limit may try again.
    static let retryAfterSeconds = 5
}

extension Refusal {
    /// The HTTP status that says it.
    package var status: (code: Int, phrase: String) {
        switch self {
        case .authenticationRequired, .authenticationFailed, .authenticationExpired: (401, "Unauthorized")
        case .permissionDenied: (403, "Forbidden")
        case .invalidMessage: (400, "Bad Request")
        case .topicUnknown: (404, "Not Found")
        case .topicExists: (409, "Conflict")
        case .notSupported: (501, "Not Implemented")
        case .cursorTooOld: (410, "Gone")
        case .notReplicated: (504, "Gateway Timeout")
        case .rateLimited: (429, "Too Many Requests")
        case .connectionLimit, .subscriptionLimit: (503, "Service Unavailable")
        case .internal: (500, "Internal Server Error")
        }
    }

    /// `{"success":false,"error":{"code","message"}}`.
    package var envelope: [UInt8] { errorEnvelope(code: code, message: sentence) }
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
