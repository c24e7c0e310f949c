import Broker
import JSON
import Model

/// Writes the server's messages, `{"type","data"}`.
enum SQLatteReplies {
    /// The types that answer a client's own messages, which no event is called.
    static let ownTypes: Set<String> = [
        "auth_success", "auth_expiring", "batch", "draining", "error", "gap", "pong", "query", "query_progress",
        "query_result", "query_start", "result_chunk", "result_complete", "subscribed", "unsubscribed",
    ]

    /// A message whose data's members `body` writes.
    static func message(_ type: StaticString, _ body: (inout JSONWriter) -> Void = { _ in }) -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: 256)
        writer.beginObject()
        writer.key("type")
        writer.string("\(type)")
        writer.key("data")
        writer.beginObject()
        body(&writer)
        writer.endObject()
        writer.endObject()
        return writer.bytes
    }

    /// An error, with what went wrong in the document's manner, and why.
    static func refusal(_ refusal: Refusal, to method: String, query: String? = nil) -> [UInt8] {
        message("error") { writer in
            strings(
                [("message", failure(of: method)), ("error", refusal.sentence), ("code", refusal.code)], to: &writer)
            if let query { strings([("query_id", query)], to: &writer) }
        }
    }

    private static func failure(of method: String) -> String {
        switch method {
        case "auth": "Authentication failed"
        case "query": "Query execution failed"
        case "subscribe", "unsubscribe": "Subscription failed"
        default: "Request failed"
        }
    }

    static func authenticated(_ principal: Principal) -> [UInt8] {
        message("auth_success") { writer in
            DaptinNotices.write(principal, to: &writer)
            names("roles", principal.roles, to: &writer)
        }
    }

    /// What is followed now.
    static func followed(_ type: StaticString, _ events: [String]) -> [UInt8] {
        message(type) { names("events", events, to: &$0) }
    }

    static func gap(_ topic: TopicName, _ gap: Gap) -> [UInt8] {
        message("gap") { writer in
            strings(
                [("topic", topic.text), ("partition", gap.partition.description), ("reason", gap.reason.rawValue)],
                to: &writer)
            writer.key("from")
            writer.unsigned(gap.from)
            writer.key("to")
            writer.unsigned(gap.to)
        }
    }

    static func expiring(_ time: WallTime) -> [UInt8] {
        message("auth_expiring") { strings([("expires_at", Timestamp.text(time))], to: &$0) }
    }

    static func draining(_ retryAfter: Duration, _ nodes: [String]) -> [UInt8] {
        message("draining") { writer in
            writer.key("retry_after_ms")
            writer.integer(retryAfter.milliseconds)
            names("nodes", nodes, to: &writer)
        }
    }

    static func strings(_ members: [(StaticString, String)], to writer: inout JSONWriter) {
        for (key, value) in members {
            writer.key(key)
            writer.string(value)
        }
    }

    static func names(_ key: StaticString, _ names: [String], to writer: inout JSONWriter) {
        writer.key(key)
        writer.beginArray()
        for name in names { writer.string(name) }
        writer.endArray()
    }
}

/// Writes events: the type is the event's own, the data the message as it was published, so that what another program
/// says as `schedule_executed` is what the document shows.
enum SQLatteEvents {
    static let encoding = EventEncoding(id: 40) { item in
        guard let message = item.record.message else { preconditionFailure("only messages are delivered") }
        var writer = JSONWriter(reservingCapacity: message.payload.count + 256)
        writer.beginObject()
        writer.key("type")
        writer.string(message.event)
        writer.key("data")
        writer.raw(message.payload)
        writer.key("topic")
        writer.string(message.topic.text)
        DaptinEvents.place(item.record.partition(of: message), message.offset, item.record.time, to: &writer)
        if !message.publisher.isEmpty {
            writer.key("user")
            writer.string(message.publisher)
        }
        writer.endObject()
        return writer.bytes
    }
}
