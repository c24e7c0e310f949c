/// One replicated fact, as its origin sequenced it. Immutable and shared by every thread that handles it.
package final class Record: Sendable {
    package let origin: Origin
    package let slot: Slot
    /// Dense per (origin, slot) from 1; 0 for a message of a memory topic, which takes no position.
    package let position: UInt64
    /// Strictly increasing per origin.
    package let time: HybridTime
    /// The position of the origin's own `system` journal when this was sequenced.
    package let seen: UInt64
    package let body: Body

    /// What a record says.
    package enum Body: Sendable, Equatable {
        case message(Message)
        case topic(TopicChange)
        case member(MemberRecord)
        case departure(DepartureRecord)
        case schedule(ScheduleChange)
    }

    package init(origin: Origin, slot: Slot, position: UInt64, time: HybridTime, seen: UInt64, body: Body) {
        self.origin = origin
        self.slot = slot
        self.position = position
        self.time = time
        self.seen = seen
        self.body = body
    }

    /// The message, when the record is one.
    package var message: Message? {
        if case .message(let message) = body { message } else { nil }
    }

    /// The bytes of a message's payload; 0 for every other record.
    package var payloadCount: Int {
        if case .message(let message) = body { message.payload.count } else { 0 }
    }

    /// Whether the record is a message of a memory topic, which takes no position and is not written to the disk.
    package var isOfMemory: Bool {
        guard position == 0, case .message = body else { return false }
        return true
    }

    /// Whether the record removes a member.
    package var isDeparture: Bool {
        if case .departure = body { true } else { false }
    }

    /// Which of its topic's partitions a message stands in.
    package func partition(of message: Message) -> Partition { Partition(origin: origin, generation: message.generation) }
}

/// A published message, as it is kept, replicated and delivered. Immutable and shared, like its record.
package final class Message: Sendable, Equatable {
    package let topic: TopicName
    package let generation: UInt32
    /// Dense per (topic, generation, origin) from 1.
    package let offset: UInt64
    /// The event's name, `new-message` unless the publisher said otherwise.
    package let event: String
    package let key: String?
    /// The user who published; empty for an anonymous one.
    package let publisher: String
    /// The session that published.
    package let source: String
    /// The publisher's own id of this message, by which repeats are known.
    package let messageID: String?
    /// When it must no longer be delivered; nil for never.
    package let expiry: WallTime?
    /// The message as its publisher sent it: one JSON value, byte for byte.
    package let payload: [UInt8]
    /// What makes it a row of a table; nil for a message of a stream.
    package let row: RowVersion?

    package init(
        topic: TopicName, generation: UInt32, offset: UInt64, event: String, key: String?, publisher: String,
        source: String, messageID: String?, expiry: WallTime?, payload: [UInt8], row: RowVersion? = nil
    ) {
        self.topic = topic
        self.generation = generation
        self.offset = offset
        self.event = event
        self.key = key
        self.publisher = publisher
        self.source = source
        self.messageID = messageID
        self.expiry = expiry
        self.payload = payload
        self.row = row
    }

    package static func == (left: Message, right: Message) -> Bool {
        left === right
            || left.topic == right.topic && left.generation == right.generation && left.offset == right.offset
                && left.event == right.event && left.key == right.key && left.publisher == right.publisher
                && left.source == right.source && left.messageID == right.messageID && left.expiry == right.expiry
                && left.payload == right.payload && left.row == right.row
    }

    /// Whether it ends a row of a table.
    package var isRowEnd: Bool { row != nil && payload == Self.null }

    private static let null = Array("null".utf8)
}

/// A change to the registry of topics.
package enum TopicChange: Sendable, Equatable {
    /// A creation of a generation; it carries settings of revision 0.
    case created(TopicName, generation: UInt32, kind: TopicDefinition.Kind, durability: TopicDefinition.Durability,
        owner: String, groups: [String], settings: TopicSettings)
    /// New settings; the revision is one more than that of the settings which they replace.
    case changed(TopicName, generation: UInt32, revision: UInt64, settings: TopicSettings)
    /// The end of a generation and of all before it.
    case destroyed(TopicName, generation: UInt32)

    package var name: TopicName {
        switch self {
        case .created(let name, _, _, _, _, _, _), .changed(let name, _, _, _), .destroyed(let name, _): name
        }
    }
}

/// A node's word that it is a member: the first record of every epoch.
package struct MemberRecord: Sendable, Equatable {
    package let node: NodeID
    /// The name that its operator gave it.
    package let name: String

    package init(node: NodeID, name: String) {
        self.node = node
        self.name = name
    }
}

/// An operator's word that a node is a member no more, for good: its id never comes back.
package struct DepartureRecord: Sendable, Equatable {
    package let node: NodeID
    /// The name that it had.
    package let name: String
    /// The user who removed it; empty for an anonymous one.
    package let user: String

    package init(node: NodeID, name: String, user: String) {
        self.node = node
        self.name = name
        self.user = user
    }
}
