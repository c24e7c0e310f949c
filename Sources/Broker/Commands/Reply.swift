import Model

/// The answer to one request. What is seldom said and long lies apart, so that what is said for every message is short.
package enum Reply: Sendable {
    /// One filter of a subscription is live. `cursors` is by topic: one for an exact name, one for each match of a wildcard.
    case subscribed(TopicFilter, cursors: [(topic: TopicName, cursor: Cursor)], recovered: Bool, missed: UInt64)
    case unsubscribed(TopicFilter)
    case published(TopicName, Receipt, Acknowledgement)
    indirect case topicCreated(TopicDefinition)
    indirect case topicChanged(TopicDefinition)
    case topicDestroyed(TopicName)
    /// `more` where the limit cut the list.
    case topics([TopicDefinition], more: Bool)
    indirect case topic(TopicDescription)
    case permission(TopicName, PermissionMask)
    indirect case history(TopicName, TopicPage)
    /// The newest version of a row.
    case row(TopicName, Sequenced)
    /// A part of a query's result; the last one has an `end`.
    indirect case rows(QueryChunk)
    /// How many queries were cancelled.
    case queriesCancelled(Int)
    indirect case presence(TopicName, PresenceList)
    case presenceSet(TopicName)
    case typingNoted(TopicName)
    /// How a request goes on.
    indirect case requested(RequestProgress)
    /// The acknowledgement of the message with that number is on its way.
    case acknowledged(UInt64)
    indirect case authenticated(Principal)
    indirect case cluster(ClusterView)
    indirect case figures(StatusReport)
    /// The figures follow as notices.
    case followingFigures
    case pong
    case refused(Refusal)

    /// Whether nothing else answers the same request.
    package var isLast: Bool {
        switch self {
        case .rows(let chunk): chunk.end != nil
        case .requested(.part): false
        default: true
        }
    }
}

/// How a request goes on.
package enum RequestProgress: Equatable, Sendable {
    /// One reply of the responder whose session is `source`.
    case part(TopicName, payload: [UInt8], source: String, time: WallTime)
    /// The last reply was given, the `replies`-th.
    case finished(TopicName, replies: Int)
    /// The responder's reply to the request with that number is on its way.
    case replyTaken(UInt64)
}

/// A request that a responder is to answer.
package struct RequestNotice: Equatable, Sendable {
    package let topic: TopicName
    /// What this connection, and no other, answers it by.
    package let replyTo: UInt64
    /// Who asks; empty for an anonymous one.
    package let user: String
    /// One JSON value, byte for byte.
    package let payload: [UInt8]

    package init(topic: TopicName, replyTo: UInt64, user: String, payload: [UInt8]) {
        self.topic = topic
        self.replyTo = replyTo
        self.user = user
        self.payload = payload
    }
}

/// Everything that `get-topic` tells.
package struct TopicDescription: Sendable {
    package let definition: TopicDefinition
    package let statistics: TopicStatistics
    /// Subscribers on every node that this one reaches.
    package let subscribers: UInt64
    package let heads: Cursor

    package init(definition: TopicDefinition, statistics: TopicStatistics, subscribers: UInt64, heads: Cursor) {
        self.definition = definition
        self.statistics = statistics
        self.subscribers = subscribers
        self.heads = heads
    }
}

/// What a client is told without having asked for it.
package enum Notice: Sendable {
    /// The first word on every connection. `authenticateWithin` says how long a client that proved nothing yet has.
    indirect case opened(session: String, Principal, authenticateWithin: Duration?)
    /// A message for this subscriber alone; shared ones go by ``ShardEffect/fanOut(_:_:)``.
    case event(Sequenced)
    case gap(TopicName, Gap)
    case cursor(TopicName, Cursor)
    /// A subscription that was live has ended: its topic is gone, or may no longer be read.
    case subscriptionEnded(TopicName, Refusal)
    /// A member of a topic came, went or changed.
    indirect case presence(PresenceEvent)
    /// How many members a topic has that has too many to tell of each.
    case presenceCount(TopicName, Int)
    /// Another connection's user began to type, or has ceased to: `left`.
    indirect case typing(PresenceEvent)
    /// A request of the topic, which this connection is to answer.
    indirect case request(RequestNotice)
    /// A message that this connection is given as a member of a group.
    indirect case work(WorkNotice)
    /// A refusal that answers no single request.
    case refused(Refusal)
    /// The node's figures, once a second.
    indirect case figures(StatusReport)
    /// The figures end: they may no longer be seen.
    case figuresEnded(Refusal)
    /// 30 s before the token ends.
    case tokenExpiring(WallTime)
    /// Before a close 1012.
    case draining(retryAfter: Duration, nodes: [String])
}
