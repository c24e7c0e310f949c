import Model

extension Shard {
    /// Gives a page's messages to its reader, with the gaps in their places between them.
    mutating func give(
        _ page: TopicPage, _ slot: Int, _ topic: TopicIndex, at now: Now, into effects: inout [ShardEffect]
    ) {
        var gaps: [Partition: ArraySlice<Gap>] = [:]
        for gap in page.gaps { gaps[gap.partition, default: []].append(gap) }
        for item in page.messages {
            guard let message = item.record.message else { continue }
            let partition = item.record.partition(of: message)
            while let gap = gaps[partition]?.first, gap.from < message.offset {
                gaps[partition]?.removeFirst()
                tellGap(gap, slot, topic, into: &effects)
            }
            give(item, slot, topic, jump: nil, at: now, into: &effects)
        }
        for partition in gaps.keys.sorted() {
            for gap in gaps[partition] ?? [] { tellGap(gap, slot, topic, into: &effects) }
        }
        passOver(to: page.cursor, slot, topic, at: now)
        edit(slot, topic) { $0.after = max($0.after, page.reached) }
    }

    /// Moves a reader on to the log's place; what lies between was rightly not given.
    mutating func passOver(to cursor: Cursor, _ slot: Int, _ topic: TopicIndex, at now: Now) {
        for (partition, offset) in cursor.sorted where offset > reader(slot, topic)?.cursor[partition] ?? .max {
            passOver(partition, offset, slot, topic, at: now)
            edit(slot, topic) { $0.cursor.advance(partition, to: offset) }
        }
    }

    /// Gives one message to a reader. Offsets that it jumps over are lost for `jump`, or rightly not shown where that
    /// is nil.
    mutating func give(
        _ item: Sequenced, _ slot: Int, _ topic: TopicIndex, jump: Gap.Reason?, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        guard let message = item.record.message, let cursor = reader(slot, topic)?.cursor else { return }
        let partition = item.record.partition(of: message)
        let seen = cursor[partition]
        guard message.offset > seen, message.generation == topics[topic]?.definition.generation else { return }
        if item.isLost {
            let gap = Gap(partition: partition, from: seen + 1, to: message.offset, reason: jumpReason(topic))
            return tellGap(gap, slot, topic, into: &effects)
        }
        if message.offset > seen + 1 {
            if let jump {
                let gap = Gap(partition: partition, from: seen + 1, to: message.offset - 1, reason: jump)
                tellGap(gap, slot, topic, into: &effects)
            } else {
                passOver(partition, message.offset - 1, slot, topic, at: now)
            }
        }
        edit(slot, topic) { $0.cursor.advance(partition, to: message.offset) }
        var selected = SelectedMessage(message)
        var item = item
        item.isSnapshot = reader(slot, topic)?.snapshotThrough ?? 0 >= item.sequence
        show(item, &selected, slot, topic, at: now, into: &effects)
    }

    /// Tells a reader of a gap, or of the part of it that it has not been told of.
    mutating func tellGap(_ gap: Gap, _ slot: Int, _ topic: TopicIndex, into effects: inout [ShardEffect]) {
        guard let seen = reader(slot, topic)?.cursor[gap.partition], gap.to > seen, let name = topics[topic]?.name
        else {
            return
        }
        let from = max(gap.from, seen + 1)
        if from > seen + 1 { sessions[slot]!.followings[topic]!.unseen.advance(gap.partition, to: from - 1) }
        tellUnseen(slot, topic, into: &effects)
        counters.gaps += 1
        let rest = Gap(partition: gap.partition, from: from, to: gap.to, reason: gap.reason)
        effects.append(.notify(sessions[slot]!.connection, .gap(name, rest)))
        edit(slot, topic) { $0.cursor.advance(gap.partition, to: gap.to) }
    }
}
