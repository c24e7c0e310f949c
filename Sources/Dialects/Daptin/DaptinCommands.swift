import Broker
import JSON
import Model

/// Turns messages into commands, every spelling in circulation included.
enum DaptinCommands {
    /// One command, or one for each topic.
    static func read(_ message: DaptinMessage) throws(Refusal) -> [Command] {
        let attributes = DaptinAttributes(view: message.attributes)
        switch message.method {
        case "subscribe": return [try subscribe(attributes)]
        case "unsubscribe": return [.unsubscribe(try attributes.filters())]
        case "publish", "new-message": return try publish(attributes, hasID: message.id != nil)
        case "create-topic", "create-topicName": return [try create(attributes)]
        case "destroy-topic", "destroy-topicName": return try attributes.topics().map { .destroyTopic($0) }
        case "list-topic", "list-topicName": return [try list(attributes)]
        case "get-topic", "get-topicName": return try attributes.topics().map { .describeTopic($0) }
        case "set-topic-permission":
            guard let mask = try permission(attributes) else {
                throw .invalidMessage("\"permission\" is missing; it must be \(maskWords)")
            }
            return try attributes.topics().map { .changeTopic($0, retention: nil, permission: mask) }
        case "set-topic":
            let (retention, mask) = (try retention(attributes), try permission(attributes))
            guard retention != nil || mask != nil else {
                throw .invalidMessage("nothing to change: give \"retention\" or \"permission\"")
            }
            return try attributes.topics().map { .changeTopic($0, retention: retention, permission: mask) }
        case "get-topic-permission": return try attributes.topics().map { .topicPermission($0) }
        case "history": return try history(attributes)
        case "get-row":
            guard let key = try attributes.string("key") else {
                throw .invalidMessage("\"key\" is missing; it must be a row's key")
            }
            return try attributes.topics().map { .row($0, key: key) }
        case "list-rows":
            return try history(attributes).map { command in
                guard case .history(var history) = command else { return command }
                history.rowsOnly = true
                history.since = history.since ?? .beginning
                return .history(history)
            }
        case "auth":
            guard let token = try attributes.string("token") else {
                throw .invalidMessage("\"token\" is missing; it must be a JWT")
            }
            return [.authenticate(token: token)]
        case "cluster": return [.cluster]
        case "metrics": return [try attributes.bool("follow") ? .followFigures : .figures]
        case "ping": return [.ping]
        case "presence": return try attributes.topics().map { .presence($0) }
        case "set-presence":
            let state = try attributes.value("state").map { Array($0.bytes) } ?? []
            return try attributes.topics().map { .setPresence($0, state: state) }
        case "typing":
            let isTyping = try attributes.value("typing") == nil ? true : try attributes.bool("typing")
            return try attributes.topics().map { .typing($0, isTyping: isTyping, state: []) }
        case "request": return try DaptinRequests.asks(attributes)
        case "reply": return [try DaptinRequests.reply(attributes)]
        case "ack": return [try DaptinGroups.acknowledgement(attributes)]
        default:
            // Only as much of a client's own words as a person needs to find the mistake.
            throw .invalidMessage("unknown method \"\(message.method.prefix(64))\"; \(DaptinMessage.methodsKnown)")
        }
    }

    private static func subscribe(_ attributes: DaptinAttributes) throws(Refusal) -> Command {
        return .subscribe(
            Command.Subscribe(
                filters: try attributes.filters(), conditions: try conditions(attributes),
                since: try DaptinCursors.since(attributes),
                presence: try attributes.bool("presence") ? .member : .none,
                responds: try attributes.bool("respond"),
                snapshot: try attributes.value("snapshot") == nil ? nil : try attributes.bool("snapshot"),
                group: try DaptinGroups.wish(attributes)))
    }

    static func conditions(_ attributes: DaptinAttributes) throws(Refusal) -> [Command.Condition] {
        guard let filters = try attributes.value("filters") else { return [] }
        guard filters.kind == .object else {
            throw attributes.wrong(
                "filters", filters, "an object like {\"EventType\": \"update\", \"colour\": \"red\"}")
        }
        let members: [(key: String, value: JSONView)]
        do throws(JSONError) { members = try filters.uniqueMembers() } catch {
            throw .invalidMessage(error.description)
        }
        guard members.count <= conditionLimit else {
            throw .invalidMessage("\"filters\" has \(members.count) entries; it may have at most \(conditionLimit)")
        }
        var conditions: [Command.Condition] = []
        for (key, value) in members {
            if key != "EventType" {
                conditions.append(.field(key, equals: Array(value.bytes)))
            } else if let event = value.string {
                conditions.append(.event(event))
            } else {
                throw attributes.wrong("EventType", value, "a string")
            }
        }
        return conditions
    }

