import Broker
import JSON
import Model

/// A client's message, read as far as every type needs it.
struct SQLatteMessage {
    let type: String
    let data: JSONView

    /// What a client can say, for those who said something else.
    static let typesKnown =
        "known types are " + ["auth", "query", "subscribe", "unsubscribe", "batch", "ping"].joined(separator: ", ")

    /// Reads a text frame. `type` holds what was read of it when something else is wrong.
    init(_ text: [UInt8], type: inout String) throws(Refusal) {
        let view: JSONView
        do throws(JSONError) { view = try JSONView(parsing: text) } catch {
            throw .invalidMessage("the message is no JSON: \(error.description)")
        }
        try self.init(view, type: &type)
    }

    init(_ view: JSONView, type: inout String) throws(Refusal) {
        guard view.kind == .object else {
            throw .invalidMessage(
                "the message is \(view.kind.rawValue); it must be an object {\"type\": …, \"data\": {…}}")
        }
        let fields = try DaptinFields(view, "type", "data")
        guard let name = fields[0] else { throw .invalidMessage("\"type\" is missing; \(Self.typesKnown)") }
        guard let word = name.string else {
            throw .invalidMessage("\"type\" is \(name.kind.rawValue); it must be a string")
        }
        type = word
        if let data = fields[1], data.kind != .object {
            throw .invalidMessage("\"data\" is \(data.kind.rawValue); it must be an object")
        }
        self.type = word
        data = fields[1] ?? .emptyObject
    }
}

/// Reads what the types of messages carry.
enum SQLatteRequests {
    /// The most messages of a batch.
    static let batchLimit = 100
    /// The most event types that one conversation follows, and the longest of their names in bytes.
    static let (eventLimit, eventBytes) = (100, 256)

    /// `session_id`, a token; nil where it is missing.
    static func token(_ data: JSONView) throws(Refusal) -> String? {
        try DaptinAttributes(view: data).string("session_id")
    }

    /// `schema`, the client's own words for a translator; nil where it is missing.
    static func schema(_ data: JSONView) throws(Refusal) -> String? {
        try DaptinAttributes(view: data).string("schema")
    }

    /// `sql` or `question`, with `params` for either.
    static func query(_ data: JSONView) throws(Refusal) -> (text: String, isSQL: Bool, parameters: QueryParameters) {
        let attributes = DaptinAttributes(view: data)
        let (sql, question) = (try attributes.string("sql"), try attributes.string("question"))
        let parameters = try attributes.value("params").map { (view) throws(Refusal) in try QueryParameters(view) }
        switch (sql, question) {
        case (let sql?, nil): return (sql, true, parameters ?? .none)
        case (nil, let question?): return (question, false, parameters ?? .none)
        case (nil, nil):
            throw .invalidMessage("\"sql\" and \"question\" are missing; one must be a SELECT, or a question in words")
        case (_?, _?): throw .invalidMessage("the query is given twice; give one of \"sql\" and \"question\"")
        }
    }

    /// `events`, an array of event types, each once.
    static func events(_ data: JSONView) throws(Refusal) -> [String] {
        let attributes = DaptinAttributes(view: data)
        guard let events = try attributes.value("events") else {
            throw .invalidMessage("\"events\" is missing; it must be an array of event types")
        }
        guard events.kind == .array else { throw attributes.wrong("events", events, "an array of event types") }
        var names: [String] = []
        for element in events.elements() {
            guard let name = element.string, !name.isEmpty, name.utf8.count <= eventBytes else {
                throw attributes.wrong("events", element, "an array of strings of 1 to \(eventBytes) bytes")
            }
            if SQLatteReplies.ownTypes.contains(name) {
                throw .invalidMessage(
                    "\"\(name)\" answers a client's own messages; it is no event that could be followed")
            }
            if !names.contains(name) { names.append(name) }
        }
        guard !names.isEmpty else { throw .invalidMessage("\"events\" is empty; name at least one event type") }
        return names
    }

    /// `messages`, an array of messages, or of their texts as a client would send them.
    static func batch(_ data: JSONView) throws(Refusal) -> [JSONView] {
        let attributes = DaptinAttributes(view: data)
        guard let messages = try attributes.value("messages"), messages.kind == .array else {
            throw .invalidMessage(
                "\"messages\" is missing; it must be an array of messages {\"type\": …, \"data\": {…}}")
        }
        let items = messages.elements()
        guard (1...batchLimit).contains(items.count) else {
            throw .invalidMessage("\"messages\" holds \(items.count) messages; it may hold 1 to \(batchLimit)")
        }
        return items
    }
}
