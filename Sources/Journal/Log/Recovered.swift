import Model

/// What opening a log found.
package struct Recovered: Sendable {
    /// The last local sequence that the log, or its checkpoint, knows.
    package var lastSequence: UInt64 = 0
    package var vector = VersionVector()
    package var registry = Registry()
    /// The last offset of every partition of every generation that has not ended, by topic.
    package var heads: [TopicName: Cursor] = [:]
    /// The newest time of each node's records.
    package var lastTimes: [NodeID: HybridTime] = [:]
    /// Messages with an id that are young enough to be repeated, in local sequence.
    package var recent: [RecentMessage] = []
    /// The newest version of every row, by table and key.
    package var rows: [TopicGeneration: [String: RowHead]] = [:]
    /// Damaged parts that were durable once; what stood there is not served.
    package var holes: [LogHole] = []
    /// What was cut off: bytes behind the last that were known durable, from the first damaged batch on.
    package var cut: LogHole?
    /// Checkpoints that could not be read.
    package var damagedFiles: [String] = []
    /// The highest epoch of each node that was forgotten.
    package var forgotten: [NodeID: Epoch] = [:]
    /// How many records the log holds.
    package var records = 0

    package init() {}
}

/// A message that a repeat of it would be known by.
package struct RecentMessage: Sendable, Equatable {
    package let topic: TopicName
    package let publisher: String
    package let messageID: String
    package let partition: Partition
    package let offset: UInt64
    package let time: HybridTime

    package init(
        topic: TopicName, publisher: String, messageID: String, partition: Partition, offset: UInt64, time: HybridTime
    ) {
        self.topic = topic
        self.publisher = publisher
        self.messageID = messageID
        self.partition = partition
        self.offset = offset
        self.time = time
    }
}

/// A part of a segment's file.
package struct LogHole: Sendable, Equatable, CustomStringConvertible {
    package let file: String
    package let from: Int
    package let to: Int

    package init(file: String, from: Int, to: Int) {
        self.file = file
        self.from = from
        self.to = to
    }

    package var description: String { "\(file), bytes \(from) to \(to)" }
}