    private static func publish(_ attributes: DaptinAttributes, hasID: Bool) throws(Refusal) -> [Command] {
        // The one command that comes by the thousand: its attributes are found in one pass.
        let fields = try DaptinFields(
            attributes.view, "topicName", "topic", "name", "message", "event", "key", "messageId", "ack", "ttl", "readers", "source")
        let topics = try attributes.topics(fields[0], fields[1], fields[2])
        guard let message = fields[3] else {
            throw .invalidMessage("\"message\" is missing; it may be any JSON value")
        }
        var publish = Command.Publish(
            topic: topics[0], payload: Array(message.bytes),
            event: try attributes.string(fields[4], named: "event") ?? "new-message",
            key: try attributes.string(fields[5], named: "key"),
            messageID: try attributes.string(fields[6], named: "messageId"),
            acknowledgement: hasID ? .accepted : .none)
        if let ack = try attributes.string(fields[7], named: "ack") {
            guard let level = Acknowledgement(rawValue: ack) else {
                throw .invalidMessage(
                    "\"ack\" is \"\(ack.prefix(40))\"; it must be none, accepted, stored or replicated")
            }
            publish.acknowledgement = level
        }
        publish.timeToLive = try attributes.integer(fields[8], named: "ttl", in: 1...millisecondLimit)
            .map { .milliseconds($0) }
        publish.readers = try RowDraft.Readers(fields[9])
        if let source = try attributes.string(fields[10], named: "source") {
            guard source == "database" else {
                throw .invalidMessage("\"source\" may only be \"database\"; any other is this session's own")
            }
            publish.isFromDatabase = true
        }
        return topics.map { topic in
            publish.topic = topic
            return .publish(publish)
        }
    }

    private static func create(_ attributes: DaptinAttributes) throws(Refusal) -> Command {
        let texts = try attributes.topicTexts()
        // One name: a creation of "a,b" is a slip, since no topic can be called so.
        var create = Command.CreateTopic(name: try DaptinAttributes.topic(texts.joined(separator: ",")))
        switch try attributes.string("kind") {
        case nil, "stream": create.kind = .stream
        case "table": create.kind = .table
        case let kind?: throw .invalidMessage("\"kind\" is \"\(kind.prefix(40))\"; it must be stream or table")
        }
        switch try attributes.string("durability") {
        case nil, "disk": create.durability = .disk
        case "memory": create.durability = .memory
        case let other?: throw .invalidMessage("\"durability\" is \"\(other.prefix(40))\"; it must be disk or memory")
        }
        create.retention = try retention(attributes) ?? .unlimited
        create.permission = try permission(attributes)
        create.owner = try attributes.string("owner")
        return .createTopic(create)
    }

    private static func list(_ attributes: DaptinAttributes) throws(Refusal) -> Command {
        var list = Command.ListTopics()
        if let filter = try attributes.string("filter") { list.filter = try DaptinAttributes.filter(filter) }
        if let after = try attributes.string("after") { list.after = try DaptinAttributes.topic(after) }
        if let limit = try attributes.integer("limit", in: 1...10_000) { list.limit = Int(limit) }
        return .listTopics(list)
    }

    private static func history(_ attributes: DaptinAttributes) throws(Refusal) -> [Command] {
        let since = try DaptinCursors.since(attributes)
        let until = try attributes.time("until")
        let limit = try attributes.integer("limit", in: 1...1_000).map(Int.init) ?? 100
        return try attributes.topics().map { topic in
            let start: ReadStart?
            switch since {
            case nil: start = nil
            case .start(let given): start = given
            case .cursors(let cursors): start = .cursor(cursors[topic] ?? Cursor())
            case .recent(let cursors, let time): start = cursors[topic].map(ReadStart.cursor) ?? .time(time)
            }
            return .history(Command.History(topic: topic, since: start, until: until, limit: limit))
        }
    }

    private static func retention(_ attributes: DaptinAttributes) throws(Refusal) -> Retention? {
        guard let value = try attributes.value("retention") else { return nil }
        guard value.kind == .object else {
            throw attributes.wrong("retention", value, "an object of \"messages\", \"bytes\" and \"seconds\"")
        }
        let limits = DaptinAttributes(view: value)
        func limit(_ name: StaticString) throws(Refusal) -> UInt64? {
            try limits.integer(name, in: 1...Int64(1) << 53).map(UInt64.init)
        }
        return Retention(messages: try limit("messages"), bytes: try limit("bytes"), seconds: try limit("seconds"))
    }

    private static func permission(_ attributes: DaptinAttributes) throws(Refusal) -> PermissionMask? {
        guard let value = try attributes.value("permission") else { return nil }
        guard let bits = value.unsigned.flatMap(UInt32.init(exactly:)), let mask = PermissionMask(rawValue: bits) else {
            throw attributes.wrong("permission", value, maskWords)
        }
        return mask
    }

    private static let maskWords =
        "a bit mask, 0 to \(PermissionMask.allBits): guest 0-6, owner 7-13, group 14-20 "
        + "over Peek, Read, Create, Update, Delete, Execute, Refer"
    /// The most entries that `filters` has.
    private static let conditionLimit = 64
    /// The longest time to live: 100 years.
    static let millisecondLimit: Int64 = 3_155_760_000_000
}
