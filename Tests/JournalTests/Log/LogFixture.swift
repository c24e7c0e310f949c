import Journal
import Model

/// Writes sequenced records as a node's sequencer would, of any origin.
struct Author {
    private(set) var sequence: UInt64 = 0
    private var positions: [Origin: [UInt64]] = [:]
    private var offsets: [TopicName: Cursor] = [:]
    private var counters: [Origin: UInt64] = [:]

    init(sequence: UInt64 = 0) {
        self.sequence = sequence
    }

    /// The next message of an origin; its time is in milliseconds since 1970.
    mutating func message(
        _ origin: Origin = .first, topic: TopicName = .news, generation: UInt32 = 1, time: UInt64 = 1_000,
        expiry: Int64? = nil, id: String? = nil, publisher: String = "ann", isOfMemory: Bool = false,
        payload: String = "{\"a\":1}"
    ) -> Sequenced {
        let partition = Partition(origin: origin, generation: generation)
        let offset = offsets[topic, default: Cursor()][partition] + 1
        offsets[topic, default: Cursor()].advance(partition, to: offset)
        let slot = Slot(of: topic)
        return sequenced(
            origin, slot: slot, time: time, isOfMemory: isOfMemory,
            .message(
                Message(
                    topic: topic, generation: generation, offset: offset, event: "new-message", key: nil,
                    publisher: publisher,
                    source: "s1", messageID: id, expiry: expiry.map { WallTime(milliseconds: $0) },
                    payload: Array(payload.utf8))))
    }

    /// The next version of a row, as its origin wrote it.
    mutating func row(
        _ key: String, _ revision: UInt64, _ origin: Origin = .first, topic: TopicName = .news, time: UInt64 = 1_000,
        payload: String
    ) -> Sequenced {
        let partition = origin.partition
        let offset = offsets[topic, default: Cursor()][partition] + 1
        offsets[topic, default: Cursor()].advance(partition, to: offset)
        return sequenced(
            origin, slot: Slot(of: topic), time: time,
            .message(
                Message(
                    topic: topic, generation: 1, offset: offset, event: revision == 1 ? "create" : "update", key: key,
                    publisher: "ann", source: "s1", messageID: nil, expiry: nil, payload: Array(payload.utf8),
                    row: RowVersion(revision: revision))))
    }

    mutating func creation(
        _ topic: TopicName = .news, origin: Origin = .first, generation: UInt32 = 1,
        kind: TopicDefinition.Kind = .stream, durability: TopicDefinition.Durability = .disk, retention: Retention = .unlimited, time: UInt64 = 1
    ) -> Sequenced {
        sequenced(
            origin, slot: .system, time: time,
            .topic(
                .created(
                    topic, generation: generation, kind: kind, durability: durability, owner: "ann", groups: [],
                    settings: TopicSettings(retention: retention))))
    }

    mutating func removal(_ departure: DepartureRecord) -> Sequenced {
        sequenced(.first, slot: .system, time: 1_000, .departure(departure))
    }

    mutating func system(_ body: Record.Body) -> Sequenced {
        sequenced(.first, slot: .system, time: 1_001, body)
    }

    mutating func destruction(_ topic: TopicName = .news, generation: UInt32 = 1, time: UInt64 = 1) -> Sequenced {
        sequenced(.first, slot: .system, time: time, .topic(.destroyed(topic, generation: generation)))
    }

    private mutating func sequenced(
        _ origin: Origin, slot: Slot, time: UInt64, isOfMemory: Bool = false, _ body: Record.Body
    ) -> Sequenced {
        sequence += 1
        counters[origin, default: 0] += 1
        var position: UInt64 = 0
        if !isOfMemory {
            positions[origin, default: [UInt64](repeating: 0, count: Slot.count)][Int(slot.index)] += 1
            position = positions[origin]![Int(slot.index)]
        }
        return Sequenced(
            sequence: sequence,
            record: Record(
                origin: origin, slot: slot, position: position,
                time: HybridTime(milliseconds: time, counter: UInt16(truncatingIfNeeded: counters[origin]!)), seen: 0,
                body: body))
    }
}

extension Origin {
    static let first = Origin(node: NodeID(rawValue: 1), epoch: Epoch(rawValue: 1 << 16))
    static let second = Origin(node: NodeID(rawValue: 2), epoch: Epoch(rawValue: 1 << 16))
    static let third = Origin(node: NodeID(rawValue: 3), epoch: Epoch(rawValue: 1 << 16))

    /// Its share of generation 1 of a topic.
    var partition: Partition { Partition(origin: self, generation: 1) }
}

extension TopicName {
    static let news = topic("news")

    static func topic(_ text: String) -> TopicName {
        do { return try TopicName(text) } catch { preconditionFailure("\(text) is a topic name") }
    }
}

extension WallTime {
    static func at(_ milliseconds: Int64) -> WallTime { WallTime(milliseconds: milliseconds) }
}

extension Log {
    /// Everything after a cursor, as a subscriber would read it.
    mutating func follow(
        _ topic: TopicName = .news, generation: UInt32 = 1, cursor: Cursor = Cursor(), after: UInt64 = 0,
        limit: Int = 10_000,
        at now: WallTime = .at(2_000)
    ) throws -> TopicPage {
        let page = try read(
            TopicRead(
                topic: topic, generation: generation, mode: .following(cursor: cursor, after: after, through: 0),
                messageLimit: limit, byteLimit: 1 << 24),
            at: now)
        return try page.found()
    }

    mutating func history(
        _ topic: TopicName = .news, since: ReadStart? = nil, until: WallTime? = nil, limit: Int = 10_000,
        at now: WallTime = .at(2_000)
    ) throws -> TopicPage {
        try read(
            TopicRead(
                topic: topic, generation: 1, mode: .history(since: since, until: until), messageLimit: limit,
                byteLimit: 1 << 24),
            at: now
        ).found()
    }

    mutating func resolve(
        _ start: ReadStart, _ topic: TopicName = .news, at now: WallTime = .at(2_000)
    ) throws -> TopicPage {
        try read(
            TopicRead(
                topic: topic, generation: 1, mode: .resolve(start, through: 0), messageLimit: 1, byteLimit: 1),
            at: now
        ).found()
    }

    /// Appends and syncs, one batch.
    mutating func keep(_ batch: [Sequenced]) throws {
        try append(batch)
        try syncNow()
    }
}

extension Optional where Wrapped == TopicPage {
    /// The page, where there is one.
    func found() throws -> TopicPage {
        guard let self else { throw NoPage() }
        return self
    }
}

/// A read that should have been answered was not.
struct NoPage: Error {}

extension TopicPage {
    var sequences: [UInt64] { messages.map(\.sequence) }
    var times: [Int64] { messages.map(\.record.time.wall.milliseconds) }
}

extension LogSettings {
    /// Segments of a few records.
    static var small: LogSettings {
        var settings = LogSettings()
        settings.segmentBytes = 1_000
        settings.cacheBytes = 1
        return settings
    }
}
