import Model

/// What a sequencer begins with: what the log held when the node started.
package struct SequencerStart: Sendable {
    /// This run's origin; its epoch is synced already.
    package var origin: Origin
    /// The last local sequence given.
    package var sequence: UInt64
    package var vector: VersionVector
    package var registry: Registry
    /// The last offset of every partition, by topic and generation.
    package var heads: [TopicGeneration: Cursor]
    /// The latest time of this node's own records, those of earlier epochs included.
    package var time: HybridTime
    /// Messages with an id, young enough to be repeated, oldest first.
    package var recent: [RecentMessage]
    /// The newest version of every row, by table and key.
    package var rows: [TopicGeneration: [String: RowHead]] = [:]

    /// The start that a recovered log asks for.
    package init(origin: Origin, recovered: Recovered) {
        self.init(
            origin: origin, sequence: recovered.lastSequence, vector: recovered.vector, registry: recovered.registry,
            time: recovered.lastTimes[origin.node] ?? .zero, recent: recovered.recent)
        rows = recovered.rows
        for (name, cursor) in recovered.heads {
            for (partition, offset) in cursor.offsets {
                let place = TopicGeneration(name: name, generation: partition.generation)
                heads[place, default: Cursor()].advance(partition, to: offset)
            }
        }
    }

    /// About when each of the recent messages came: not after any that came later, so that times from clocks that are
    /// ahead count for nothing.
    var arrivals: [HybridTime] {
        var arrivals = recent.map(\.time)
        for index in arrivals.indices.dropLast().reversed() {
            arrivals[index] = min(arrivals[index], arrivals[index + 1])
        }
        return arrivals
    }

    package init(
        origin: Origin, sequence: UInt64 = 0, vector: VersionVector = VersionVector(), registry: Registry = Registry(),
        heads: [TopicGeneration: Cursor] = [:], time: HybridTime = .zero, recent: [RecentMessage] = []
    ) {
        self.origin = origin
        self.sequence = sequence
        self.vector = vector
        self.registry = registry
        self.heads = heads
        self.time = time
        self.recent = recent
    }
}

/// A topic in one of its generations.
package struct TopicGeneration: Hashable, Sendable {
    package let name: TopicName
    package let generation: UInt32

    package init(name: TopicName, generation: UInt32) {
        self.name = name
        self.generation = generation
    }
}

/// What makes two messages one: the topic, who published, and the id that the publisher gave.
package struct DeduplicationKey: Hashable, Sendable {
    package let topic: TopicName
    package let publisher: String
    package let messageID: String

    package init(topic: TopicName, publisher: String, messageID: String) {
        self.topic = topic
        self.publisher = publisher
        self.messageID = messageID
    }
}

/// Bounds of the sequencer.
package struct SequencerSettings: Sendable {
    /// How far apart in time two messages with one key may be and still be one.
    package var window: Duration = .seconds(300)
    /// How many ids are remembered; past that the oldest go first.
    package var capacity = 1_000_000
    /// How many rows of tables a node holds, ended ones that it must remember among them; past that none is created here.
    package var rows = 1_000_000

    package init() {}
}
