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
    /// The newest version of every row, with its local sequence.
    private var rows: [TopicName: [String: (message: Message, sequence: UInt64)]] = [:]
    /// Versions of rows that a later one has replaced.
    private(set) var beaten: Set<UInt64> = []
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
            var (event, version): (String, RowVersion?) = (draft.event, nil)
            if topic.kind == .table {
                let before = rows[draft.topic]?[draft.key!]?.message
                let isNew = before?.isRowEnd ?? true
                event = draft.payload == Array("null".utf8) ? "delete" : isNew ? "create" : "update"
                if !draft.row!.rights.contains(RowEvent(rawValue: event)!.right) {
                    return .failure(.permissionDenied(action: event, topic: draft.topic.text))
                }
                version = Self.version(draft.row!, after: before)
            }
            let item = append(
                draft.topic, topic.generation, home, payload: draft.payload, event: event, key: draft.key,
                publisher: draft.publisher, source: draft.source, row: version)
            let message = item.record.message!
            let receipt = Receipt(
                partition: item.record.partition(of: message), offset: message.offset, time: item.record.time,
                sequence: item.sequence, isRepeat: false)
            if let key { known[key] = receipt }
            return .success(receipt)
        }
    }

    private static func version(_ wish: RowDraft, after before: Message?) -> RowVersion {
        let readers =
            switch wish.readers {
            case .kept: before?.row?.readers
            case .changed(let readers): readers
            }
        return RowVersion(
            revision: (before?.row?.revision ?? 0) + 1, readers: readers,
            former: before.map { $0.row!.former.adding($0.row!.readers) } ?? .nobody)
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
        key: String? = nil, publisher: String = "", source: String = "peer", lost: UInt64 = 0, isSilent: Bool = false,
        row: RowVersion? = nil
    ) -> Sequenced {
        let partition = Partition(origin: origin, generation: generation)
        let offset = (heads[topic] ?? Cursor())[partition] + 1 + lost
        heads[topic, default: Cursor()].advance(partition, to: offset)
        places[topic, default: [:]][partition, default: [:]][offset] = sequence + 1
        let message = Message(
            topic: topic, generation: generation, offset: offset, event: event, key: key, publisher: publisher,
            source: source, messageID: nil, expiry: nil, payload: payload, row: row)
        var replaced: FormerReaders?
        if let key, row != nil {
            let before = rows[topic, default: [:]].updateValue((message, sequence + 1), forKey: key)
            if let before { beaten.insert(before.sequence) }
            replaced = before.map { FormerReaders.nobody.adding($0.message.row!.readers) } ?? .nobody
        }
        return append(origin, .message(message), isSilent: isSilent, replaced: replaced)
    }

    private func append(
        _ origin: Origin, _ body: Record.Body, transition: TopicTransition? = nil, isSilent: Bool = false,
        replaced: FormerReaders? = nil
    ) -> Sequenced {
        clock += 1
        let record = Record(
            origin: origin, slot: .system, position: sequence + 1, time: HybridTime(milliseconds: clock), seen: 0,
            body: body)
        records.append(
            Sequenced(
                sequence: sequence + 1, record: record, transition: transition, isSilent: isSilent,
                replacedReaders: replaced))
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
