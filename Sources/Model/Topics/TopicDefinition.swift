/// What a topic is, as every node agrees on it.
package struct TopicDefinition: Equatable, Sendable {
    /// Whether a topic is a stream of messages or a table of rows.
    package enum Kind: UInt8, Sendable {
        case stream = 0
        case table = 1
    }

    /// Where its messages are kept.
    package enum Durability: UInt8, Sendable {
        case disk = 0
        case memory = 1
    }

    package let name: TopicName
    /// Counts the creations of this name, from 1.
    package let generation: UInt32
    package let kind: Kind
    package let durability: Durability
    /// The user who created it; empty for an anonymous one.
    package let owner: String
    /// The groups that its mask means by "group": those of its creator.
    package let groups: [String]
    package let created: HybridTime
    package let creator: Origin
    package var settings: TopicSettings

    package init(
        name: TopicName, generation: UInt32, kind: Kind, durability: Durability, owner: String, groups: [String],
        created: HybridTime, creator: Origin, settings: TopicSettings
    ) {
        self.name = name
        self.generation = generation
        self.kind = kind
        self.durability = durability
        self.owner = owner
        self.groups = groups
        self.created = created
        self.creator = creator
        self.settings = settings
    }
}

/// What of a topic may be changed after its creation.
package struct TopicSettings: Equatable, Sendable {
    package var retention: Retention
    package var permission: PermissionMask

    package init(retention: Retention = .unlimited, permission: PermissionMask = .standard) {
        self.retention = retention
        self.permission = permission
    }
}

/// How much of a topic is kept; nil is without limit. What exceeds any of the three is dropped, oldest first.
package struct Retention: Equatable, Sendable {
    package var messages: UInt64?
    package var bytes: UInt64?
    package var seconds: UInt64?

    package init(messages: UInt64? = nil, bytes: UInt64? = nil, seconds: UInt64? = nil) {
        self.messages = messages
        self.bytes = bytes
        self.seconds = seconds
    }

    package static let unlimited = Retention()
}

/// Daptin's permission bits: guest 0–6, owner 7–13, group 14–20, each over Peek, Read, Create, Update, Delete, Execute,
/// Refer.
package struct PermissionMask: Equatable, Sendable {
    package let rawValue: UInt32

    /// Every bit that has a meaning.
    package static let allBits: UInt32 = (1 << 21) - 1

    /// nil where a bit above 20 is set.
    package init?(rawValue: UInt32) {
        guard rawValue & ~Self.allBits == 0 else { return nil }
        self.rawValue = rawValue
    }

    /// What one class of users may do.
    package struct Rights: OptionSet, Sendable {
        package let rawValue: UInt32
        package init(rawValue: UInt32) { self.rawValue = rawValue }
        package static let peek = Rights(rawValue: 1)
        package static let read = Rights(rawValue: 2)
        package static let create = Rights(rawValue: 4)
        package static let update = Rights(rawValue: 8)
        package static let delete = Rights(rawValue: 16)
        package static let execute = Rights(rawValue: 32)
        package static let refer = Rights(rawValue: 64)
        package static let all = Rights(rawValue: 127)
    }

    package init(guest: Rights, owner: Rights, group: Rights) {
        rawValue = guest.rawValue | owner.rawValue << 7 | group.rawValue << 14
    }

    package var guest: Rights { Rights(rawValue: rawValue & 127) }
    package var owner: Rights { Rights(rawValue: rawValue >> 7 & 127) }
    package var group: Rights { Rights(rawValue: rawValue >> 14 & 127) }

    /// Every user may read and publish, the owner may do everything.
    package static let standard = PermissionMask(
        guest: [.peek, .read, .create, .update, .execute], owner: .all, group: [.peek, .read, .create, .update, .execute])

    /// Daptin's own default: the owner alone.
    package static let ownerOnly = PermissionMask(guest: [], owner: .all, group: [])
}
