import Model

/// What a shard keeps of a connection that asks or answers requests, or is a member of groups; most are not and have none.
struct Duties {
    /// What the connection has announced that it takes on, by topic.
    var posts: [TopicName: Post] = [:]
    /// The numbers of the requests for whose answers it waits.
    var asked: Set<UInt64> = []
    /// The requests that it was shown and has not answered to the end, by what it knows them by.
    var open: [UInt64: OpenRequest] = [:]
    /// Bytes of replies that it was given since it last had room for them.
    var unreadBytes = 0

    /// The groups of which it is a member, by topic.
    var groups: [TopicName: Membership] = [:]
    /// The messages that it was given and has not acknowledged, by what it knows them by.
    var work: [UInt64: OpenWork] = [:]

    var isEmpty: Bool { posts.isEmpty && asked.isEmpty && open.isEmpty && groups.isEmpty && work.isEmpty }

    /// A connection's place in a group.
    struct Membership {
        let key: GroupKey
        var announcement: [UInt8]
        /// The longest time to acknowledge a message that it has asked for.
        var patience: Duration
        /// Whether the subscription is live, so that it may be given something.
        var isLive = false
        /// The last offsets that it was told of.
        var told = Cursor()
    }

    /// A message that a member is to acknowledge.
    struct OpenWork {
        let id: WorkID
        let topic: TopicName
        /// From then on whoever gave it has given it to another, whether or not it could say so.
        let deadline: MonotonicTime
    }

    /// What a connection takes on in one topic.
    struct Post {
        let entry: PresenceEntry
        /// Whether the subscription is live, so that it may be given something.
        var isLive = false
    }

    /// A request that the connection is to answer.
    struct OpenRequest {
        let id: RequestID
        let topic: TopicName
        /// When the requester ceases to wait.
        let deadline: MonotonicTime
    }
}

/// Somebody who answers a topic's requests.
struct Responder {
    let station: Station
    /// The requests of this loop's clients that it has.
    var load = 0
}

/// A request of one of this loop's clients.
struct PendingRequest {
    let connection: ConnectionID
    let reference: RequestReference
    let topic: TopicName
    let deadline: MonotonicTime
    /// Kept for another responder while none was shown it.
    let payload: [UInt8]
    let user: String
    /// Who has it.
    var responder: Station?
    /// The sessions that would not take it.
    var tried: Set<String> = []
    /// Whether one of them had too much to do.
    var hasMetBusy = false
    var replies = 0
    var replyBytes = 0
}
