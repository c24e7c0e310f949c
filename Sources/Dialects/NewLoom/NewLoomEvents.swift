import Broker
import JSON
import Model

/// Writes messages and typing in the document's shapes.
enum NewLoomEvents {
    static func chat(_ item: Sequenced) -> [UInt8] {
        guard let message = item.record.message else { preconditionFailure("only messages are delivered") }
        let payload = content(of: message)
        let id = self.id(of: message.topic, .chat, in: payload)
        let time = Timestamp.text(item.record.time.wall)
        switch message.event {
        case "new-message":
            return object("message") { writer in
                writer.key("message")
                writer.beginObject()
                writer.key("id")
                writer.string(MessageIdentifier.text(item.record.origin, item.record.time))
                writer.key("content")
                writer.raw(shown(payload, message))
                writer.key("user")
                writer.string(user(message, payload))
                writer.key("timestamp")
                writer.string(time)
                writer.key("chat_id")
                writer.raw(id)
                writer.endObject()
            }
        case "status":
            guard let payload, let read = payload["message_id"], let status = payload["status"] else { fallthrough }
            return object("status") { writer in
                writer.key("chat_id")
                writer.raw(id)
                writer.key("message_id")
                writer.raw(read.bytes)
                writer.key("status")
                writer.raw(status.bytes)
                writer.key("user")
                writer.string(message.publisher)
                writer.key("timestamp")
                writer.string(time)
            }
        default: return other(message, .chat, id)
        }
    }

    static func stream(_ item: Sequenced) -> [UInt8] {
        guard let message = item.record.message else { preconditionFailure("only messages are delivered") }
        let payload = content(of: message)
        let id = self.id(of: message.topic, .streams, in: payload)
        let time = Timestamp.text(item.record.time.wall)
        // A publisher may say the type by the event's name, or send the document's own object.
        let type = message.event == "new-message" ? payload?["type"]?.string ?? "" : message.event
        guard let payload, payload.kind == .object else { return other(message, .streams, id) }
        switch type {
        case "status_update":
            return object("status_update") { writer in
                writer.key("stream_id")
                writer.raw(id)
                writer.key("status")
                if let status = payload["status"] { writer.raw(status.bytes) } else { writer.null() }
                writer.key("timestamp")
                if let given = payload["timestamp"] { writer.raw(given.bytes) } else { writer.string(time) }
            }
        case "execution_stats":
            return object("execution_stats") { writer in
                writer.key("stream_id")
                writer.raw(id)
                writer.key("stats")
                members(payload["stats"] ?? payload, to: &writer)
            }
        case "error":
            return object("error") { writer in
                writer.key("stream_id")
                writer.raw(id)
                writer.key("error")
                members(payload["error"] ?? payload, adding: time, to: &writer)
            }
        default: return other(message, .streams, id)
        }
    }

    /// `{"type":"typing","chat_id","user","is_typing"}`.
    static func typing(_ event: PresenceEvent) -> [UInt8] {
        object("typing") { writer in
            writer.key("chat_id")
            let topic = event.key.place.topic
            writer.raw(event.entry.state.isEmpty ? id(of: topic, .chat, in: nil) : event.entry.state)
            writer.key("user")
            writer.string(event.entry.user)
            writer.key("is_typing")
            writer.bool(event.what != .left)
        }
    }

    /// The id of a topic's chat or stream: as its publisher wrote it, else a number where it is one, else a string.
    static func id(of topic: TopicName, _ door: NewLoomConversation.Door, in payload: JSONView?) -> [UInt8] {
        let level = String(topic.text.dropFirst(door.level.utf8.count + 1))
        let number = Int64(level).flatMap { "\($0)" == level ? level : nil }
        if let given = payload?[door == .chat ? "chat_id" : "stream_id"] {
            if given.string == level || given.integer.map({ "\($0)" }) == level { return Array(given.bytes) }
        }
        if let number { return Array(number.utf8) }
        var writer = JSONWriter()
        writer.string(level)
        return writer.bytes
    }

    static func object(_ type: String, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: 256)
        writer.beginObject()
        writer.key("type")
        writer.string(type)
        body(&writer)
        writer.endObject()
        return writer.bytes
    }

    /// A message that has no shape in the document.
    private static func other(_ message: Message, _ door: NewLoomConversation.Door, _ id: [UInt8]) -> [UInt8] {
        object("event") { writer in
            writer.key("event")
            writer.string(message.event)
            writer.key(door.idKey)
            writer.raw(id)
            writer.key("data")
            writer.raw(message.payload)
        }
    }

    /// The payload, which is JSON at every door that takes messages.
    private static func content(of message: Message) -> JSONView? {
        try? JSONView(parsing: message.payload, depthLimit: 512)
    }

    private static func shown(_ payload: JSONView?, _ message: Message) -> [UInt8] {
        (payload?["content"] ?? payload?["text"]).map { Array($0.bytes) } ?? message.payload
    }

    private static func user(_ message: Message, _ payload: JSONView?) -> String {
        message.publisher.isEmpty ? payload?["name"]?.string ?? "" : message.publisher
    }

    /// An object's members without those that stand outside of it; with a time where one is given and the object has none.
    private static func members(_ view: JSONView, adding time: String? = nil, to writer: inout JSONWriter) {
        guard view.kind == .object else { return writer.raw(view.bytes) }
        writer.beginObject()
        var hasTime = false
        for (key, value) in view.members() where key != "type" && key != "stream_id" {
            if key == "timestamp" { hasTime = true }
            writer.key(key)
            writer.raw(value.bytes)
        }
        if let time, !hasTime {
            writer.key("timestamp")
            writer.string(time)
        }
        writer.endObject()
    }
}
