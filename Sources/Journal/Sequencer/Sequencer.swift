import Model

/// Gives every record of this node its place: position, offset, time and local sequence.
///
/// A pure value behind the node's only lock of the data path. What it sequences it appends to a batch that the caller
/// hands, under the same lock, to every loop, the log thread and the control plane, so that all see one order.
package struct Sequencer: Sendable {
    /// This run of this node.
    package let origin: Origin
    /// The last local sequence given.
    package private(set) var sequence: UInt64
    /// The journals that this node has sequenced, synced or not.
    package private(set) var vector: VersionVector
    /// The topics and members as this node knows them.
    package private(set) var registry: Registry
    private var clock: HybridClock
    private var heads: [TopicGeneration: Cursor]
    private var recent: RecentMessages
    private var rows: RowHeads
    private let rowLimit: Int

    package init(start: SequencerStart, settings: SequencerSettings = SequencerSettings()) {
        origin = start.origin
        sequence = start.sequence
        vector = start.vector
        registry = start.registry
        heads = start.heads
        clock = HybridClock(last: start.time)
        recent = RecentMessages(settings: settings)
        rows = RowHeads(start.rows)
        rowLimit = settings.rows
        for (message, arrival) in zip(start.recent, start.arrivals) {
            recent.insert(
                DeduplicationKey(topic: message.topic, publisher: message.publisher, messageID: message.messageID),
                Receipt(
                    partition: message.partition, offset: message.offset, time: message.time, sequence: 0,
                    isRepeat: false),
                arrival: arrival)
        }
    }

    /// The last time that was given or learnt.
    package var time: HybridTime { clock.last }

    /// How many rows of tables are remembered, ended ones among them.
    package var rowCount: Int { rows.count }

    /// How many message ids are remembered.
    package var recentCount: Int { recent.count }

    /// How long message ids are remembered at present: less than the setting says where more come than there is room
    /// for.
    package var recentWindow: Duration { recent.window(at: clock.last) }

    /// The place after the last message of a topic's live generation; empty for an unknown topic.
    package func heads(of name: TopicName) -> Cursor {
        guard let topic = registry.topic(name) else { return Cursor() }
        return heads[TopicGeneration(name: name, generation: topic.generation)] ?? Cursor()
    }

    /// The last offset of a memory topic's partition; nil where the topic does not live in memory in its generation.
    package func memoryHead(of name: TopicName, _ partition: Partition) -> UInt64? {
        guard let topic = registry.topic(name), topic.durability == .memory, topic.generation == partition.generation
        else { return nil }
        return heads[TopicGeneration(name: name, generation: topic.generation)]?[partition] ?? 0
    }

    /// The position of this origin's journal of a slot.
    package func head(of slot: Slot) -> UInt64 { vector[origin, slot] }

    // MARK: This node's own records

    /// Sequences a message, or finds the one that it repeats.
    package mutating func publish(
        _ draft: Draft, at wall: WallTime, into batch: inout [Sequenced]
    ) -> Result<Receipt, SequencerRefusal> {
        guard let topic = registry.topic(draft.topic) else { return .failure(.topicUnknown) }
        let time = clock.next(at: wall)
        let key = draft.messageID.map {
            DeduplicationKey(topic: draft.topic, publisher: draft.publisher, messageID: $0)
        }
        // A message of a generation that has ended is dead, and what bears its id now is another.
        let known = key.flatMap { find($0, draft, at: time) }
            .flatMap { $0.partition.generation == topic.generation ? $0 : nil }
        if let known, known.partition.origin == origin || !draft.needsOwnRecord {
            return .success(known.asRepeat(sequence: known.sequence))
        }
        if let key, let known, let twin = recent.twin(of: key) { return .success(known.asRepeat(sequence: twin)) }
        let place = TopicGeneration(name: draft.topic, generation: topic.generation)
        let partition = Partition(origin: origin, generation: topic.generation)
        var (event, row): (String, RowVersion?) = (draft.event, nil)
        if topic.kind == .table {
            switch rows.version(of: draft, in: place, isRepeat: known != nil, capacity: rowLimit) {
            case .failure(let refusal): return .failure(refusal)
            case .success(let made): (event, row) = (made.event.rawValue, made.version)
            }
        }
        let offset = heads[place, default: Cursor()].advance(partition)
        let message = Message(
            topic: draft.topic, generation: topic.generation, offset: offset, event: event, key: draft.key,
            publisher: draft.publisher, source: draft.source, messageID: draft.messageID,
            expiry: draft.timeToLive.map { WallTime(milliseconds: time.wall.milliseconds + $0.milliseconds) },
            payload: draft.payload, row: row)
        append(
            .message(message), slot: Slot(of: draft.topic), durability: topic.durability, time: time,
            isSilent: known != nil, isPatient: !draft.isAwaited, into: &batch)
        if let key, let known {
            recent.noteTwin(of: key, sequence: sequence)
            return .success(known.asRepeat(sequence: sequence))
        }
        let receipt = Receipt(partition: partition, offset: offset, time: time, sequence: sequence, isRepeat: false)
        if let key { recent.insert(key, receipt, arrival: time) }
        return .success(receipt)
    }

    /// The message that a draft repeats. One whose time is far in the future came from a node whose clock is wrong, and
    /// is known by when it came; a twin of it would not be folded with it, so none is written on its account.
    private func find(_ key: DeduplicationKey, _ draft: Draft, at time: HybridTime) -> Receipt? {
        if let known = recent.find(key, near: time) { return known }
        return draft.needsOwnRecord ? nil : recent.findAhead(key, of: time)
    }

    /// Sequences the creation of a topic, in the lowest generation not ended.
    package mutating func create(
        _ name: TopicName, kind: TopicDefinition.Kind, durability: TopicDefinition.Durability, owner: String,
        groups: [String], settings: TopicSettings, at wall: WallTime, into batch: inout [Sequenced]
    ) -> Result<TopicDefinition, SequencerRefusal> {
        guard registry.topic(name) == nil else { return .failure(.topicExists) }
        return write(
            .created(
                name, generation: registry.entries[name]?.nextGeneration ?? 1, kind: kind, durability: durability,
                owner: owner, groups: groups, settings: settings),
            at: wall, into: &batch)
    }

    /// Sequences new settings of a topic; what is nil stays.
    package mutating func change(
        _ name: TopicName, retention: Retention?, permission: PermissionMask?, at wall: WallTime,
        into batch: inout [Sequenced]
    ) -> Result<TopicDefinition, SequencerRefusal> {
        guard let entry = registry.entries[name], let topic = entry.live else { return .failure(.topicUnknown) }
        let settings = TopicSettings(
            retention: retention ?? topic.settings.retention, permission: permission ?? topic.settings.permission)
        return write(
            .changed(name, generation: topic.generation, revision: entry.revision + 1, settings: settings),
            at: wall, into: &batch)
    }

    /// Sequences the end of a topic's live generation; gives what it was.
    package mutating func destroy(
        _ name: TopicName, at wall: WallTime, into batch: inout [Sequenced]
    ) -> Result<TopicDefinition, SequencerRefusal> {
        guard let topic = registry.topic(name) else { return .failure(.topicUnknown) }
        return write(.destroyed(name, generation: topic.generation), at: wall, into: &batch).map { _ in topic }
    }

    /// Sequences this node's own member record: the first of its epoch.
    package mutating func introduce(name: String, at wall: WallTime, into batch: inout [Sequenced]) {
        let member = MemberRecord(node: origin.node, name: name)
        let time = clock.next(at: wall)
        registry.merge(member, stamp: Stamp(time: time, origin: origin))
        append(.member(member), slot: .system, durability: .disk, time: time, into: &batch)
    }

    /// Sequences the removal of a member, for good, at an operator's word; nothing where it was removed before.
    package mutating func remove(_ departure: DepartureRecord, at wall: WallTime, into batch: inout [Sequenced]) {
        let time = clock.next(at: wall)
        guard registry.merge(departure, stamp: Stamp(time: time, origin: origin)) else { return }
        append(.departure(departure), slot: .system, durability: .disk, time: time, into: &batch)
    }

    /// Sequences a schedule's creation or removal; nothing where it says nothing new.
    package mutating func schedule(_ change: ScheduleChange, at wall: WallTime, into batch: inout [Sequenced]) {
        let time = clock.next(at: wall)
        guard registry.merge(change, stamp: Stamp(time: time, origin: origin)) else { return }
        append(.schedule(change), slot: .system, durability: .disk, time: time, into: &batch)
    }

    private mutating func write(
        _ change: TopicChange, at wall: WallTime, into batch: inout [Sequenced]
    ) -> Result<TopicDefinition, SequencerRefusal> {
        let time = clock.next(at: wall)
        let transition = registry.merge(change, stamp: Stamp(time: time, origin: origin))
        if let transition { forgetEnded(transition) }
        append(.topic(change), slot: .system, durability: .disk, time: time, transition: transition, into: &batch)
        if let topic = registry.topic(change.name) { return .success(topic) }
        return transition?.before.map { .success($0) } ?? .failure(.topicUnknown)
    }

    /// Takes note of what a record makes of a row: whether it is the row now, and who could read what it replaced.
    private mutating func mergeRow(_ record: Record) -> (isNewest: Bool, replaced: FormerReaders)? {
        guard let message = record.message, message.row != nil, let key = message.key, let head = RowHead(record),
            registry.entries[message.topic].map({ message.generation > $0.ended }) ?? true
        else { return nil }
        return rows.merge(head, key: key, in: TopicGeneration(name: message.topic, generation: message.generation))
    }

    private mutating func append(
        _ body: Record.Body, slot: Slot, durability: TopicDefinition.Durability, time: HybridTime,
        transition: TopicTransition? = nil, isSilent: Bool = false, isPatient: Bool = false,
        into batch: inout [Sequenced]
    ) {
        let seen = head(of: .system)
        var position: UInt64 = 0
        if durability == .disk {
            position = head(of: slot) + 1
            vector.advance(origin, slot, to: position)
        }
        sequence += 1
        let record = Record(origin: origin, slot: slot, position: position, time: time, seen: seen, body: body)
        let row = mergeRow(record)
        batch.append(
            Sequenced(
                sequence: sequence, record: record, transition: transition, isSilent: isSilent, isPatient: isPatient,
                replacedReaders: row?.replaced))
    }

    // MARK: Peers' records

    /// Takes a peer's record in, if it is the next of its journal.
    ///
    /// A record of the registry without a position is one retold by a snapshot: it is merged by its own stamp.
    package mutating func admit(_ record: Record, at wall: WallTime, into batch: inout [Sequenced]) -> Admission {
        guard record.origin != origin else { return .known }
        if record.position == 0 { return admitUnplaced(record, at: wall, into: &batch) }
        let held = vector[record.origin, record.slot]
        guard record.position > held else {
            // It may be one that the log had lost and has again: the row's next version is to follow it.
            _ = mergeRow(record)
            return .known
        }
        guard record.position == held + 1 else { return .early }
        if record.slot != .system, record.seen > vector[record.origin, .system] { return .early }
        vector.advance(record.origin, record.slot, to: record.position)
        take(record, at: wall, into: &batch)
        return .taken
    }

    /// Passes over positions that no holder has any more. Gives false when they do not follow what is held.
    package mutating func skip(_ run: Model.AbsentRun) -> Bool {
        let held = vector[run.origin, run.slot]
        guard run.origin != origin, run.from <= held + 1 else { return run.to <= held }
        vector.advance(run.origin, run.slot, to: run.to)
        return true
    }

    /// Learns where a peer's share of a memory topic begins for this node; loops and log are told by a mark in the
    /// batch, since whoever has seen less has lost something.
    package mutating func raiseHead(
        of name: TopicName, _ partition: Partition, to offset: UInt64, into batch: inout [Sequenced]
    ) {
        guard registry.topic(name)?.generation == partition.generation, partition.origin != origin else { return }
        let place = TopicGeneration(name: name, generation: partition.generation)
        guard offset > heads[place, default: Cursor()][partition] else { return }
        heads[place, default: Cursor()].advance(partition, to: offset)
        sequence += 1
        let message = Message(
            topic: name, generation: partition.generation, offset: offset, event: "", key: nil, publisher: "",
            source: "",
            messageID: nil, expiry: nil, payload: [])
        let record = Record(
            origin: partition.origin, slot: Slot(of: name), position: 0, time: clock.last, seen: 0,
            body: .message(message))
        batch.append(Sequenced(sequence: sequence, record: record, isSilent: true, isLost: true))
    }

    private mutating func admitUnplaced(_ record: Record, at wall: WallTime, into batch: inout [Sequenced]) -> Admission
    {
        switch record.body {
        case .message(let message):
            guard let topic = registry.topic(message.topic), topic.generation == message.generation,
                topic.durability == .memory
            else { return .known }
            let place = TopicGeneration(name: message.topic, generation: message.generation)
            let held = heads[place]?[record.partition(of: message)] ?? 0
            guard message.offset > held else { return .known }
            guard message.offset - held == 1 else { return .early }
        case .topic(let change):
            let known = registry.entries[change.name]
            var merged = known ?? TopicEntry(name: change.name)
            merged.merge(change, stamp: Stamp(time: record.time, origin: record.origin))
            guard merged != known else { return .known }
        case .member(let member):
            guard registry.departed[member.node] == nil else { return .known }
            let stamp = Stamp(time: record.time, origin: record.origin)
            if let known = registry.members[member.node], known.stamp >= stamp { return .known }
        case .departure(let departure):
            let stamp = Stamp(time: record.time, origin: record.origin)
            if let known = registry.departed[departure.node], known.stamp <= stamp { return .known }
        case .schedule(let change):
            guard var known = registry.schedules[change.id] else { break }
            guard known.merge(change, stamp: Stamp(time: record.time, origin: record.origin)) else { return .known }
        }
        take(record, at: wall, into: &batch)
        return .taken
    }

    private mutating func take(_ record: Record, at wall: WallTime, into batch: inout [Sequenced]) {
        clock.observe(record.time, at: wall)
        sequence += 1
        let stamp = Stamp(time: record.time, origin: record.origin)
        switch record.body {
        case .message(let message):
            let isSilent = note(message, of: record, at: wall)
            let row = mergeRow(record)
            // Only its rank makes a version the row, whatever id it bears: the index of the log says the same.
            let isOver = message.expiry.map { $0 <= wall } ?? false
            batch.append(
                Sequenced(
                    sequence: sequence, record: record, isSilent: row.map { !$0.isNewest || isOver } ?? isSilent,
                    replacedReaders: row?.replaced))
        case .topic(let change):
            let transition = registry.merge(change, stamp: stamp).map { withHeads($0) }
            if let transition { forgetEnded(transition) }
            batch.append(Sequenced(sequence: sequence, record: record, transition: transition))
        case .member(let member):
            registry.merge(member, stamp: stamp)
            batch.append(Sequenced(sequence: sequence, record: record))
        case .departure(let departure):
            registry.merge(departure, stamp: stamp)
            batch.append(Sequenced(sequence: sequence, record: record))
        case .schedule(let change):
            registry.merge(change, stamp: stamp)
            batch.append(Sequenced(sequence: sequence, record: record))
        }
    }

    /// Advances the topic's heads; says whether the message is a repeat, expired, or of a generation that is not live.
    private mutating func note(_ message: Message, of record: Record, at wall: WallTime) -> Bool {
        if let entry = registry.entries[message.topic], message.generation <= entry.ended { return true }
        let partition = record.partition(of: message)
        let place = TopicGeneration(name: message.topic, generation: message.generation)
        heads[place, default: Cursor()].advance(partition, to: message.offset)
        if let expiry = message.expiry, expiry <= wall { return true }
        guard let id = message.messageID else { return false }
        let key = DeduplicationKey(topic: message.topic, publisher: message.publisher, messageID: id)
        if let known = recent.find(key, near: record.time), known.partition.generation >= message.generation {
            // One of an earlier generation is dead, one of a later generation makes this one so.
            return true
        }
        recent.insert(
            key,
            Receipt(
                partition: partition, offset: message.offset, time: record.time, sequence: sequence, isRepeat: false),
            arrival: clock.last)
        return false
    }

    /// Adds what came of a new generation before its creation.
    private func withHeads(_ transition: TopicTransition) -> TopicTransition {
        guard let after = transition.after, after.generation != transition.before?.generation,
            let heads = heads[TopicGeneration(name: after.name, generation: after.generation)]
        else { return transition }
        return TopicTransition(name: transition.name, before: transition.before, after: after, heads: heads)
    }

    private mutating func forgetEnded(_ transition: TopicTransition) {
        if let before = transition.before, before.generation != transition.after?.generation {
            let place = TopicGeneration(name: before.name, generation: before.generation)
            heads[place] = nil
            rows.forget(place)
        }
    }
}

extension Receipt {
    /// The same place, answered once more; `sequence` is what the acks of this answer wait for.
    fileprivate func asRepeat(sequence: UInt64) -> Receipt {
        Receipt(partition: partition, offset: offset, time: time, sequence: sequence, isRepeat: true)
    }
}
