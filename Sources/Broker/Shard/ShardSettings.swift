import Model

/// The bounds and defaults of a shard. Each bound has a sentence that a client sees when it is met.
package struct ShardSettings: Sendable {
    /// The most topics and wildcards that a connection may follow; default 10,000.
    package var subscriptionsPerConnection = 10_000
    /// The most requests of a connection that may wait for an answer; default 10,000.
    package var pendingRequestsPerConnection = 10_000
    /// How many reads of the log a connection may have under way, others queue; default 4.
    package var catchUpsPerConnection = 4
    /// The most messages that one page of a catch-up brings; default 256.
    package var pageMessages = 256
    /// About how many bytes of payload one page of a catch-up brings; default 256 KiB.
    package var pageBytes = 262_144
    /// How many messages of a topic are remembered while somebody catches up on it, to cover the log's lag; default
    /// 256.
    package var recentMessages = 256
    /// How many bytes of payload are remembered for the same; default 256 KiB.
    package var recentBytes = 262_144
    /// The most messages that one history answer holds; default 1,000.
    package var historyMessages = 1_000
    /// About how many bytes of payload one history answer holds; default 1 MiB.
    package var historyBytes = 1_048_576
    /// How many queries of a connection run at once, others queue; default 4.
    package var queriesPerConnection = 4
    /// How many queries of a connection may wait for their turn, more are refused; default 100.
    package var waitingQueriesPerConnection = 100
    /// The most topics that one list answer holds; default 10,000.
    package var listedTopics = 10_000
    /// The longest `messageId`, key or event name, in bytes of UTF-8; default 255.
    package var textBytes = 255
    /// How long `stored` and `replicated` acks are waited for; default 5 s.
    package var acknowledgementLimit: Duration = .seconds(5)
    /// How long a subscribe waits for members to confirm interest in topics kept in memory; default 2 s.
    package var interestLimit: Duration = .seconds(2)
    /// How long a client may be left without a cursor for messages that it was not shown; default 8 s, promised are 10.
    package var cursorNoticeDelay: Duration = .seconds(8)
    /// How long before a token ends its client is warned; default 30 s.
    package var expiryWarning: Duration = .seconds(30)
    /// The most members of which a client is told by name; default 200. Of a topic with more it is told how many.
    package var listedMembers = 200
    /// How often a client is told how many members a topic has that has too many; default once a second.
    package var presenceCountDelay: Duration = .seconds(1)
    /// The most memberships that a loop announces; default 20,000.
    package var presences = 20_000
    /// The most topics of which a connection is a member; default 1,000.
    package var presencesPerConnection = 1_000
    /// The longest `state` of a member, in bytes of JSON; default 1 KiB.
    package var presenceStateBytes = 1_024
    /// How long somebody is held to be typing who does not say so again; default 8 s, promised are 10.
    package var typingLimit: Duration = .seconds(8)
    /// The most topics for which a connection's user types at once; default 16.
    package var typingsPerConnection = 16
    /// The most requests to responders that a connection may have under way; default 100.
    package var requestsPerConnection = 100
    /// The most requests to responders that the connections of a loop may have under way; default 10,000.
    package var requests = 10_000
    /// How many bytes those may have together; default 64 MiB.
    package var requestBytes = 64 << 20
    /// The most requests that a responder may have and not have answered; default 1,000.
    package var openRequestsPerConnection = 1_000
    /// How many bytes the replies to one request may have together, and those that a slow connection has not read; default
    /// 4 MiB.
    package var replyBytes = 4 << 20
    /// The longest that a request may wait for its answer; default 5 min.
    package var longestRequest: Duration = .seconds(300)
    /// The most messages of a group that wait for a member, before more is left in the log; default 256.
    package var groupWaiting = 256
    /// The most bytes of such messages; default 1 MiB.
    package var groupWaitingBytes = 1 << 20
    /// The most messages that a member of a group has and has not settled; default 64.
    package var groupWindow = 64
    /// How many bytes those may have; default 1 MiB, one message may have more.
    package var groupWindowBytes = 1 << 20
    /// How often a message is given out before it goes to the dead letters; default 5.
    package var groupAttempts = 5
    /// How long a member that turned a message down is given nothing; default 200 ms.
    package var groupPause: Duration = .milliseconds(200)
    /// How long what a group has settled may stay unwritten; default 1 s. What a crash finds unwritten is given out again.
    package var groupRecordDelay: Duration = .seconds(1)
    /// After how long what could not be read or written is tried again; default 1 s.
    package var groupRetry: Duration = .seconds(1)
    /// How long after a node came or went its share of groups is taken over or left; default 1 s.
    package var takeoverDelay: Duration = .seconds(1)
    /// For how long more comings and goings may put that off; default 5 s.
    package var takeoverPatience: Duration = .seconds(5)
    /// The delay at the start, when others have still to be met; default 5 s.
    package var firstTakeover: Duration = .seconds(5)
    /// After how many messages of `$groups` about others a group's record is written again, so that it does not leave the
    /// topic; default 10,000.
    package var groupRefresh: UInt64 = 10_000
    /// How long that is done for a group without members; default 14 days.
    package var groupMemory: Duration = .seconds(14 * 86_400)
    /// The most acknowledging groups that a node knows; default 1,000.
    package var groups = 1_000
    /// The most acknowledgements that wait to be told to the nodes that gave the messages out; default 10,000.
    package var groupsUntold = 10_000
    /// The most acknowledging groups of one topic; default 100.
    package var groupsPerTopic = 100
    /// The mask of a topic whose creator names none; default every user reads and publishes, the owner does everything.
    package var defaultPermission = PermissionMask.standard
    /// What is kept of topics that are created without a limit of their own. Default everything.
    package var defaultRetention = Retention.unlimited
    /// Requests a second beyond which a connection is read more slowly; default nil, no limit.
    package var requestsPerSecond: Int?
    /// How many requests a connection may send at once; default nil, those of one second.
    package var requestBurst: Int?
    /// How long a connection may go on being over its requests a second before it is closed with 1008; default 10 s.
    package var excessLimit: Duration = .seconds(10)
    /// How long a connection that came without a token may take to authenticate before it is closed with 1008; default
    /// 10 s.
    package var firstMessageLimit: Duration = .seconds(10)

    package init() {}
}

/// What a shard has done since it was made, for metrics.
package struct ShardCounters: Equatable, Sendable {
    /// Messages that the sequencer took.
    package var published: UInt64 = 0
    /// Requests that were refused.
    package var refused: UInt64 = 0
    /// Messages that were handed to receivers, one for each receiver.
    package var delivered: UInt64 = 0
    /// Pages that were read for those who catch up.
    package var pages: UInt64 = 0
    /// How often a connection was too slow for the live stream.
    package var congestions: UInt64 = 0
    /// Gaps that were told, one for each list or receiver.
    package var gaps: UInt64 = 0
    /// Subscriptions that were refused because their connection has as many as it may.
    package var subscriptionsRefused: UInt64 = 0
    /// How often a connection was held for being over its requests a second.
    package var holds: UInt64 = 0
    /// Connections closed because they went on being over their requests a second.
    package var excesses: UInt64 = 0
    /// Connections closed because they did not authenticate.
    package var unauthenticated: UInt64 = 0

    package init() {}
}
