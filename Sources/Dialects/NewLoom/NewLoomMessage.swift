import Broker
import JSON
import Model

/// What a client said: `{"type",…}`.
struct NewLoomMessage {
    let content: Content

    enum Content {
        /// The payload is `{"content","chat_id"}`, both as they came.
        case message(TopicName, payload: [UInt8])
        /// The payload is `{"message_id","status","chat_id"}`.
        case status(TopicName, payload: [UInt8])
        /// The id is the chat's, as it came.
        case typing(TopicName, Bool, id: [UInt8])
        case heartbeat
        case disconnect
    }

    init(_ text: [UInt8], _ door: NewLoomConversation.Door) throws(Refusal) {
        let fields: [JSONView?]
        do throws(JSONError) {
            fields = try JSONView(parsing: text).fields([
                "type", "chat_id", "content", "is_typing", "message_id", "status",
            ])
        } catch {
            throw .invalidMessage("the message is no JSON object: \(error.description)")
        }
        guard let type = fields[0]?.string else {
            throw .invalidMessage("\"type\" is \(Self.words(fields[0])); \(Self.types(door))")
        }
        switch (type, door) {
        case ("heartbeat", _): content = .heartbeat
        case ("disconnect", _): content = .disconnect
        case ("message", .chat):
            let (topic, id) = try Self.chat(fields[1])
            guard let text = fields[2], text.kind == .string else {
                throw .invalidMessage("\"content\" is \(Self.words(fields[2])); it must be a string")
            }
            content = .message(topic, payload: Self.object([("content", Array(text.bytes)), ("chat_id", id)]))
        case ("typing", .chat):
            let (topic, id) = try Self.chat(fields[1])
            guard let isTyping = fields[3]?.bool else {
                throw .invalidMessage("\"is_typing\" is \(Self.words(fields[3])); it must be true or false")
            }
            content = .typing(topic, isTyping, id: id)
        case ("status", .chat):
            let (topic, id) = try Self.chat(fields[1])
            guard let message = fields[4], message.kind == .string || message.kind == .number,
                message.bytes.count <= Self.idLimit
            else {
                throw .invalidMessage(
                    "\"message_id\" is \(Self.words(fields[4])); it must be the id of a message")
            }
            guard let status = fields[5], status.isString("delivered") || status.isString("read") else {
                throw .invalidMessage("\"status\" is \(Self.words(fields[5])); it must be \"delivered\" or \"read\"")
            }
            content = .status(
                topic,
                payload: Self.object([
                    ("message_id", Array(message.bytes)), ("status", Array(status.bytes)), ("chat_id", id),
                ]))
        default: throw .invalidMessage("\"type\" is \"\(type.prefix(64))\"; \(Self.types(door))")
        }
    }

    /// The longest id of a message, in bytes as sent.
    private static let idLimit = 256

    /// The topic of a chat, and its id as it came: a whole number or a string.
    private static func chat(_ id: JSONView?) throws(Refusal) -> (TopicName, [UInt8]) {
        let level: String
        switch id?.kind {
        case .number: level = id?.integer.map { "\($0)" } ?? ""
        case .string: level = id?.string ?? ""
        default: level = ""
        }
        guard let id, !level.isEmpty, !level.contains("/") else {
            throw .invalidMessage("\"chat_id\" is \(words(id)); it must be a whole number, or a string without \"/\"")
        }
        do throws(TopicNameError) {
            return (try TopicName("chat/\(level)"), Array(id.bytes))
        } catch {
            throw .invalidMessage("\"chat_id\" names no chat: \(error.description)")
        }
    }

    private static func object(_ members: [(StaticString, [UInt8])]) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        for (key, value) in members {
            writer.key(key)
            writer.raw(value)
        }
        writer.endObject()
        return writer.bytes
    }

    private static func words(_ view: JSONView?) -> String {
        guard let view else { return "missing" }
        return view.bytes.count <= 40 ? String(decoding: view.bytes, as: UTF8.self) : view.kind.rawValue
    }

    private static func types(_ door: NewLoomConversation.Door) -> String {
        switch door {
        case .chat: "it must be message, typing, status, heartbeat or disconnect"
        case .streams: "it must be heartbeat or disconnect"
        }
    }
}
