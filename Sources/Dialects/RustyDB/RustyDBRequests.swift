import Broker
import JSON
import Model

/// Reads payloads into commands.
enum RustyDBRequests {
    /// `token`, a JWT.
    static func authenticate(_ payload: JSONView) throws(Refusal) -> Command {
        guard let token = try DaptinAttributes(view: payload).string("token") else {
            throw .invalidMessage("\"token\" is missing; it must be a JWT, such as POST /api/v1/auth/login gives")
        }
        return .authenticate(token: token)
    }

    /// `topic` or `topics`, with `since` and `filters`.
    static func subscribe(_ payload: JSONView) throws(Refusal) -> Command.Subscribe {
        let attributes = DaptinAttributes(view: payload)
        if try attributes.value("query") != nil {
            throw .notSupported("subscriptions with \"query\" are not built yet: use \"topic\" or \"topics\"")
        }
        return Command.Subscribe(
            filters: try topics(payload), conditions: try DaptinCommands.conditions(attributes),
            since: try DaptinCursors.since(attributes))
    }

    /// The topics of `topic`, one name or filter, and `topics`, an array of them; each once.
    static func topics(_ payload: JSONView) throws(Refusal) -> [TopicFilter] {
        let attributes = DaptinAttributes(view: payload)
        var texts: [String] = []
        if let topic = try attributes.string("topic") { texts.append(topic) }
        if let topics = try attributes.value("topics") {
            guard topics.kind == .array else { throw attributes.wrong("topics", topics, "an array of topics' names") }
            for element in topics.elements() {
                guard let text = element.string else { throw attributes.wrong("topics", topics, "an array of strings") }
                texts.append(text)
            }
        }
        var filters: [TopicFilter] = []
        for text in texts {
            let filter = try DaptinAttributes.filter(text)
            if !filters.contains(filter) { filters.append(filter) }
        }
        guard !filters.isEmpty, filters.count <= topicLimit else {
            throw .invalidMessage(
                filters.isEmpty
                    ? "\"topic\" or \"topics\" is missing; name 1 to \(topicLimit) topics"
                    : "\"topics\" names \(filters.count) topics; it may name at most \(topicLimit)")
        }
        return filters
    }

    static func publish(_ payload: JSONView) throws(Refusal) -> Command {
        let attributes = DaptinAttributes(view: payload)
        guard let topic = try attributes.string("topic") else {
            throw .invalidMessage("\"topic\" is missing; it must be a topic's name")
        }
        guard let message = payload["message"] else {
            throw .invalidMessage("\"message\" is missing; it may be any JSON value")
        }
        var publish = Command.Publish(
            topic: try DaptinAttributes.topic(topic), payload: Array(message.bytes),
            event: try attributes.string("event") ?? "new-message", key: try attributes.string("key"),
            messageID: try attributes.string("message_id"))
        if let ack = try attributes.string("ack") {
            guard let level = Acknowledgement(rawValue: ack), level != .none else {
                throw .invalidMessage("\"ack\" is \"\(ack.prefix(40))\"; it must be accepted, stored or replicated")
            }
            publish.acknowledgement = level
        }
        publish.timeToLive = try attributes.integer("ttl", in: 1...DaptinCommands.millisecondLimit)
            .map { .milliseconds($0) }
        return .publish(publish)
    }

    /// `sql`, `params`, an array or an object, and `streaming`.
    static func query(_ payload: JSONView) throws(Refusal) -> (query: Query, isStreaming: Bool) {
        let attributes = DaptinAttributes(view: payload)
        guard let sql = try attributes.string("sql") else {
            throw .invalidMessage("\"sql\" is missing; it must be a SELECT")
        }
        let parameters = try attributes.value("params").map { (view) throws(Refusal) in try QueryParameters(view) }
        let query = Query(sql: sql, parameters: parameters ?? .none, chunkRows: chunkRows, chunkBytes: chunkBytes)
        return (query, try attributes.bool("streaming"))
    }

    /// The queries of a batch.
    static func batch(_ payload: JSONView) throws(Refusal) -> [Query] {
        let attributes = DaptinAttributes(view: payload)
        guard let queries = try attributes.value("queries"), queries.kind == .array else {
            throw .invalidMessage("\"queries\" is missing; it must be an array of objects {\"sql\": …, \"params\": […]}")
        }
        let items = queries.elements()
        guard (1...RustyDBQueries.batchLimit).contains(items.count) else {
            throw .invalidMessage(
                "\"queries\" holds \(items.count) queries; it may hold 1 to \(RustyDBQueries.batchLimit)")
        }
        var found: [Query] = []
        for item in items {
            guard item.kind == .object else {
                throw .invalidMessage("\"queries\" holds \(item.kind.rawValue); it may hold objects {\"sql\": …}")
            }
            found.append(try query(item).query)
        }
        return found
    }

    /// The most rows of one `data` of a streaming query, and about how many bytes.
    private static let (chunkRows, chunkBytes) = (1_000, 1 << 20)

    /// The most topics of one subscription.
    static let topicLimit = 100
}
