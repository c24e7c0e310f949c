import Broker
import JSON
import Model

/// A value of one of the schema's object types.
enum GraphQLObject: Sendable {
    case query
    case mutation
    /// A subscription's event.
    case delivery(Sequenced)
    case update(NodeFigures)
    case attendance(GraphQLPresence)
    /// Nothing to show: what a subscription tells beside its events.
    case notice
    case topic(TopicDefinition)
    case described(TopicDescription)
    case retention(Retention)
    case message(Sequenced)
    case history(TopicPage)
    case receipt(Receipt, Acknowledgement)
    case cluster(ClusterView)
    case member(ClusterView.Member)
    case metrics(NodeFigures)
    case presence(GraphQLPresence)
    case person(PresenceList.Member)
    case introspection(GraphQLIntrospection)
}

/// A field's value before its own fields are selected.
indirect enum GraphQLResolved: Sendable {
    case null
    /// A scalar or an enumeration's value, as JSON.
    case json([UInt8])
    case object(GraphQLObject)
    case list([GraphQLResolved])

    static func text(_ text: String?) -> GraphQLResolved {
        guard let text else { return .null }
        var writer = JSONWriter()
        writer.string(text)
        return .json(writer.bytes)
    }

    static func number(_ number: UInt64?) -> GraphQLResolved { number.map { .json(Array("\($0)".utf8)) } ?? .null }

    static func bool(_ value: Bool) -> GraphQLResolved { .json(Array("\(value)".utf8)) }

    static func double(_ value: Double) -> GraphQLResolved {
        var writer = JSONWriter()
        writer.double(value)
        return .json(writer.bytes)
    }

    static func cursor(_ cursor: Cursor) -> GraphQLResolved {
        var writer = JSONWriter()
        DaptinCursors.write(cursor, to: &writer)
        return .json(writer.bytes)
    }
}

/// Where a field's value comes from.
enum GraphQLSource {
    case value(GraphQLResolved)
    /// The core has to be asked; once for all fields of the object where `isOfObject`.
    case ask(Command, isOfObject: Bool = false)
}

extension GraphQLObject {
    /// A field's value, or what to ask for it. The field is one of the object's type.
    func resolve(_ field: String, _ arguments: GraphQLArguments) throws(GraphQLError) -> GraphQLSource {
        switch self {
        case .query:
            switch field {
            case "__schema": .value(.object(.introspection(.schema)))
            case "__type": .value(GraphQLIntrospection.type(named: arguments.string("name") ?? ""))
            default: .ask(try GraphQLCommands.query(field, arguments))
            }
        case .mutation: .ask(try GraphQLCommands.mutation(field, arguments))
        case .delivery(let item): .value(.object(.message(item)))
        case .update(let figures): .value(.object(.metrics(figures)))
        case .attendance(let update): .value(.object(.presence(update)))
        case .notice: .value(.null)
        case .topic(let definition): topic(field, definition)
        case .described(let description): .value(Self.described(field, description))
        case .retention(let retention): .value(Self.limit(field, retention))
        case .message(let item): .value(Self.message(field, item))
        case .history(let page): .value(Self.history(field, page))
        case .receipt(let receipt, let level): .value(Self.receipt(field, receipt, level))
        case .cluster(let view): .value(Self.cluster(field, view))
        case .member(let member): .value(Self.member(field, member))
        case .metrics(let figures): .value(Self.metrics(field, figures))
        case .presence(let update): .value(Self.presence(field, update))
        case .person(let member): .value(Self.person(field, member))
        case .introspection(let value): .value(value.resolve(field))
        }
    }

    static func unknown(_ field: String) -> Never {
        preconditionFailure("the schema promises a field \"\(field)\" that nothing gives")
    }

    private func topic(_ field: String, _ definition: TopicDefinition) -> GraphQLSource {
        switch field {
        case "messages", "bytes", "subscribers", "heads": .ask(.describeTopic(definition.name), isOfObject: true)
        default: .value(Self.fact(field, definition))
        }
    }

