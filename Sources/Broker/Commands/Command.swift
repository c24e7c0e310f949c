import Model

/// What a client asks of the core, whatever dialect it spoke. It passes through several hands, so what it holds lies apart.
package enum Command: Sendable {
    indirect case subscribe(Subscribe)
    case unsubscribe([TopicFilter])
    indirect case publish(Publish)
    indirect case createTopic(CreateTopic)
    case destroyTopic(TopicName)
    indirect case listTopics(ListTopics)
    case describeTopic(TopicName)
    /// Replaces what is given of a topic's settings.
    indirect case changeTopic(TopicName, retention: Retention?, permission: PermissionMask?)
    case topicPermission(TopicName)
    indirect case history(History)
    /// One row of a table.
    case row(TopicName, key: String)
    /// Answered by ``Reply/rows(_:)``, as often as it takes.
    indirect case query(Query)
    /// Ends the session's queries whose reference has this id: each gets a last chunk that says so. Answered by
    /// ``Reply/queriesCancelled(_:)``.
    case cancelQuery([UInt8])
    /// Renews or changes the session's principal by a token.
    case authenticate(token: String)
    /// Who is there in a topic.
    case presence(TopicName)
    /// What this connection says of itself as a member of a topic: one JSON value, empty for nothing.
    indirect case setPresence(TopicName, state: [UInt8])
    /// The user is writing something for a topic, or no longer; with what the dialect says of it to the others, one JSON
    /// value, empty for nothing.
    indirect case typing(TopicName, isTyping: Bool, state: [UInt8])
    /// Asks one of a topic's responders something. Answered by ``Reply/requested(_:)``: a part for each of its replies, and
    /// then that it has finished.
    indirect case request(Ask)
    /// Answers a request that the connection was shown.
    indirect case reply(RequestReply)
    /// Acknowledges a message that the connection was given as member of a group, by its number.
    case acknowledge(UInt64)
    /// The cluster as this node sees it: no secret among its users.
    case cluster
    /// The node's figures, for those who may monitor.
    case figures
    /// The node's figures now and once a second from now on, as notices, for those who may monitor.
    case followFigures
    case ping
    /// The client is done, or has broken a rule of its dialect: the connection ends with a WebSocket close code.
    case close(code: UInt16, reason: String)
    /// A request that the dialect found wrong; it is answered in its turn.
    case refuse(Refusal)

    /// A subscription to one or many topics; each is answered by itself.
    package struct Subscribe: Sendable {
        package var filters: [TopicFilter]
        /// Only messages that pass are delivered.
        package var conditions: [Condition]
        package var since: Since?
        package var presence: PresenceWish
        /// Whether the connection answers the topic's requests; only with a topic's name.
        package var responds: Bool
        /// Whether a table's rows come before its changes; nil where that is so of a table that is named and no start is
        /// given.
        package var snapshot: Bool?
        /// The group of which the connection is a member; only with a topic's name, from now on and without conditions.
        package var group: GroupWish?

        package init(
            filters: [TopicFilter], conditions: [Condition] = [], since: Since? = nil, presence: PresenceWish = .none,
            responds: Bool = false, snapshot: Bool? = nil, group: GroupWish? = nil
        ) {
            self.filters = filters
            self.conditions = conditions
            self.since = since
            self.presence = presence
            self.responds = responds
            self.snapshot = snapshot
            self.group = group
        }
    }

    /// A queue group: each message goes to one of its members.
    package struct GroupWish: Equatable, Sendable {
        package var name: String
        /// Whether a message that is not acknowledged goes to another member.
        package var acknowledges: Bool
        /// How long this member has to acknowledge; default 30 s.
        package var patience: Duration

        package init(name: String, acknowledges: Bool = false, patience: Duration = .seconds(30)) {
            self.name = name
            self.acknowledges = acknowledges
            self.patience = patience
        }
    }

    /// What a subscription wants to know of the others in its topics.
    package enum PresenceWish: Sendable {
        case none
        /// Who types.
        case typing
        /// Who comes and goes, without being one of them. Only with a topic's name.
        case observer
        /// Who comes, goes and types; and it makes its connection a member, whom the others are told of. Only with a
        /// topic's name.
        case member
    }

    /// Where a subscription begins: one start for all its topics, or a cursor for each.
    package enum Since: Sendable {
        case start(ReadStart)
        /// Topics that are not named begin at their oldest message.
        case cursors([TopicName: Cursor])
        /// Topics that are not named begin at the first message of this time or later.
        case recent([TopicName: Cursor], othersAfter: WallTime)
    }

    /// One entry of a subscription's `filters`.
    package enum Condition: Sendable, Equatable {
        /// The event's name.
        case event(String)
        /// The event's name is one of these.
        case anyEvent([String])
        /// A top-level key of the message must have this JSON value (raw text).
        case field(String, equals: [UInt8])
    }

    package struct Publish: Sendable {
        package var topic: TopicName
        /// One JSON value, byte for byte.
        package var payload: [UInt8]
        package var event: String
        package var key: String?
        package var messageID: String?
        package var acknowledgement: Acknowledgement
        package var timeToLive: Duration?
        /// Who may read the row that it makes of a table.
        package var readers = RowDraft.Readers.kept
        /// Whether a row comes from a database that is followed, which is then its event's source.
        package var isFromDatabase = false
        /// Who is said to have published; nil for the session's user. Only the node itself names another.
        package var publisher: String?

        package init(
            topic: TopicName, payload: [UInt8], event: String = "new-message", key: String? = nil, messageID: String? = nil,
            acknowledgement: Acknowledgement = .accepted, timeToLive: Duration? = nil
        ) {
            self.topic = topic
            self.payload = payload
            self.event = event
            self.key = key
            self.messageID = messageID
            self.acknowledgement = acknowledgement
            self.timeToLive = timeToLive
        }
    }

    /// A request to one of a topic's responders.
    package struct Ask: Sendable {
        package var topic: TopicName
        /// One JSON value, byte for byte.
        package var payload: [UInt8]
        /// How long the answer is waited for, to its end; default 30 s.
        package var patience: Duration

        package init(topic: TopicName, payload: [UInt8], patience: Duration = .seconds(30)) {
            self.topic = topic
            self.payload = payload
            self.patience = patience
        }
    }

    /// A part of the answer to a request.
    package struct RequestReply: Sendable {
        /// What the connection knows the request by.
        package var replyTo: UInt64
        /// One JSON value, byte for byte; empty for none, where it is the last.
        package var payload: [UInt8]
        package var isLast: Bool

        package init(replyTo: UInt64, payload: [UInt8], isLast: Bool) {
            self.replyTo = replyTo
            self.payload = payload
            self.isLast = isLast
        }
    }

    package struct CreateTopic: Sendable {
        package var name: TopicName
        package var kind: TopicDefinition.Kind
        package var durability: TopicDefinition.Durability
        package var retention: Retention
        /// nil for the configured default.
        package var permission: PermissionMask?
        /// nil for the creating user; only an admin may name another.
        package var owner: String?

        package init(
            name: TopicName, kind: TopicDefinition.Kind = .stream, durability: TopicDefinition.Durability = .disk,
            retention: Retention = .unlimited, permission: PermissionMask? = nil, owner: String? = nil
        ) {
            self.name = name
            self.kind = kind
            self.durability = durability
            self.retention = retention
            self.permission = permission
            self.owner = owner
        }
    }

    package struct ListTopics: Sendable {
        package var filter: TopicFilter?
        /// 1 … 10,000; default 1,000.
        package var limit: Int
        /// Only names after this one.
        package var after: TopicName?

        package init(filter: TopicFilter? = nil, limit: Int = 1_000, after: TopicName? = nil) {
            self.filter = filter
            self.limit = limit
            self.after = after
        }
    }

    package struct History: Sendable {
        package var topic: TopicName
        package var since: ReadStart?
        package var until: WallTime?
        /// 1 … 1,000; default 100.
        package var limit: Int
        /// Whether the topic must be a table, and only rows are given: no ends of rows.
        package var rowsOnly = false

        package init(topic: TopicName, since: ReadStart? = nil, until: WallTime? = nil, limit: Int = 100) {
            self.topic = topic
            self.since = since
            self.until = until
            self.limit = limit
        }
    }
}

/// What a publisher waits for.
package enum Acknowledgement: String, Sendable {
    /// Nothing but refusals.
    case none
    /// Sequenced by this node.
    case accepted
    /// Synced to this node's disk.
    case stored
    /// Synced to the disks of a majority of the replicas.
    case replicated
}
