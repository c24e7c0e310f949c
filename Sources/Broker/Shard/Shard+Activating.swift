import Model

extension Shard {
    /// Makes a subscription live: the reply first, then what is lost, then the messages.
    mutating func activate(_ id: SubscribeTask.ID, at now: Now, into effects: inout [ShardEffect]) {
        guard let task = tasks[id], let slot = slot(of: task.connection) else { return }
        let topics = matching(task.filter, slot)
        if let refusal = activationRefusal(task, slot, topics) { return abandon(id, refusal, into: &effects) }
        tasks[id] = nil
        sessions[slot]!.pendingCount -= 1
        let before = register(task, slot, into: &effects)
        let pages = topics.map { topic in
            let definition = self.topics[topic]!.definition
            return task.start(of: definition) == nil ? nil : task.resolved[definition.name] ?? TopicPage()
        }
        var missed: UInt64 = 0
        var cursors: [(topic: TopicName, cursor: Cursor)] = []
        for (topic, page) in zip(topics, pages) {
            for gap in page?.gaps ?? [] { missed += gap.to - gap.from + 1 }
            cursors.append((self.topics[topic]!.name, page?.placeBeforeGaps ?? place(slot, topic)))
        }
        let reply = Reply.subscribed(task.filter, cursors: cursors, recovered: missed == 0, missed: missed)
        answer(reply, task.connection, task.reference, into: &effects)
        attend(task.filter, task.presence, before: before, slot, at: now, into: &effects)
        if let name = task.filter.exact {
            settlePost(name, wants: task.responds, slot, at: now, into: &effects)
            settleMembership(name, task.group, slot, at: now, into: &effects)
        }
        for (topic, page) in zip(topics, pages) {
            if let page {
                readFrom(
                    page, slot, topic, isSnapshot: task.isSnapshot(self.topics[topic]!.definition), at: now, into: &effects)
            } else if sessions[slot]!.followings[topic] != nil {
                refresh(slot, topic, at: now, into: &effects)
            } else {
                follow(slot, topic, from: self.topics[topic]!.heads, into: &effects)
            }
        }
    }

    private func activationRefusal(_ task: SubscribeTask, _ slot: Int, _ topics: [TopicIndex]) -> Refusal? {
        if let name = task.filter.exact, topics.isEmpty {
            guard let topic = topicIndexes[name] else { return .topicUnknown(name) }
            return readRefusal(slot, topic)
        }
        let session = sessions[slot]!
        let isNewWildcard = task.filter.exact == nil && session.subscriptions[task.filter] == nil
        let added = topics.count { session.followings[$0] == nil } + (isNewWildcard ? 1 : 0)
        let limit = settings.subscriptionsPerConnection
        return session.subscriptionCount + added > limit ? .subscriptionLimit(limit) : nil
    }

    /// Puts a subscription on the books; gives what the one that it replaces wanted of presence.
    private mutating func register(
        _ task: SubscribeTask, _ slot: Int, into effects: inout [ShardEffect]
    ) -> Command.PresenceWish {
        var subscription = Session.Subscription(
            selector: task.selector, holdsInterest: task.holdsInterest, presence: task.presence,
            responds: task.responds, isMember: task.group != nil)
        if task.filter.exact == nil, let cursors = task.places {
            subscription.unmet = cursors.filter { task.filter.matches($0.key) && topicIndexes[$0.key] == nil }
        }
        if let replaced = sessions[slot]!.subscriptions.updateValue(subscription, forKey: task.filter) {
            if replaced.holdsInterest { releaseInterest(task.filter, into: &effects) }
            return replaced.presence
        }
        subscriptionCount += 1
        guard task.filter.exact == nil else { return .none }
        sessions[slot]!.wildcards.append(task.filter)
        wildcards[task.filter, default: []].append(task.connection)
        return .none
    }

    /// The place just before the next message that the session gets of a topic without asking for more.
    private func place(_ slot: Int, _ topic: TopicIndex) -> Cursor {
        guard let following = sessions[slot]!.followings[topic] else { return topics[topic]!.heads }
        switch following.stage {
        case .listed: return topics[topic]!.heads
        case .reading(let reading): return reading.cursor
        case .selective(var seen, _):
            for (partition, offset) in topics[topic]!.heads.offsets { seen.advance(partition, to: offset) }
            return seen
        }
    }

