import Broker
import JSON
import Model

/// A client's message, read as far as every method needs it.
struct DaptinMessage {
    /// The id as it was sent, quotes included; nil for none.
    let id: [UInt8]?
    let method: String
    let attributes: JSONView

    /// The longest id, in bytes as sent.
    static let idLimit = 256

    /// Reads a text frame. `method` and `id` hold what was read of them when something else is wrong.
    init(text: [UInt8], method: inout String, id: inout [UInt8]?) throws(Refusal) {
        let view: JSONView
        do throws(JSONError) {
            view = try JSONView(parsing: text)
        } catch {
            throw .invalidMessage("the message is no JSON: \(error.description)")
        }
        try self.init(view, method: &method, id: &id)
    }

    init(_ view: JSONView, method: inout String, id: inout [UInt8]?) throws(Refusal) {
        guard view.kind == .object else {
            throw .invalidMessage(
                "the message is \(view.kind.rawValue); it must be an object {\"method\": …, \"attributes\": {…}}")
        }
        let fields = try DaptinFields(view, "id", "method", "attributes")
        id = try Self.id(fields[0])
        method = fields[1]?.string ?? ""
        guard let name = fields[1] else { throw .invalidMessage("\"method\" is missing; \(Self.methodsKnown)") }
        guard name.kind == .string else {
            throw .invalidMessage("\"method\" is \(name.kind.rawValue); it must be a string")
        }
        if let attributes = fields[2], attributes.kind != .object {
            throw .invalidMessage("\"attributes\" is \(attributes.kind.rawValue); it must be an object")
        }
        self.id = id
        self.method = method
        attributes = fields[2] ?? .emptyObject
    }

    /// What goes along with one of the message's commands: a publish without an id is answered only when it is refused.
    func reference(for command: Command) -> RequestReference {
        if case .publish = command { return RequestReference(id: id, method: method, wantsReply: id != nil) }
        return RequestReference(id: id, method: method)
    }

    /// What a client can ask, for those who asked something else.
    static let methodsKnown =
        "known methods are "
        + [
            "subscribe", "unsubscribe", "publish", "new-message", "create-topic", "destroy-topic", "list-topic",
            "get-topic", "set-topic", "set-topic-permission", "get-topic-permission", "history", "get-row", "list-rows",
            "presence", "set-presence", "typing", "request", "reply", "ack", "auth", "batch", "cluster", "metrics", "ping",
        ].joined(separator: ", ")

    private static func id(_ view: JSONView?) throws(Refusal) -> [UInt8]? {
        guard let view, !view.isNull else { return nil }
        guard view.kind == .string || view.kind == .number else {
            throw .invalidMessage("\"id\" is \(view.kind.rawValue); it must be a string or a number")
        }
        guard view.bytes.count <= idLimit else {
            throw .invalidMessage("\"id\" has \(view.bytes.count) bytes; it may have at most \(idLimit)")
        }
        return Array(view.bytes)
    }
}

/// The values under a few keys of an object.
struct DaptinFields {
    private let values: [JSONView?]

    /// Refuses a key that occurs twice.
    init(_ view: JSONView, _ names: StaticString...) throws(Refusal) {
        do throws(JSONError) {
            values = try view.fields(names)
        } catch {
            throw .invalidMessage(error.description)
        }
    }

    /// By the order of the names.
    subscript(index: Int) -> JSONView? { values[index] }
}
