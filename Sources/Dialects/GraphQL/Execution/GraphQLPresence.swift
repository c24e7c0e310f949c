import Broker
import Model

/// What a subscription to a topic's presence tells.
struct GraphQLPresence: Sendable {
    let topic: TopicName
    /// A value of the schema's `PresenceEvent`.
    let event: String
    let member: PresenceList.Member?
    let members: [PresenceList.Member]?
    let count: Int

    /// Who is there at first.
    init(_ topic: TopicName, _ list: PresenceList) {
        self.topic = topic
        event = "LIST"
        member = nil
        members = list.members.count == list.count ? list.members : nil
        count = list.count
    }

    /// Who came, changed or went.
    init(_ change: PresenceEvent) {
        topic = change.key.place.topic
        event =
            switch change.what {
            case .joined: "JOIN"
            case .updated: "UPDATE"
            case .left: "LEAVE"
            }
        member = PresenceList.Member(node: change.node, connection: change.key.connection, entry: change.entry)
        members = nil
        count = change.count
    }

    /// How many there are of too many.
    init(_ topic: TopicName, count: Int) {
        self.topic = topic
        self.count = count
        (event, member, members) = ("COUNT", nil, nil)
    }
}

extension GraphQLObject {
    static func presence(_ field: String, _ update: GraphQLPresence) -> GraphQLResolved {
        switch field {
        case "topic": .text(update.topic.text)
        case "event": .text(update.event)
        case "member": update.member.map { .object(.person($0)) } ?? .null
        case "members": update.members.map { .list($0.map { .object(.person($0)) }) } ?? .null
        case "count": .number(UInt64(update.count))
        default: unknown(field)
        }
    }

    static func person(_ field: String, _ member: PresenceList.Member) -> GraphQLResolved {
        switch field {
        case "user": .text(member.entry.user)
        case "node": .text(member.node)
        case "connection": .text(member.connection)
        case "since": .text(Timestamp.text(member.entry.since))
        case "state": member.entry.state.isEmpty ? .null : .json(member.entry.state)
        default: unknown(field)
        }
    }
}
