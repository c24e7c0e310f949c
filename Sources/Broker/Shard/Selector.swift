import JSON
import Model

/// The conditions of one subscription, ready to be held against messages; all must hold.
struct Selector {
    private let event: String?
    private let fields: [(key: String, value: JSONView)]

    /// Refuses a value that is no JSON, and two conditions on one thing.
    init(_ conditions: [Command.Condition]) throws(Refusal) {
        var event: String?
        var fields: [(key: String, value: JSONView)] = []
        for condition in conditions {
            switch condition {
            case .event(let name):
                guard event == nil else { throw .invalidMessage("a filter names the event twice; name it once") }
                event = name
            case .field(let key, let text):
                do throws(JSONError) {
                    fields.append((key, try JSONView(parsing: text)))
                } catch {
                    throw .invalidMessage("the filter on \"\(key)\" is no JSON value: \(error.description)")
                }
            }
        }
        self.event = event
        self.fields = fields
    }

    /// Whether every message passes.
    var isUnconditional: Bool { event == nil && fields.isEmpty }

    /// Whether a message passes. `content` is its payload, or nil where that is no JSON.
    func passes(_ message: Message, _ content: JSONView?) -> Bool {
        if let event, message.event != event { return false }
        if fields.isEmpty { return true }
        guard let content else { return false }
        return fields.allSatisfy { field in content[field.key]?.structurallyEquals(field.value) ?? false }
    }
}

/// A message whose payload is scanned at most once, however many selectors look at it.
struct SelectedMessage {
    let message: Message
    private var content: JSONView?
    private var isScanned = false

    init(_ message: Message) {
        self.message = message
    }

    /// Whether one of the selectors lets the message pass; nil stands for no condition at all.
    mutating func passes(_ selectors: [Selector]?) -> Bool {
        guard let selectors else { return true }
        if !isScanned {
            // A payload that is no JSON has no field that could equal anything.
            content = try? JSONView(parsing: message.payload, depthLimit: 512)
            isScanned = true
        }
        return selectors.contains { $0.passes(message, content) }
    }
}
