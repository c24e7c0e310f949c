import Broker
import Model

/// A small sequencer with its log: what a node does for its shards, without threads, disk or peers.
///
/// The log may lag behind the sequencer (`appended`), drop its oldest messages (`expire`) and take peers' records.
final class TestLedger: Ledger {
    let home: Origin
    private(set) var registry = Registry()
    /// Everything ever sequenced, by local sequence from 1.
    private(set) var records: [Sequenced] = []
    /// How much of it the log has.
    var appended: UInt64 = 0
    private(set) var expired: Set<UInt64> = []
    private var taken = 0
    private var heads: [TopicName: Cursor] = [:]
    private var places: [TopicName: [Partition: [UInt64: UInt64]]] = [:]
    private var known: [String: Receipt] = [:]
    private var clock: UInt64 = 1_700_000_000_000

    init(home: Origin = TestLedger.origin(1)) {
        self.home = home
    }

    static func origin(_ number: UInt64) -> Origin {
        Origin(node: NodeID(rawValue: number), epoch: Epoch(rawValue: number << 16))
    }

    var origin: Origin { home }

    var sequence: UInt64 { UInt64(records.count) }

    func head(_ topic: TopicName) -> Cursor {
        guard let generation = registry.topic(topic)?.generation else { return Cursor() }
        return Cursor((heads[topic] ?? Cursor()).offsets.filter { $0.key.generation == generation })
    }

    func publish(_ drafts: [Draft]) -> [Result<Receipt, Refusal>] {
        drafts.map { draft in
            guard let topic = registry.topic(draft.topic) else { return .failure(.topicUnknown(draft.topic)) }
            let key = draft.messageID.map { "\(draft.topic)|\(draft.publisher)|\($0)" }
            if let key, let receipt = known[key] {
                return .success(
                    Receipt(
                        partition: receipt.partition, offset: receipt.offset, time: receipt.time, sequence: 0,
                        isRepeat: true))
            }
            let item = append(
                draft.topic, topic.generation, home, payload: draft.payload, event: draft.event,
                publisher: draft.publisher,
                source: draft.source)
            let message = item.record.message!
            let receipt = Receipt(
                partition: item.record.partition(of: message), offset: message.offset, time: item.record.time,
                sequence: item.sequence, isRepeat: false)
            if let key { known[key] = receipt }
            return .success(receipt)
        }
    }

    /// A peer's message comes in, after `lost` others that nobody has any more.
    func publishRemotely(
        _ topic: TopicName, _ payload: String, from number: UInt64 = 2, lost: UInt64 = 0, isSilent: Bool = false
    ) {
        append(
            topic, registry.topic(topic)!.generation, Self.origin(number), payload: Array(payload.utf8), lost: lost,
            isSilent: isSilent)
    }

    func createTopic(_ topic: TopicCreation) -> Result<TopicWrite, Refusal> {
        if registry.topic(topic.name) != nil { return .failure(.topicExists(topic.name)) }
        let generation = registry.entries[topic.name]?.nextGeneration ?? 1
        return write(
            .created(
                topic.name, generation: generation, kind: topic.kind, durability: topic.durability, owner: topic.owner,
                groups: topic.groups, settings: topic.settings))
    }

    func changeTopic(
        _ name: TopicName, retention: Retention?, permission: PermissionMask?
    ) -> Result<TopicWrite, Refusal> {
        guard let topic = registry.topic(name) else { return .failure(.topicUnknown(name)) }
        var settings = topic.settings
        if let retention { settings.retention = retention }
        if let permission { settings.permission = permission }
        let revision = registry.entries[name]!.revision + 1
        return write(.changed(name, generation: topic.generation, revision: revision, settings: settings))
    }

    func destroyTopic(_ name: TopicName) -> Result<TopicWrite, Refusal> {
        guard let topic = registry.topic(name) else { return .failure(.topicUnknown(name)) }
        return write(.destroyed(name, generation: topic.generation))
    }

    func take() -> [Sequenced] {
        defer { taken = records.count }
        return Array(records[taken...])
    }

    func heads(of topics: [TopicName]) -> (heads: [Cursor], sequence: UInt64, batch: [Sequenced]) {
        (topics.map(head), sequence, take())
    }

    /// The message at an offset; nil for one that was lost before it came here.
    func message(_ topic: TopicName, _ partition: Partition, _ offset: UInt64) -> Sequenced? {
        guard let sequence = places[topic]?[partition]?[offset] else { return nil }
        return records[Int(sequence) - 1]
    }

    /// Drops the message with this local sequence.
    func expire(_ sequence: UInt64) { expired.insert(sequence) }

    @discardableResult
    private func append(
        _ topic: TopicName, _ generation: UInt32, _ origin: Origin, payload: [UInt8], event: String = "new-message",
        publisher: String = "", source: String = "peer", lost: UInt64 = 0, isSilent: Bool = false
    ) -> Sequenced {
        let partition = Partition(origin: origin, generation: generation)
        let offset = (heads[topic] ?? Cursor())[partition] + 1 + lost
        heads[topic, default: Cursor()].advance(partition, to: offset)
        places[topic, default: [:]][partition, default: [:]][offset] = sequence + 1
        return append(
            origin,
            .message(
                Message(
                    topic: topic, generation: generation, offset: offset, event: event, key: nil, publisher: publisher,
                    source: source, messageID: nil, expiry: nil, payload: payload)), isSilent: isSilent)
    }

    private func append(
        _ origin: Origin, _ body: Record.Body, transition: TopicTransition? = nil, isSilent: Bool = false
    ) -> Sequenced {
        clock += 1
        let record = Record(
            origin: origin, slot: .system, position: sequence + 1, time: HybridTime(milliseconds: clock), seen: 0,
            body: body)
        records.append(Sequenced(sequence: sequence + 1, record: record, transition: transition, isSilent: isSilent))
        return records[records.count - 1]
    }

    private func write(_ change: TopicChange) -> Result<TopicWrite, Refusal> {
        let before = registry.topic(change.name)
        clock += 1
        let transition = registry.merge(change, stamp: Stamp(time: HybridTime(milliseconds: clock), origin: home))
        let item = append(home, .topic(change), transition: transition)
        guard let definition = registry.topic(change.name) ?? before else {
            return .failure(.topicUnknown(change.name))
        }
        return .success(TopicWrite(definition: definition, sequence: item.sequence))
    }
}
