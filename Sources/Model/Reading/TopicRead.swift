/// What a reader wants of one topic's retained messages on this node.
package struct TopicRead: Sendable {
    package let topic: TopicName
    package let generation: UInt32
    package let mode: Mode
    /// At most this many messages, and about this many bytes of payload; at least one message is given where there is
    /// one.
    package let messageLimit: Int
    package let byteLimit: Int

    /// The ways to read.
    package enum Mode: Sendable {
        /// Everything not in `cursor`, sequenced here after `after`, in local sequence. The answer waits until this
        /// node has appended everything up to `through`.
        case following(cursor: Cursor, after: UInt64, through: UInt64)
        /// Messages in the order of (time, origin): the first ones after `since` where there is a start, else the
        /// newest.
        case history(since: ReadStart?, until: WallTime?)
        /// No messages: the cursor that `start` means, and what is lost since it.
        case resolve(ReadStart, through: UInt64)
        /// The row of a table that has this key: one message, or none where there is no such row. The answer waits until this
        /// node has appended everything up to `through`.
        case row(String, through: UInt64)
    }

    package init(topic: TopicName, generation: UInt32, mode: Mode, messageLimit: Int, byteLimit: Int) {
        self.topic = topic
        self.generation = generation
        self.mode = mode
        self.messageLimit = messageLimit
        self.byteLimit = byteLimit
    }

    /// The same of the same topic, read otherwise.
    package func with(_ mode: Mode) -> TopicRead {
        TopicRead(topic: topic, generation: generation, mode: mode, messageLimit: messageLimit, byteLimit: byteLimit)
    }
}

/// Where in a topic a reader begins.
package enum ReadStart: Equatable, Sendable {
    case cursor(Cursor)
    /// The oldest message that is kept.
    case beginning
    /// The newest so many messages.
    case last(Int)
    /// The first message at this time or later.
    case time(WallTime)
}

/// A run of offsets of one partition that cannot be delivered any more.
package struct Gap: Equatable, Sendable {
    /// Why the messages are gone.
    package enum Reason: String, Sendable {
        /// Retention or a time to live dropped them.
        case expired
        /// No holder had them.
        case lost
        /// A memory topic's ring had no room for them.
        case overrun
        /// The topic was destroyed and created anew.
        case destroyed
    }

    package let partition: Partition
    /// The first and the last offset of the run.
    package let from: UInt64
    package let to: UInt64
    package let reason: Reason

    package init(partition: Partition, from: UInt64, to: UInt64, reason: Reason) {
        self.partition = partition
        self.from = from
        self.to = to
        self.reason = reason
    }
}

/// What a read found.
package struct TopicPage: Sendable {
    package var messages: [Sequenced]
    /// Offsets that `following` or `resolve` should have had and that are gone, in order.
    package var gaps: [Gap]
    /// Partitions of the asked cursor whose epoch was forgotten here.
    package var forgotten: [Partition]
    /// `following`: where the reader now is. `resolve`: the place that the start means. `history`: after the last
    /// message given.
    package var cursor: Cursor
    /// `following`: everything up to this local sequence was considered.
    package var reached: UInt64
    /// Whether more messages match than were given.
    package var more: Bool
    /// How many retained messages `resolve` found after the cursor.
    package var count: Int

    package init(
        messages: [Sequenced] = [], gaps: [Gap] = [], forgotten: [Partition] = [], cursor: Cursor = Cursor(),
        reached: UInt64 = 0, more: Bool = false, count: Int = 0
    ) {
        self.messages = messages
        self.gaps = gaps
        self.forgotten = forgotten
        self.cursor = cursor
        self.reached = reached
        self.more = more
        self.count = count
    }
}

/// How much of a topic this node keeps.
package struct TopicStatistics: Equatable, Sendable {
    package let messages: UInt64
    /// Bytes of payload.
    package let bytes: UInt64

    package init(messages: UInt64, bytes: UInt64) {
        self.messages = messages
        self.bytes = bytes
    }
}
