import Model

/// The broker's part that one event loop owns: its sessions, their subscriptions, and the delivery of messages to them.
///
/// It decides and never acts: requests, the loop's mailbox and the answers to its own questions go in, effects come
/// out, in the order in which they must be carried out. A subscriber of a topic stands on the topic's list of live
/// receivers, or is given its messages one by one (because conditions choose them), or reads the log until it has
/// reached the last record that this loop has delivered; in each case it gets every message once.
package struct Shard {
    let settings: ShardSettings
    let place: ShardPlace
    var access: AccessPolicy
    /// By the index of their connection.
    var sessions: [Session?] = []
    var topics: [TopicState?] = []
    var topicIndexes: [TopicName: TopicIndex] = [:]
    /// Every topic's name, in order.
    var sortedNames: [TopicName] = []
    var freeTopics: [TopicIndex] = []
    var freeLists: [ListID] = []
    var listCount: UInt32 = 0
    /// Who follows which wildcard, in the order of subscribing.
    var wildcards: [TopicFilter: [ConnectionID]] = [:]
    var interests: [TopicFilter: Interest] = [:]
    /// Which filter an announcement of interest under way is for, and who waits for it, in the order of subscribing.
    var announcements: [InterestID: (filter: TopicFilter?, waiting: [SubscribeTask.ID])] = [:]
    var tasks: [SubscribeTask.ID: SubscribeTask] = [:]
    var reads: [ReadID: ReadPurpose] = [:]
    var queries: [QueryID: RunningQuery] = [:]
    var stored: AcknowledgementLine
    var replicated = AcknowledgementLine(through: 0)
    var deadlines = DeadlineQueue<Deadline>()
    var isAcknowledgementDeadlineScheduled = false
    /// Who is told the node's figures once a second, in the order of asking.
    var figureFollowers: [ConnectionID] = []
    /// Whether a deadline or a report for them is under way.
    var areFiguresDue = false
    /// How connections keep to their requests a second; empty without a limit.
    var paces: [ConnectionID: RequestPace] = [:]
    /// Who is told of the members of a topic, in the order of subscribing.
    var presenceObservers: [TopicName: [ConnectionID]] = [:]
    /// Who is told of typing, in the order of subscribing.
    var typingObservers: [TopicFilter: [ConnectionID]] = [:]
    /// What connections that ask or answer requests have to do.
    var duties: [ConnectionID: Duties] = [:]
    /// The requests of this loop's clients that are under way.
    var requests: [UInt64: PendingRequest] = [:]
    /// The bytes of what they ask.
    var requestBytes = 0
    /// Counts the requests that were given to somebody.
    var requestTurn: UInt64 = 0
    /// When those whose time is over are looked for.
    var requestsDueAt = MonotonicTime.distantFuture
    /// Who answers requests, on every node, in the order of being heard of.
    var responders: [TopicName: [Responder]] = [:]
    /// What this loop gives out of groups: those that are its own among the node's loops.
    var dispatchers: [GroupKey: GroupDispatcher] = [:]
    /// The same, by their topics.
    var groupsOfTopics: [TopicName: [GroupKey]] = [:]
    /// The members of groups that are this loop's, on every node.
    var crews: [GroupKey: [Worker]] = [:]
    /// Which group each of them has announced.
    var workerGroups: [PresenceKey: GroupKey] = [:]
    /// Which group a message that was given out is of, by its number.
    var workKeys: [UInt64: GroupKey] = [:]
    /// What `$groups` holds.
    var knownGroups: [GroupKey: KnownGroup] = [:]
    /// Whether all of it was read that was there at the start.
    var areGroupsKnown = false
    var groupLogRead: ReadID?
    var groupLogPlace: (cursor: Cursor, after: UInt64) = (Cursor(), 0)
    /// Messages that were given out in vain as often as may be.
    var deadLetters: [(key: GroupKey, work: GroupDispatcher.Work)] = []
    /// The runs of other nodes that are alive, and those by which this node gives out what others have left; nil before it
    /// knows enough.
    var peers: Set<Origin> = []
    var settledPeers: Set<Origin>?
    /// When those of the settled runs went that are not among the peers.
    var wentAt: [Origin: MonotonicTime] = [:]
    /// Runs that were among the peers since then, if only for a moment: what they give out was passed over here.
    var returned: Set<Origin> = []
    /// What members have settled, of which their nodes could not be told yet.
    var untold: [(id: WorkID, session: String)] = []
    /// When the one becomes the other.
    var takeoverAt = MonotonicTime.distantFuture
    /// Up to when comings and goings may put that off.
    var takeoverLimit = MonotonicTime.distantFuture
    /// When what groups have settled is written.
    var recordsAt = MonotonicTime.distantFuture
    /// How many messages of `$groups` were merged.
    var groupRecordCount: UInt64 = 0
    var groupsDueAt = MonotonicTime.distantFuture
    /// How many memberships and responders this loop announces.
    var presenceCount = 0
    /// How many members those topics have that are due to be told only that.
    var owedCounts: [TopicName: Int] = [:]
    private var lastNumber: UInt64 = 0

    /// The last local sequence that this loop has delivered.
    package internal(set) var deliveredThrough: UInt64
    /// How many subscriptions are live on this loop.
    package internal(set) var subscriptionCount = 0
    /// What was done so far.
    package internal(set) var counters = ShardCounters()

    /// How many subscriptions of this loop hold an interest, and whether the members know of it.
    struct Interest {
        var count: Int
        let id: InterestID
        var isConfirmed = false
    }

    /// What the answer to a read is for.
    enum ReadPurpose {
        case resolve(SubscribeTask.ID, ConnectionID, TopicName)
        case follow(ConnectionID, TopicIndex)
        case history(ConnectionID, RequestReference, TopicName, rowsOnly: Bool)
        case row(ConnectionID, RequestReference, TopicName, key: String)
        case describe(ConnectionID, RequestReference)
        case presence(ConnectionID, RequestReference, TopicName)
        case cluster(ConnectionID, RequestReference)
        case figures(ConnectionID, RequestReference)
        case followedFigures
        case group(GroupKey)
        case groupRecords
    }

    /// What is to be done at a time.
    enum Deadline {
        case acknowledgements
        case cursorNotice(ConnectionID, TopicIndex)
        case tokenWarning(ConnectionID, version: UInt32)
        case tokenEnd(ConnectionID, version: UInt32)
        case interest(InterestID)
        case holdEnd(ConnectionID)
        case excessLimit(ConnectionID, excess: UInt32)
        case firstMessage(ConnectionID)
        case typing(ConnectionID, TopicName)
        case presenceCount(TopicName)
        case figures
        case requests
        case groups
    }

    /// - Parameters:
    ///   - place: where it stands; a shard that is alone may leave it out.
    ///   - topics: those that exist at start.
    ///   - heads: the last offsets of each topic that lie at or before `deliveredThrough`.
    ///   - deliveredThrough: the local sequence after which the loop's mailbox begins; all before it is on disk.
    package init(
        settings: ShardSettings = ShardSettings(), access: AccessPolicy, place: ShardPlace = ShardPlace(), topics: [TopicDefinition] = [],
        heads: [TopicName: Cursor] = [:], deliveredThrough: UInt64 = 0
    ) {
        precondition(settings.catchUpsPerConnection > 0, "a connection must be able to catch up")
        precondition(settings.pageMessages > 0 && settings.historyMessages > 0, "a page must be able to hold a message")
        self.settings = settings
        self.access = access
        self.place = place
        self.deliveredThrough = deliveredThrough
        stored = AcknowledgementLine(through: deliveredThrough)
        for definition in topics {
            addTopic(
                TopicState(
                    definition, heads: heads[definition.name] ?? Cursor(), lastSequence: deliveredThrough))
        }
    }

    /// Why a principal may not do something under a name that is no topic's.
    package func refusal(of action: AccessAction, on name: TopicName, to principal: Principal) -> Refusal? {
        access.decides(action, on: name, nil, for: principal)
    }

    /// When ``advance(to:ledger:into:)`` has something to do.
    package var nextDeadline: MonotonicTime { deadlines.next }

    /// How many connections of this loop follow a topic.
    package func subscriberCount(of name: TopicName) -> Int {
        topicIndexes[name].flatMap { topics[$0] }?.followerCount ?? 0
    }

    /// How many connections are open.
    package var sessionCount: Int { sessions.count { $0 != nil } }

    /// A number that was not given before, for reads, announcements and tasks.
    mutating func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }

    /// Where the connection's session is kept; nil when it is not open.
    func slot(of connection: ConnectionID) -> Int? {
        let slot = Int(connection.index)
        guard slot < sessions.count, sessions[slot]?.connection == connection else { return nil }
        return slot
    }

    @discardableResult
    mutating func addTopic(_ state: TopicState) -> TopicIndex {
        let name = state.name
        precondition(topicIndexes[name] == nil, "a topic is added once")
        sortedNames.insert(name, at: namePlace(name))
        if let free = freeTopics.popLast() {
            topics[free] = state
            topicIndexes[name] = free
            return free
        }
        topics.append(state)
        topicIndexes[name] = topics.count - 1
        return topics.count - 1
    }

    mutating func removeTopic(_ topic: TopicIndex) {
        guard let name = topics[topic]?.name else { return }
        topics[topic] = nil
        topicIndexes[name] = nil
        sortedNames.remove(at: namePlace(name))
        freeTopics.append(topic)
    }

    /// The place of the first name that is not before `name`.
    func namePlace(_ name: TopicName) -> Int {
        var (low, high) = (0, sortedNames.count)
        while low < high {
            let middle = (low + high) / 2
            if sortedNames[middle] < name { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
