import JSON
import Model

/// A client's message of `graphql-transport-ws`, and the texts of the server's.
enum GraphQLMessage {
    /// With the token in its `authorization`; nil for none.
    case initialise(token: String?)
    /// With the raw payload, which the pong gives back.
    case ping([UInt8]?)
    case pong
    case subscribe(id: String, payload: JSONView)
    case complete(id: String)

    /// Why a text is no message; it closes with 4400.
    struct Malformed: Error {
        let words: String
    }

    init(_ text: [UInt8]) throws(Malformed) {
        let fields: [JSONView?]
        do throws(JSONError) {
            fields = try JSONView(parsing: text).fields(["type", "id", "payload"])
        } catch {
            throw Malformed(words: "Invalid message: \(error.description)")
        }
        guard let type = fields[0]?.string else { throw Malformed(words: "Invalid message: \"type\" must be a string") }
        let payload = fields[2].flatMap { $0.isNull ? nil : $0 }
        if let payload, payload.kind != .object {
            throw Malformed(words: "Invalid message: \"payload\" must be an object")
        }
        switch type {
        case "connection_init": self = .initialise(token: try Self.token(payload))
        case "ping": self = .ping(payload.map { Array($0.bytes) })
        case "pong": self = .pong
        case "subscribe":
            guard let payload else { throw Malformed(words: "Invalid message: \"payload\" is missing") }
            self = .subscribe(id: try Self.id(fields[1]), payload: payload)
        case "complete": self = .complete(id: try Self.id(fields[1]))
        default:
            throw Malformed(words: "Invalid message: unknown type \"\(type.prefix(32))\"")
        }
    }

    private static func id(_ view: JSONView?) throws(Malformed) -> String {
        guard let id = view?.string, !id.isEmpty, id.utf8.count <= GraphQLConversation.idLimit else {
            throw Malformed(
                words: "Invalid message: \"id\" must be a string of 1 to \(GraphQLConversation.idLimit) bytes")
        }
        return id
    }

    /// The token of `authorization`, with or without `Bearer`; clients write the key in either case.
    private static func token(_ payload: JSONView?) throws(Malformed) -> String? {
        guard let value = payload?["authorization"] ?? payload?["Authorization"], !value.isNull else { return nil }
        guard let text = value.string else { throw Malformed(words: "Invalid message: \"authorization\" must be a string") }
        let words = text.split(separator: " ", maxSplits: 1)
        if words.count == 2, words[0].lowercased() == "bearer" { return String(words[1].drop { $0 == " " }) }
        return text
    }

    // MARK: The server's

    private static func text(_ type: StaticString, id: String?, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        if let id {
            writer.key("id")
            writer.string(id)
        }
        writer.key("type")
        writer.string("\(type)")
        body(&writer)
        writer.endObject()
        return writer.bytes
    }

    static func pong(_ payload: [UInt8]?) -> [UInt8] {
        text("pong", id: nil) { writer in
            guard let payload else { return }
            writer.key("payload")
            writer.raw(payload)
        }
    }

    static func ping(code: String, message: String, time: WallTime?) -> [UInt8] {
        text("ping", id: nil) { writer in
            writer.key("payload")
            writer.beginObject()
            writer.key("code")
            writer.string(code)
            writer.key("message")
            writer.string(message)
            if let time {
                writer.key("expires_at")
                writer.string(Timestamp.text(time))
            }
            writer.endObject()
        }
    }

    static func complete(_ id: String) -> [UInt8] { text("complete", id: id) { _ in } }

    static func error(_ id: String, _ errors: [GraphQLError]) -> [UInt8] {
        text("error", id: id) { writer in
            writer.key("payload")
            GraphQLError.write(errors, to: &writer)
        }
    }

    static func next(_ id: String, _ result: [UInt8]) -> [UInt8] { nextHead(id) + result + Array("}".utf8) }

    /// What goes before a result.
    static func nextHead(_ id: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.string(id)
        return Array(#"{"id":"#.utf8) + writer.bytes + Array(#","type":"next","payload":"#.utf8)
    }

    /// A result without an event: its field is null.
    static func nothing(
        _ id: String, _ key: String, errors: [GraphQLError], _ body: (inout JSONWriter) -> Void
    ) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("data")
        writer.beginObject()
        writer.key(key)
        writer.null()
        writer.endObject()
        if !errors.isEmpty {
            writer.key("errors")
            GraphQLError.write(errors, to: &writer)
        }
        body(&writer)
        writer.endObject()
        return next(id, writer.bytes)
    }

    /// `{topic: cursor, …}`.
    static func cursors(_ cursors: [(topic: TopicName, cursor: Cursor)], to writer: inout JSONWriter) {
        writer.beginObject()
        for (topic, cursor) in cursors {
            writer.key(topic.text)
            DaptinCursors.write(cursor, to: &writer)
        }
        writer.endObject()
    }
}
