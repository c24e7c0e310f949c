import Model

/// Where a shard keeps a topic; used again after the topic was destroyed.
typealias TopicIndex = Int

/// What one loop knows of a topic.
struct TopicState {
    var definition: TopicDefinition
    /// The last offset of each partition that this loop has passed on.
    var heads: Cursor
    /// The local sequence of the last message that this loop has passed on.
    var lastSequence: UInt64
    /// The live receivers who get everything; nil while there are none.
    var list: ListID?
    var listedCount = 0
    /// The receivers whose messages are chosen one by one.
    var selective: [ConnectionID] = []
    /// How many receivers, and groups, are reading the log.
    var readerCount = 0
    /// How many of them are groups.
    var groupReaderCount = 0
    /// The newest messages while somebody reads.
    var recent = RecentMessages()
    /// Offsets of silent messages that those on the list have not been told of.
    var silent = Cursor()
    /// Whether a row has come that is not for everybody who may read the table.
    var isRestricted = false
    /// Whether it is the topic in which groups keep how far they have come.
    let holdsGroups: Bool

    var name: TopicName { definition.name }

    var followerCount: Int { listedCount + selective.count + readerCount - groupReaderCount }

    init(_ definition: TopicDefinition, heads: Cursor, lastSequence: UInt64) {
        self.definition = definition
        self.heads = heads
        self.lastSequence = lastSequence
        holdsGroups = definition.name == GroupRecord.topic
    }

    /// Whether everything in `cursor` has also been passed on by this loop.
    func covers(_ cursor: Cursor) -> Bool { cursor.offsets.allSatisfy { $0.value <= heads[$0.key] } }

    /// Whether everything that this loop has passed on is in `cursor`.
    func isCovered(by cursor: Cursor) -> Bool { heads.offsets.allSatisfy { $0.value <= cursor[$0.key] } }
}

/// The newest messages of a topic, so that a reader of the log can join the live stream although the log lags behind
/// it.
struct RecentMessages {
    /// Everything of the topic after this local sequence is here.
    private(set) var floor: UInt64 = 0
    private var messages: [Sequenced] = []
    private var start = 0
    private var bytes = 0

    /// Begins to remember what comes after `floor`.
    mutating func begin(after floor: UInt64) {
        self = RecentMessages()
        self.floor = floor
    }

    /// Forgets everything.
    mutating func end() { self = RecentMessages() }

    mutating func append(_ item: Sequenced, payload: Int, within settings: ShardSettings) {
        messages.append(item)
        bytes += payload
        while start < messages.count, messages.count - start > settings.recentMessages || bytes > settings.recentBytes {
            bytes -= messages[start].record.payloadCount
            floor = messages[start].sequence
            start += 1
        }
        if start > 64, start * 2 > messages.count {
            messages.removeFirst(start)
            start = 0
        }
    }

    /// What came after a local sequence; nil when some of that is no longer here.
    func after(_ sequence: UInt64) -> ArraySlice<Sequenced>? {
        guard sequence >= floor else { return nil }
        let first = messages[start...].firstIndex { $0.sequence > sequence } ?? messages.endIndex
        return messages[first...]
    }
}