    private static func described(_ field: String, _ description: TopicDescription) -> GraphQLResolved {
        switch field {
        case "messages": .number(description.statistics.messages)
        case "bytes": .number(description.statistics.bytes)
        case "subscribers": .number(description.subscribers)
        case "heads": .cursor(description.heads)
        default: fact(field, description.definition)
        }
    }

    private static func fact(_ field: String, _ definition: TopicDefinition) -> GraphQLResolved {
        switch field {
        case "name": .text(definition.name.text)
        case "kind": .text(definition.kind == .stream ? "STREAM" : "TABLE")
        case "durability": .text(definition.durability == .disk ? "DISK" : "MEMORY")
        case "owner": .text(definition.owner)
        case "created": .text(Timestamp.text(definition.created.wall))
        case "generation": .number(UInt64(definition.generation))
        case "permission": .number(UInt64(definition.settings.permission.rawValue))
        case "retention": .object(.retention(definition.settings.retention))
        default: unknown(field)
        }
    }

    private static func limit(_ field: String, _ retention: Retention) -> GraphQLResolved {
        switch field {
        case "messages": .number(retention.messages)
        case "bytes": .number(retention.bytes)
        case "seconds": .number(retention.seconds)
        default: unknown(field)
        }
    }

    private static func message(_ field: String, _ item: Sequenced) -> GraphQLResolved {
        guard let message = item.record.message else { preconditionFailure("only messages are delivered") }
        let partition = item.record.partition(of: message)
        return switch field {
        case "topic": .text(message.topic.text)
        case "event": .text(message.event)
        case "data": .json(message.payload)
        case "source": .text(message.source)
        case "user": .text(message.publisher.isEmpty ? nil : message.publisher)
        case "key": .text(message.key)
        case "messageId": .text(message.messageID)
        default: place(field, partition, message.offset, item.record.time)
        }
    }

    private static func history(_ field: String, _ page: TopicPage) -> GraphQLResolved {
        switch field {
        case "messages": .list(page.messages.filter { $0.record.message != nil }.map { .object(.message($0)) })
        case "cursor": .cursor(page.cursor)
        case "more": .bool(page.more)
        default: unknown(field)
        }
    }

    private static func receipt(_ field: String, _ receipt: Receipt, _ level: Acknowledgement) -> GraphQLResolved {
        switch field {
        case "ack": .text(level.rawValue.uppercased())
        default: place(field, receipt.partition, receipt.offset, receipt.time)
        }
    }

    /// Where a message stands: what its event and its publisher's receipt both say.
    private static func place(
        _ field: String, _ partition: Partition, _ offset: UInt64, _ time: HybridTime
    ) -> GraphQLResolved {
        switch field {
        case "id": .text(MessageIdentifier.text(partition.origin, time))
        case "partition": .text(partition.description)
        case "offset": .number(offset)
        case "timestamp": .text(Timestamp.text(time.wall))
        default: unknown(field)
        }
    }

    private static func cluster(_ field: String, _ view: ClusterView) -> GraphQLResolved {
        switch field {
        case "name": .text(view.cluster)
        case "node": .text(view.node)
        case "digest": .text(view.digest)
        case "members": .list(view.members.map { .object(.member($0)) })
        default: unknown(field)
        }
    }

    private static func member(_ field: String, _ member: ClusterView.Member) -> GraphQLResolved {
        switch field {
        case "id": .text(member.id)
        case "name": .text(member.name)
        case "state": .text(member.state)
        case "incarnation": .number(member.incarnation)
        case "listen": .text(member.listen)
        case "lag": .number(member.lag)
        case "connected": .bool(member.isConnected)
        default: unknown(field)
        }
    }

    private static func metrics(_ field: String, _ figures: NodeFigures) -> GraphQLResolved {
        switch field {
        case "node": .text(figures.node)
        case "cpu": .double(figures.cpu)
        case "memory": .number(figures.memory)
        case "connections": .number(figures.connections)
        case "subscriptions": .number(figures.subscriptions)
        case "messagesIn": .number(figures.messagesIn)
        case "messagesOut": .number(figures.messagesOut)
        case "topics": .number(figures.topics)
        default: unknown(field)
        }
    }
}
