import Model

extension Shard {
    /// Passes on what came into the loop's mailbox, in local sequence.
    package mutating func deliver(_ batch: [Sequenced], at now: Now, into effects: inout [ShardEffect]) {
        var touched: [TopicIndex] = []
        for item in batch where item.sequence > deliveredThrough {
            deliveredThrough = item.sequence
            if let transition = item.transition { apply(transition, at: now, into: &effects) }
            guard let message = item.record.message, let topic = topicIndexes[message.topic],
                topics[topic]!.definition.generation == message.generation
            else { continue }
            deliver(item, message, topic, at: now, into: &effects)
            if touched.last != topic { touched.append(topic) }
        }
        for topic in touched where topics[topic] != nil {
            tellSilent(topic, into: &effects)
            for connection in topics[topic]!.selective {
                guard let slot = slot(of: connection), let following = sessions[slot]?.followings[topic],
                    following.selectors == nil, case .selective(let seen, let after) = following.stage
                else { continue }
                goLive(slot, topic, seen: seen, after: after, into: &effects)
            }
        }
    }

    private mutating func deliver(
        _ item: Sequenced, _ message: Message, _ topic: TopicIndex, at now: Now, into effects: inout [ShardEffect]
    ) {
        let partition = item.record.partition(of: message)
        let head = topics[topic]!.heads[partition]
        guard message.offset > head else { return }
        let lost = item.isLost ? message.offset : message.offset - 1
        if message.row?.readers != nil { restrict(topic, into: &effects) }
        if lost > head {
            let gap = Gap(partition: partition, from: head + 1, to: lost, reason: jumpReason(topic))
            passOnJump(gap, topic, at: now, into: &effects)
        }
        topics[topic]!.heads.advance(partition, to: message.offset)
        topics[topic]!.lastSequence = item.sequence
        if topics[topic]!.readerCount > 0 {
            topics[topic]!.recent.append(item, payload: message.payload.count, within: settings)
        }
        if !groupsOfTopics.isEmpty || topics[topic]!.holdsGroups {
            offerToGroups(item, message, at: now, into: &effects)
        }
        if item.isLost { return }
        if let list = topics[topic]!.list {
            if item.isSilent {
                topics[topic]!.silent.advance(partition, to: message.offset)
            } else {
                tellSilent(topic, into: &effects)
                counters.delivered += UInt64(topics[topic]!.listedCount)
                effects.append(.fanOut(list, item))
            }
        }
        guard !topics[topic]!.selective.isEmpty else { return }
        var selected = SelectedMessage(message)
        for connection in topics[topic]!.selective {
            guard let slot = slot(of: connection),
                case .selective(let seen, let after) = sessions[slot]?.followings[topic]?.stage,
                item.sequence > after, message.offset > seen[partition]
            else { continue }
            show(item, &selected, slot, topic, at: now, into: &effects)
        }
    }

    /// Gives a message to one receiver, unless it is silent or the receiver's conditions keep it away.
    mutating func show(
        _ item: Sequenced, _ selected: inout SelectedMessage, _ slot: Int, _ topic: TopicIndex, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        let sight = item.isSilent ? .hidden : sight(of: item, selected.message, slot)
        var item = item
        var isShown = false
        switch sight {
        case .hidden: break
        case .shown:
            isShown = selected.passes(sessions[slot]!.followings[topic]!.selectors)
                && !(item.isSnapshot && selected.message.isRowEnd)
        case .ended:
            // Whoever begins with the rows that there are has nothing that could end.
            guard !item.isSnapshot else { break }
            item = Self.ending(item, selected.message)
            var end = SelectedMessage(item.record.message!)
            isShown = end.passes(sessions[slot]!.followings[topic]!.selectors)
        }
        guard isShown else {
            let partition = item.record.partition(of: selected.message)
            return passOver(partition, selected.message.offset, slot, topic, at: now)
        }
        tellUnseen(slot, topic, into: &effects)
        counters.delivered += 1
        effects.append(.notify(sessions[slot]!.connection, .event(item)))
    }

