import JSON
import Model

/// The conditions of one subscription, ready to be held against messages; all must hold.
struct Selector {
    /// nil for every event.
    private let events: [String]?
    private let fields: [(key: String, value: JSONView)]

    /// Lets nothing pass, since no event is among none: of a subscription that is given its messages otherwise.
    static var nothing: Selector { Selector(events: [], fields: []) }

    private init(events: [String]?, fields: [(key: String, value: JSONView)]) {
        self.events = events
        self.fields = fields
    }

    /// Refuses a value that is no JSON, and two conditions on one thing.
    init(_ conditions: [Command.Condition]) throws(Refusal) {
        var events: [String]?
        var fields: [(key: String, value: JSONView)] = []
        for condition in conditions {
            switch condition {
            case .event(let name): events = try Self.events([name], after: events)
            case .anyEvent(let names): events = try Self.events(names, after: events)
            case .field(let key, let text):
                do throws(JSONError) {
                    fields.append((key, try JSONView(parsing: text)))
                } catch {
                    throw .invalidMessage("the filter on \"\(key)\" is no JSON value: \(error.description)")
                }
            }
        }
        self.events = events
        self.fields = fields
    }

    private static func events(_ names: [String], after events: [String]?) throws(Refusal) -> [String] {
        guard events == nil else { throw .invalidMessage("a filter names the event twice; name it once") }
        return names
    }

    /// Whether every message passes.
    var isUnconditional: Bool { events == nil && fields.isEmpty }

    /// Whether a message passes. `content` is its payload, or nil where that is no JSON.
    func passes(_ message: Message, _ content: JSONView?) -> Bool {
        if let events, !events.contains(message.event) { return false }
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
