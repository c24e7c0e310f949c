import Model

/// A connection of one shard: an index that is used again, and a count that is not.
package struct ConnectionID: Hashable, Comparable, Sendable {
    package let index: UInt32
    package let generation: UInt32

    package init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }

    package static func < (left: ConnectionID, right: ConnectionID) -> Bool {
        (left.index, left.generation) < (right.index, right.generation)
    }
}

/// A topic's list of live receivers in the hub of one loop. Numbers are used again after `.dropList`.
package struct ListID: Hashable, Sendable {
    package let index: UInt32

    package init(index: UInt32) {
        self.index = index
    }
}

/// What a shard wants done, in this order. What is seldom wanted lies apart: there is an effect for every message.
package enum ShardEffect: Sendable {
    case reply(ConnectionID, RequestReference, Reply)
    case notify(ConnectionID, Notice)
    /// Adds the connection to, or removes it from, a topic's list of live receivers.
    case join(ListID, ConnectionID)
    case leave(ListID, ConnectionID)
    case dropList(ListID)
    /// One message to everybody on a list: encoded once per dialect.
    case fanOut(ListID, Sequenced)
    /// A gap in the live stream, to everybody on a list.
    indirect case fanOutGap(ListID, TopicName, Gap)
    /// Offsets that nobody is to be shown, to everybody on a list.
    indirect case fanOutCursor(ListID, TopicName, Cursor)
    /// Verify a token off the loop and answer with `verified`.
    indirect case verify(ConnectionID, RequestReference, token: String)
    /// Read from the log and answer with `page`.
    indirect case read(ReadID, TopicRead)
    /// Gather a topic's statistics and answer with `described`.
    indirect case describe(ReadID, TopicDefinition)
    /// Run a query off the loop; answer with `queried` for each chunk and `queryRefused` at a failure. The first chunk may
    /// come at once, each later one after a `resumeQuery`.
    indirect case query(QueryID, QueryTask)
    /// The connection has room for one more chunk.
    case resumeQuery(QueryID)
    /// Nobody waits for the query any more, and nothing is to be answered.
    case cancelQuery(QueryID)
    /// Gather what the node and the cluster are doing and answer with `reported`.
    case report(ReadID)
    /// The set of topics with subscribers on this loop changed: announce it, and answer with `interestConfirmed` when
    /// every reachable member has confirmed.
    indirect case interest(InterestID, added: [TopicFilter], removed: [TopicFilter])
    /// Announce who came, went, changed, or began or ceased to type on this loop; all loops of all nodes are told with
    /// `presenceChanged`, this one too.
    case announce([PresenceChange])
    /// Answer with `interestConfirmed` when every reachable member has taken all that was announced before.
    case confirmAnnouncements(InterestID)
    /// Tell an event loop of a node, this one's own among them; `receive` is called there, or `lost` here.
    indirect case errand(Errand, to: NodeID, loop: Int)
    /// Gather who is there in a topic, only how many where there are more than `limit`, and answer with
    /// `presenceListed`.
    indirect case presence(ReadID, TopicName, limit: Int)
    /// Do not read the connection's socket: it is over its requests a second.
    case hold(ConnectionID)
    /// Read it again.
    case release(ConnectionID)
    /// Close with a WebSocket close code and reason.
    case close(ConnectionID, code: UInt16, reason: String)
}

/// A question that a shard has put to the log and waits for.
package struct ReadID: Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

/// A change of interest that a shard has announced and waits to be confirmed.
package struct InterestID: Hashable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}
