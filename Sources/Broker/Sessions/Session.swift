import Model

/// What a shard knows of one connection.
struct Session {
    let connection: ConnectionID
    /// The session's own id, the `source` of what it publishes.
    let name: String
    var principal: Principal
    /// Counts changes of the principal, so that deadlines of an earlier token are known as such.
    var principalVersion: UInt32 = 0
    var subscriptions = FewDictionary<TopicFilter, Subscription>()
    /// The filters with a wildcard among the subscriptions.
    var wildcards: [TopicFilter] = []
    var followings = FewDictionary<TopicIndex, Following>()
    /// The topics of which it is a member, and what it says of itself there.
    var presences: [TopicName: PresenceEntry] = [:]
    /// The topics for which its user is typing, and when that was last said.
    var typing: [TopicName: MonotonicTime] = [:]
    /// Whether its outbound queue is over the limit.
    var isCongested = false
    /// Whether it has proved nothing yet and may do nothing but that.
    var isUnauthenticated = false
    /// Requests that wait for an answer.
    var pendingCount = 0
    /// Reads of the log that are under way.
    var readCount = 0
    /// Reads that wait for their turn.
    var queue = Line<ReadJob>()
    /// The queries that run, oldest first.
    var queries: [QueryID] = []
    /// Queries that wait for their turn.
    var waitingQueries: [(reference: RequestReference, query: Query)] = []

    /// One live subscription.
    struct Subscription {
        let selector: Selector
        /// Whether members were told of the interest.
        let holdsInterest: Bool
        let presence: Command.PresenceWish
        let responds: Bool
        /// Whether it is one of a group's, which gives out the messages.
        let isMember: Bool
        /// Where a wildcard begins in topics that the client knows and this loop does not know yet.
        var unmet: [TopicName: Cursor] = [:]
    }

    /// A read that waits for its turn.
    enum ReadJob {
        case resolve(SubscribeTask.ID, TopicName, generation: UInt32, ReadStart)
        case follow(TopicIndex)
    }

    /// What counts against the limit of subscriptions.
    var subscriptionCount: Int { followings.count + wildcards.count }

    /// What lets a topic's messages pass: nil for everything, empty for nothing.
    func selectors(for topic: TopicName) -> [Selector]? {
        var selectors: [Selector] = []
        if let exact = subscriptions[TopicFilter(topic)] { selectors.append(exact.selector) }
        for filter in wildcards where filter.matches(topic) {
            if let subscription = subscriptions[filter] { selectors.append(subscription.selector) }
        }
        return selectors.contains { $0.isUnconditional } ? nil : selectors
    }
}

/// One filter of a subscribe command on its way to being live.
struct SubscribeTask {
    typealias ID = UInt64

    let connection: ConnectionID
    let reference: RequestReference
    let filter: TopicFilter
    let selector: Selector
    let since: Command.Since?
    let snapshot: Bool?
    let presence: Command.PresenceWish
    let responds: Bool
    let group: Command.GroupWish?
    let holdsInterest: Bool
    /// Whether a majority is known to have heard of the group.
    var isGroupRecorded = false
    /// Whether it has announced, or has nothing to announce of what the connection takes on.
    var isAnnounced: Bool
    /// The announcement that it waits for.
    var interest: InterestID?
    /// Topics whose start is being looked up.
    var unresolved: Set<TopicName> = []
    /// What was found of the others.
    var resolved: [TopicName: TopicPage] = [:]

    /// Whether the subscription begins with the rows of a table.
    func isSnapshot(_ topic: TopicDefinition) -> Bool {
        topic.kind == .table && since == nil && (snapshot ?? (filter.exact != nil))
    }

    /// Where the subscription begins in one topic: at the start that was given, or with a table's rows; nil for what comes
    /// from now on.
    func start(of topic: TopicDefinition) -> ReadStart? {
        isSnapshot(topic) ? .beginning : start(of: topic.name)
    }

    /// Where the subscription begins in one topic by the start that was given; a topic that a cursor does not name has not been seen at all.
    func start(of topic: TopicName) -> ReadStart? {
        switch since {
        case nil: nil
        case .start(let start): start
        case .cursors(let cursors): .cursor(cursors[topic] ?? Cursor())
        case .recent(let cursors, let time): cursors[topic].map(ReadStart.cursor) ?? .time(time)
        }
    }

    /// The places that the client named; nil where it gave one start for all.
    var places: [TopicName: Cursor]? {
        switch since {
        case nil, .start: nil
        case .cursors(let cursors), .recent(let cursors, _): cursors
        }
    }
}