    /// Notes that a receiver is rightly not shown something, and sees to it that it is told in time.
    mutating func passOver(_ partition: Partition, _ offset: UInt64, _ slot: Int, _ topic: TopicIndex, at now: Now) {
        sessions[slot]!.followings[topic]!.unseen.advance(partition, to: offset)
        guard !sessions[slot]!.followings[topic]!.isNoticeScheduled else { return }
        sessions[slot]!.followings[topic]!.isNoticeScheduled = true
        let connection = sessions[slot]!.connection
        deadlines.schedule(.cursorNotice(connection, topic), at: now.monotonic + settings.cursorNoticeDelay)
    }

    /// Tells a receiver of what it was not shown.
    mutating func tellUnseen(_ slot: Int, _ topic: TopicIndex, into effects: inout [ShardEffect]) {
        guard let unseen = sessions[slot]!.followings[topic]?.unseen, !unseen.offsets.isEmpty,
            let name = topics[topic]?.name
        else { return }
        sessions[slot]!.followings[topic]!.unseen = Cursor()
        effects.append(.notify(sessions[slot]!.connection, .cursor(name, unseen)))
    }

    /// A receiver has been left without a cursor for as long as it may.
    mutating func noticeIsDue(
        _ connection: ConnectionID, _ topic: TopicIndex, at now: Now, into effects: inout [ShardEffect]
    ) {
        guard let slot = slot(of: connection), sessions[slot]!.followings[topic] != nil else { return }
        sessions[slot]!.followings[topic]!.isNoticeScheduled = false
        if sessions[slot]!.isCongested, !sessions[slot]!.followings[topic]!.unseen.offsets.isEmpty {
            // It could not take the notice now; it gets it with its next page, or at the next of these times.
            sessions[slot]!.followings[topic]!.isNoticeScheduled = true
            deadlines.schedule(.cursorNotice(connection, topic), at: now.monotonic + settings.cursorNoticeDelay)
            return
        }
        tellUnseen(slot, topic, into: &effects)
    }

    /// A live partition has jumped. In a table what is missing was beaten before it came here, and is passed over.
    private mutating func passOnJump(_ gap: Gap, _ topic: TopicIndex, at now: Now, into effects: inout [ShardEffect]) {
        guard liveJump(topic) == nil else { return passOn(gap, topic, into: &effects) }
        if topics[topic]!.list != nil { topics[topic]!.silent.advance(gap.partition, to: gap.to) }
        for connection in topics[topic]!.selective {
            guard let slot = slot(of: connection),
                case .selective(let seen, _) = sessions[slot]?.followings[topic]?.stage, gap.to > seen[gap.partition]
            else { continue }
            passOver(gap.partition, gap.to, slot, topic, at: now)
        }
    }

    /// Why offsets that the live stream jumps over are lost; nil where they are rightly not shown.
    func liveJump(_ topic: TopicIndex) -> Gap.Reason? {
        topics[topic]!.definition.kind == .table ? nil : jumpReason(topic)
    }

    /// A live partition has jumped: whoever is live is told.
    private mutating func passOn(_ gap: Gap, _ topic: TopicIndex, into effects: inout [ShardEffect]) {
        let name = topics[topic]!.name
        if let list = topics[topic]!.list {
            tellSilent(topic, into: &effects)
            counters.gaps += 1
            effects.append(.fanOutGap(list, name, gap))
        }
        for connection in topics[topic]!.selective {
            guard let slot = slot(of: connection),
                case .selective(let seen, _) = sessions[slot]?.followings[topic]?.stage, gap.to > seen[gap.partition]
            else { continue }
            let from = max(gap.from, seen[gap.partition] + 1)
            tellUnseen(slot, topic, into: &effects)
            counters.gaps += 1
            let rest = Gap(partition: gap.partition, from: from, to: gap.to, reason: gap.reason)
            effects.append(.notify(connection, .gap(name, rest)))
        }
    }

    /// Why offsets are missing from the live stream: a ring was overrun, or no holder had them.
    func jumpReason(_ topic: TopicIndex) -> Gap.Reason {
        topics[topic]!.definition.durability == .memory ? .overrun : .lost
    }

    mutating func tellSilent(_ topic: TopicIndex, into effects: inout [ShardEffect]) {
        guard !topics[topic]!.silent.offsets.isEmpty else { return }
        let silent = topics[topic]!.silent
        topics[topic]!.silent = Cursor()
        guard let list = topics[topic]!.list else { return }
        effects.append(.fanOutCursor(list, topics[topic]!.name, silent))
    }
}
