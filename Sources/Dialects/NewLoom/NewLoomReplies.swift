import Broker
import JSON
import Model

/// Writes what is no message: flat errors, heartbeats, and what the document has no word for.
enum NewLoomReplies {
    static let heartbeat = Array(#"{"type":"heartbeat"}"#.utf8)

    /// `{"type":"error","code","message"}`, with the id of the chat or stream that it is about.
    static func error(
        _ refusal: Refusal, about topic: TopicName? = nil, _ door: NewLoomConversation.Door = .chat
    ) -> [UInt8] {
        let (code, words) = self.code(of: refusal)
        return NewLoomEvents.object("error") { writer in
            for (key, value) in [("code", code), ("message", "\(words): \(refusal.sentence)")] {
                writer.key(key)
                writer.string(value)
            }
            guard let topic else { return }
            writer.key(door.idKey)
            writer.raw(NewLoomEvents.id(of: topic, door, in: nil))
        }
    }

    /// The document's three codes, each with its own words.
    static func code(of refusal: Refusal) -> (code: String, words: String) {
        switch refusal {
        case .authenticationRequired, .authenticationFailed, .authenticationExpired, .originForbidden:
            ("connection_error", "Authentication failed")
        case .permissionDenied: ("permission_denied", "Not authorized for this chat")
        case .invalidMessage, .notSupported, .topicUnknown, .topicExists, .cursorTooOld, .queryWrong, .tableUnknown,
            .rowUnknown, .notATable, .memberUnknown, .memberNeeded, .scheduleUnknown:
            ("invalid_format", "Invalid message format")
        case .notReplicated, .unavailable, .internal: ("connection_error", "The server failed")
        case .draining: ("connection_error", "This node stops")
        case .rateLimited, .connectionLimit, .addressLimit, .attachLimit, .subscriptionLimit, .presenceLimit,
            .queryLimit, .scheduleLimit, .requestFailed:
            ("connection_error", "Limit reached")
        }
    }

    static func gap(_ topic: TopicName, _ gap: Gap, _ door: NewLoomConversation.Door) -> [UInt8] {
        NewLoomEvents.object("gap") { writer in
            writer.key(door.idKey)
            writer.raw(NewLoomEvents.id(of: topic, door, in: nil))
            writer.key("messages")
            writer.unsigned(gap.to - gap.from + 1)
            writer.key("reason")
            writer.string(gap.reason.rawValue)
        }
    }

    static func expiring(_ time: WallTime) -> [UInt8] {
        NewLoomEvents.object("auth") { writer in
            for (key, value) in [("status", "expiring"), ("expires_at", Timestamp.text(time))] {
                writer.key(key)
                writer.string(value)
            }
        }
    }

    static func draining(_ delay: Duration) -> [UInt8] {
        NewLoomEvents.object("error") { writer in
            let words = "This node stops: connect again in \(delay.milliseconds) ms"
            for (key, value) in [("code", "connection_error"), ("message", words)] {
                writer.key(key)
                writer.string(value)
            }
        }
    }
}
