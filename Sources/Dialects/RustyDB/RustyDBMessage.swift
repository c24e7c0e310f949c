import Broker
import JSON

/// A client's message, read as far as every type needs it.
struct RustyDBMessage {
    let type: String
    /// The id as it was sent, quotes included; nil for none.
    let id: [UInt8]?
    let payload: JSONView

    /// The longest id, in bytes as sent.
    static let idLimit = 256

    /// What a client can say, for those who said something else.
    static let typesKnown =
        "known types are " + ["auth", "ping", "query", "subscribe", "unsubscribe", "publish", "batch"].joined(separator: ", ")

    /// Reads a text frame. `type` and `id` hold what was read of them when something else is wrong.
    init(_ text: [UInt8], type: inout String, id: inout [UInt8]?) throws(Refusal) {
        let view: JSONView
        do throws(JSONError) { view = try JSONView(parsing: text) } catch {
            throw .invalidMessage("the message is no JSON: \(error.description)")
        }
        guard view.kind == .object else {
            throw .invalidMessage(
                "the message is \(view.kind.rawValue); it must be an object {\"type\": …, \"payload\": {…}}")
        }
        let fields = try DaptinFields(view, "type", "id", "payload")
        if let given = fields[1], !given.isNull {
            guard given.kind == .string || given.kind == .number else {
                throw .invalidMessage("\"id\" is \(given.kind.rawValue); it must be a string or a number")
            }
            guard given.bytes.count <= Self.idLimit else {
                throw .invalidMessage("\"id\" has \(given.bytes.count) bytes; it may have at most \(Self.idLimit)")
            }
            id = Array(given.bytes)
        }
        guard let name = fields[0] else { throw .invalidMessage("\"type\" is missing; \(Self.typesKnown)") }
        guard let word = name.string else {
            throw .invalidMessage("\"type\" is \(name.kind.rawValue); it must be a string")
        }
        type = word
        if let payload = fields[2], payload.kind != .object {
            throw .invalidMessage("\"payload\" is \(payload.kind.rawValue); it must be an object")
        }
        self.type = word
        self.id = id
        payload = fields[2] ?? .emptyObject
    }
}
