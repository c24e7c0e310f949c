import Broker
import JSON
import Model

/// Turns fields that need the core into commands.
enum GraphQLCommands {
    static func query(_ field: String, _ arguments: GraphQLArguments) throws(GraphQLError) -> Command {
        switch field {
        case "topics":
            var list = Command.ListTopics(limit: arguments.integer("limit") ?? 100)
            if arguments.string("filter") != nil { list.filter = try arguments.filter("filter") }
            if arguments.string("after") != nil { list.after = try arguments.topic("after") }
            return .listTopics(list)
        case "topic": return .describeTopic(try arguments.topic("name"))
        case "history":
            let topic = try arguments.topic("topic")
            let start: ReadStart?
            switch try arguments.since() {
            case nil: start = nil
            case .start(let given): start = given
            case .cursors(let cursors): start = .cursor(cursors[topic] ?? Cursor())
            case .recent(let cursors, let time): start = cursors[topic].map(ReadStart.cursor) ?? .time(time)
            }
            return .history(
                Command.History(
                    topic: topic, since: start, until: arguments.time("until"),
                    limit: arguments.integer("last") ?? 100))
        case "cluster": return .cluster
        case "metrics": return .figures
        default: preconditionFailure("the schema promises a query \"\(field)\" that nothing answers")
        }
    }

    static func mutation(_ field: String, _ arguments: GraphQLArguments) throws(GraphQLError) -> Command {
        switch field {
        case "publish": return .publish(try publish(arguments))
        case "createTopic": return .createTopic(try create(arguments))
        case "destroyTopic": return .destroyTopic(try arguments.topic("name"))
        default: preconditionFailure("the schema promises a mutation \"\(field)\" that nothing carries out")
        }
    }

    /// What a subscription's field follows.
    static func subscription(_ field: String, _ arguments: GraphQLArguments) throws(GraphQLError) -> Command {
        switch field {
        case "messages":
            return .subscribe(
                Command.Subscribe(
                    filters: [try arguments.filter("topic")], conditions: try conditions(arguments.object("where")),
                    since: try arguments.since()))
        case "presence":
            // Of the topic's messages none is wanted.
            return .subscribe(
                Command.Subscribe(
                    filters: [TopicFilter(try arguments.topic("topic"))], conditions: [.anyEvent([])], presence: .observer))
        case "metricUpdated": return .followFigures
        default: preconditionFailure("the schema promises a subscription \"\(field)\" that nothing follows")
        }
    }

    private static func publish(_ arguments: GraphQLArguments) throws(GraphQLError) -> Command.Publish {
        var publish = Command.Publish(
            topic: try arguments.topic("topic"), payload: arguments.json("message") ?? [],
            event: arguments.string("event") ?? "new-message", key: arguments.string("key"),
            messageID: arguments.string("messageId"))
        if let level = arguments.string("ack").flatMap({ Acknowledgement(rawValue: $0.lowercased()) }) {
            publish.acknowledgement = level
        }
        if let milliseconds = arguments.unsigned("ttl") {
            guard (1...longestLife).contains(milliseconds) else {
                throw GraphQLError("\"ttl\" must be 1 to \(longestLife) milliseconds")
            }
            publish.timeToLive = .milliseconds(Int64(milliseconds))
        }
        return publish
    }

    private static func create(_ arguments: GraphQLArguments) throws(GraphQLError) -> Command.CreateTopic {
        var create = Command.CreateTopic(name: try arguments.topic("name"), owner: arguments.string("owner"))
        create.kind = arguments.string("kind") == "TABLE" ? .table : .stream
        create.durability = arguments.string("durability") == "MEMORY" ? .memory : .disk
        if let retention = arguments.object("retention") {
            create.retention = Retention(
                messages: retention.unsigned("messages"), bytes: retention.unsigned("bytes"),
                seconds: retention.unsigned("seconds"))
        }
        if let bits = arguments.integer("permission") {
            guard let mask = UInt32(exactly: bits).flatMap(PermissionMask.init(rawValue:)) else {
                throw GraphQLError("\"permission\" must be a bit mask, 0 to \(PermissionMask.allBits)")
            }
            create.permission = mask
        }
        return create
    }

    private static func conditions(_ filter: GraphQLArguments?) throws(GraphQLError) -> [Command.Condition] {
        guard let filter else { return [] }
        var conditions: [Command.Condition] = []
        if let event = filter.string("event") { conditions.append(.event(event)) }
        guard let text = filter.json("fields"), text != Array("null".utf8) else { return conditions }
        do {
            let members = try JSONView(parsing: text).uniqueMembers()
            guard members.count <= conditionLimit else {
                throw GraphQLError("\"fields\" may have at most \(conditionLimit) entries")
            }
            return conditions + members.map { .field($0.key, equals: Array($0.value.bytes)) }
        } catch let error as GraphQLError {
            throw error
        } catch {
            throw GraphQLError("\"fields\" must be an object like {colour: \"red\"}: \(error)")
        }
    }

    /// The most entries of `fields`.
    private static let conditionLimit = 64
    /// The longest time to live: 100 years.
    private static let longestLife: UInt64 = 3_155_760_000_000
}

extension GraphQLResolved {
    /// What the core answered to a field, or the error that it refused with.
    init(_ reply: Reply, field: String) throws(GraphQLError) {
        switch reply {
        case .topics(let topics, _): self = .list(topics.map { .object(.topic($0)) })
        case .topic(let description):
            // The fields of a topic that only its description has ask for themselves; a query asks for all of it.
            let object = GraphQLObject.described(description)
            guard case .value(let value) = try object.detail(field) else {
                preconditionFailure("a description has all that it is asked for")
            }
            self = value
        case .history(_, let page): self = .object(.history(page))
        case .cluster(let view): self = .object(.cluster(view))
        case .figures(let report): self = .object(.metrics(report.figures))
        case .published(_, let receipt, let level): self = .object(.receipt(receipt, level))
        case .topicCreated(let definition), .topicChanged(let definition): self = .object(.topic(definition))
        case .topicDestroyed(let name): self = .text(name.text)
        case .refused(let refusal): throw GraphQLError(refusal, at: nil, path: [])
        case .subscribed, .unsubscribed, .permission, .row, .rows, .queriesCancelled, .presence, .presenceSet, .typingNoted,
            .requested, .acknowledged, .authenticated, .followingFigures, .pong:
            throw GraphQLError("the broker gave an answer to another question", code: "INTERNAL_ERROR")
        }
    }
}

extension GraphQLObject {
    /// One field of a description that a topic of a list asked for, or the whole where a query did.
    fileprivate func detail(_ field: String) throws(GraphQLError) -> GraphQLSource {
        if field == "topic" { return .value(.object(self)) }
        return try resolve(field, GraphQLArguments(values: [:]))
    }
}
