/// A record with its place in this node's own order, and what it did to the registry.
///
/// Every message is one of these in several queues at once, so it stays small: what few records have lies apart.
package struct Sequenced: Sendable {
    /// Dense over everything that this node has sequenced since it was created, peers' records included; from 1.
    package let sequence: UInt64
    package let record: Record
    private let effect: Effect?
    /// Whether a message must not be delivered: a repeat of one that this node has, expired, of an ended generation, or a
    /// version of a row that a later one has beaten.
    package let isSilent: Bool
    /// Whether the message is only a mark: a memory topic's partition stands at its offset, and what this node does not
    /// have up to there it will never get.
    package let isLost: Bool
    /// Whether nobody waits until the record is on a disk, so that its sync may wait for others.
    package let isPatient: Bool
    /// Whether it is part of the state that a table's subscriber begins with.
    package var isSnapshot = false

    /// What a record did beside coming.
    private final class Effect: Sendable {
        let transition: TopicTransition?
        let replacedReaders: FormerReaders?

        init(_ transition: TopicTransition?, _ replacedReaders: FormerReaders?) {
            self.transition = transition
            self.replacedReaders = replacedReaders
        }
    }

    /// - Parameters:
    ///   - transition: what the record changed of a topic's definition; nil for messages and for changes without effect.
    ///   - replacedReaders: who could read the version of a row that this one replaces here; nil where the record's own
    ///     word on earlier versions counts.
    package init(
        sequence: UInt64, record: Record, transition: TopicTransition? = nil, isSilent: Bool = false,
        isLost: Bool = false, isPatient: Bool = false, replacedReaders: FormerReaders? = nil
    ) {
        self.sequence = sequence
        self.record = record
        effect = transition == nil && replacedReaders == nil ? nil : Effect(transition, replacedReaders)
        self.isSilent = isSilent
        self.isLost = isLost
        self.isPatient = isPatient
    }

    /// What the record changed of a topic's definition; nil for messages and for changes without effect.
    package var transition: TopicTransition? { effect?.transition }

    /// Who could read the version of a row that this one replaces here; nil where the record's own word on earlier versions
    /// counts.
    package var replacedReaders: FormerReaders? { effect?.replacedReaders }
}

/// A message that a publisher wants sequenced.
package struct Draft: Sendable {
    package let topic: TopicName
    package let event: String
    package let key: String?
    package let publisher: String
    package let source: String
    package let messageID: String?
    package let timeToLive: Duration?
    package let payload: [UInt8]
    /// Whether the publisher waits for `replicated`: a repeat of another origin's message, whose spread this node
    /// cannot count, is then written once more, to be folded with it.
    package let needsOwnRecord: Bool
    /// Whether the publisher waits for `stored` or `replicated`.
    package let isAwaited: Bool
    /// What is wanted of a row; nil for a message of a stream.
    package let row: RowDraft?

    package init(
        topic: TopicName, event: String, key: String?, publisher: String, source: String, messageID: String?,
        timeToLive: Duration?, payload: [UInt8], needsOwnRecord: Bool = false, isAwaited: Bool = true,
        row: RowDraft? = nil
    ) {
        self.topic = topic
        self.event = event
        self.key = key
        self.publisher = publisher
        self.source = source
        self.messageID = messageID
        self.timeToLive = timeToLive
        self.payload = payload
        self.needsOwnRecord = needsOwnRecord
        self.isAwaited = isAwaited
        self.row = row
    }
}

/// Where a published message came to stand.
package struct Receipt: Equatable, Sendable {
    package let partition: Partition
    package let offset: UInt64
    package let time: HybridTime
    /// The local sequence that acks wait for; 0 when the message was known before and is already settled.
    package let sequence: UInt64
    /// Whether the message was known by its `messageId` and nothing new was written.
    package let isRepeat: Bool

    package init(partition: Partition, offset: UInt64, time: HybridTime, sequence: UInt64, isRepeat: Bool) {
        self.partition = partition
        self.offset = offset
        self.time = time
        self.sequence = sequence
        self.isRepeat = isRepeat
    }
}