    /// Begins, or begins again, with the log at the place that was found.
    private mutating func readFrom(
        _ page: TopicPage, _ slot: Int, _ topic: TopicIndex, isSnapshot: Bool, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        let selectors = sessions[slot]!.selectors(for: topics[topic]!.name)
        let reading = Following.Stage.reading(
            Following.Reading(
                cursor: page.placeBeforeGaps, after: 0, snapshotThrough: isSnapshot ? deliveredThrough : 0))
        if sessions[slot]!.followings[topic] == nil {
            begin(Following(selectors: selectors, stage: reading), slot, topic, into: &effects)
        } else {
            sessions[slot]!.followings[topic]!.selectors = selectors
            sessions[slot]!.followings[topic]!.unseen = Cursor()
            move(slot, topic, to: reading, into: &effects)
        }
        // Gaps further on are told by the pages, in their places between the messages.
        for gap in page.gaps where gap.from <= (reader(slot, topic)?.cursor[gap.partition] ?? 0) + 1 {
            tellGap(gap, slot, topic, into: &effects)
        }
        passOver(to: page.cursor, slot, topic, at: now)
        settle(slot, topic, at: now, into: &effects)
    }

    /// Begins to follow a topic after `cursor`, with everything that this loop delivers from now on.
    mutating func follow(
        _ slot: Int, _ topic: TopicIndex, from cursor: Cursor, into effects: inout [ShardEffect]
    ) {
        let selectors = sessions[slot]!.selectors(for: topics[topic]!.name)
        let stage: Following.Stage
        if sessions[slot]!.isCongested {
            stage = .reading(Following.Reading(cursor: cursor, after: deliveredThrough))
        } else if selectors == nil, !topics[topic]!.isRestricted {
            stage = .listed
        } else {
            stage = .selective(seen: cursor, after: deliveredThrough)
        }
        begin(Following(selectors: selectors, stage: stage), slot, topic, into: &effects)
    }

    /// Lets a session's wildcards take up a topic that it does not follow: a new one from its beginning, or from where the
    /// client has come elsewhere, one that it may read only now from here on.
    ///
    /// - Parameter now: given for a topic that is new.
    mutating func joinByWildcard(
        _ slot: Int, _ topic: TopicIndex, newAt now: Now?, into effects: inout [ShardEffect]
    ) {
        guard let session = sessions[slot], let name = topics[topic]?.name, session.followings[topic] == nil,
            session.wildcards.contains(where: { $0.matches(name) }), readRefusal(slot, topic) == nil
        else { return }
        guard session.subscriptionCount < settings.subscriptionsPerConnection else {
            let limit = Refusal.subscriptionLimit(settings.subscriptionsPerConnection)
            counters.subscriptionsRefused += 1
            effects.append(.notify(session.connection, .subscriptionEnded(name, limit)))
            return
        }
        let heads = topics[topic]!.heads
        var place: Cursor?
        for filter in session.wildcards where filter.matches(name) {
            place = sessions[slot]!.subscriptions[filter]?.unmet.removeValue(forKey: name) ?? place
        }
        if let now, place != nil || !heads.offsets.isEmpty {
            let reading = Following.Reading(cursor: place ?? Cursor(), after: 0)
            begin(
                Following(selectors: sessions[slot]!.selectors(for: name), stage: .reading(reading)), slot, topic,
                into: &effects)
            return settle(slot, topic, at: now, into: &effects)
        }
        if now == nil, !heads.offsets.isEmpty { effects.append(.notify(session.connection, .cursor(name, heads))) }
        follow(slot, topic, from: heads, into: &effects)
    }
}

extension TopicPage {
    /// The place that a start means, before the gaps which lie there: each of them is told, and moves the client past
    /// it.
    fileprivate var placeBeforeGaps: Cursor {
        var offsets = cursor.offsets
        for gap in gaps {
            if let offset = offsets[gap.partition], gap.from <= offset { offsets[gap.partition] = gap.from - 1 }
        }
        return Cursor(offsets)
    }
}
