import Model

// A subscription becomes live in up to three steps: members confirm the interest where a topic is kept in memory, the
// log says what the start means where there is one, and then the reply, the gaps and the first place are decided
// together.

extension Shard {
    mutating func subscribe(
        _ filter: TopicFilter, _ command: Command.Subscribe, _ reference: RequestReference, _ slot: Int,
        ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]
    ) {
        let connection = sessions[slot]!.connection
        let selector: Selector
        do throws(Refusal) {
            try mayFollow(filter, slot, ledger: ledger, at: now, into: &effects)
            selector = command.group == nil ? try Selector(command.conditions) : .nothing
            if let refusal = presenceRefusal(filter, command.presence, slot) { throw refusal }
            if let refusal = groupRefusal(filter, command, slot) { throw refusal }
            if command.responds, let refusal = respondRefusal(filter, slot) { throw refusal }
        } catch {
            return refuse(error, connection, reference, into: &effects)
        }
        let needsInterest = mayBeInMemory(filter)
        var task = SubscribeTask(
            connection: connection, reference: reference, filter: filter, selector: selector, since: command.since,
            snapshot: command.snapshot, presence: command.presence, responds: command.responds, group: command.group,
            holdsInterest: needsInterest, isAnnounced: !command.responds && command.group == nil)
        sessions[slot]!.pendingCount += 1
        let id = nextNumber()
        if needsInterest {
            task.interest = holdInterest(filter, at: now, into: &effects)
            tasks[id] = task
            if let interest = task.interest {
                announcements[interest]?.waiting.append(id)
                return
            }
        } else {
            tasks[id] = task
        }
        begin(id, ledger: ledger, at: now, into: &effects)
    }

    /// The answer to an `.interest` that added something.
    package mutating func interestConfirmed(
        _ id: InterestID, ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]
    ) {
        guard let announcement = announcements.removeValue(forKey: id) else { return }
        if let filter = announcement.filter { interests[filter]?.isConfirmed = true }
        for task in announcement.waiting where tasks[task]?.interest == id {
            tasks[task]?.interest = nil
            begin(task, ledger: ledger, at: now, into: &effects)
        }
    }

    mutating func unsubscribe(
        _ filter: TopicFilter, _ reference: RequestReference, _ slot: Int, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        let connection = sessions[slot]!.connection
        for id in tasks.keys.sorted() {
            guard let task = tasks[id], task.connection == connection, task.filter == filter else { continue }
            abandon(id, .invalidMessage("an unsubscribe came before the subscription was live"), into: &effects)
        }
        removeSubscription(slot, filter, into: &effects)
        for topic in sessions[slot]!.followings.keys.sorted() {
            guard let name = topics[topic]?.name, filter.matches(name) else { continue }
            refresh(slot, topic, at: now, into: &effects)
        }
        answer(.unsubscribed(filter), connection, reference, into: &effects)
    }

    /// Takes a subscription off the books; what it followed is the caller's to refresh.
    mutating func removeSubscription(_ slot: Int, _ filter: TopicFilter, into effects: inout [ShardEffect]) {
        guard let removed = sessions[slot]!.subscriptions.removeValue(forKey: filter) else { return }
        subscriptionCount -= 1
        unattend(filter, removed.presence, slot, into: &effects)
        if removed.responds, let name = filter.exact { leavePost(name, slot, into: &effects) }
        if removed.isMember, let name = filter.exact { leaveGroup(name, slot, into: &effects) }
        if filter.exact == nil {
            let connection = sessions[slot]!.connection
            if let place = sessions[slot]!.wildcards.lastIndex(of: filter) { sessions[slot]!.wildcards.remove(at: place) }
            wildcards[filter]?.removeAll { $0 == connection }
            if wildcards[filter]?.isEmpty == true { wildcards[filter] = nil }
        }
        if removed.holdsInterest { releaseInterest(filter, into: &effects) }
    }

    /// Ends a task without a subscription.
    mutating func abandon(_ id: SubscribeTask.ID, _ refusal: Refusal, into effects: inout [ShardEffect]) {
        guard let task = tasks.removeValue(forKey: id) else { return }
        if task.holdsInterest { releaseInterest(task.filter, into: &effects) }
        if task.responds, let name = task.filter.exact, let slot = slot(of: task.connection),
            sessions[slot]!.subscriptions[task.filter]?.responds != true
        {
            leavePost(name, slot, into: &effects)
        }
        if task.group != nil, let name = task.filter.exact, let slot = slot(of: task.connection),
            sessions[slot]!.subscriptions[task.filter]?.isMember != true
        {
            leaveGroup(name, slot, into: &effects)
        }
        settlePending(task.connection)
        refuse(refusal, task.connection, task.reference, into: &effects)
    }

    private mutating func mayFollow(
        _ filter: TopicFilter, _ slot: Int, ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]
    ) throws(Refusal) {
        guard let name = filter.exact else {
            if let refusal = access.decidesWildcard(filter, for: sessions[slot]!.principal) { throw refusal }
            return
        }
        guard let topic = find(name, ledger: ledger, at: now, into: &effects) else { throw .topicUnknown(name) }
        if let refusal = readRefusal(slot, topic) { throw refusal }
    }

    private func mayBeInMemory(_ filter: TopicFilter) -> Bool {
        guard let name = filter.exact else { return true }
        return topicIndexes[name].flatMap { topics[$0] }?.definition.durability == .memory
    }

    /// Begins where no announcement has to be waited for, or no longer.
    private mutating func begin(
        _ id: SubscribeTask.ID, ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]
    ) {
        guard var task = tasks[id], let slot = slot(of: task.connection) else { return }
        if task.group?.acknowledges == true, !task.isGroupRecorded {
            return recordGroup(id, slot, ledger: ledger, at: now, into: &effects)
        }
        if !task.isAnnounced { return announce(id, slot, at: now, into: &effects) }
        // The heads and the mailbox are of one moment: what comes after it is delivered to the new subscriber.
        let names = matching(task.filter, slot).compactMap { topics[$0]?.name }
        let moment = ledger.heads(of: names)
        deliver(moment.batch, at: now, into: &effects)
        deliveredThrough = max(deliveredThrough, moment.sequence)
        for (name, heads) in zip(names, moment.heads) {
            guard let topic = topicIndexes[name] else { continue }
            learn(heads, topic)
            if let refusal = refusal(of: task.start(of: name), topic, own: ledger.origin) {
                return abandon(id, refusal, into: &effects)
            }
        }
        let found = matching(task.filter, slot)
        if found.contains(where: { topics[$0].map { task.start(of: $0.definition) != nil } ?? false }) {
            for topic in found {
                guard let definition = topics[topic]?.definition, let start = task.start(of: definition) else {
                    continue
                }
                task.unresolved.insert(definition.name)
                sessions[slot]!.queue.append(
                    .resolve(id, definition.name, generation: definition.generation, start))
            }
            tasks[id] = task
            startReads(slot, at: now, into: &effects)
        } else {
            activate(id, at: now, into: &effects)
        }
    }

    /// Lets every node know of a responder, or a group's member, before its subscription is live, so that whatever is sent after
    /// the answer finds it.
    private mutating func announce(
        _ id: SubscribeTask.ID, _ slot: Int, at now: Now, into effects: inout [ShardEffect]
    ) {
        guard let task = tasks[id], let name = task.filter.exact else {
            preconditionFailure("only a topic has responders and groups")
        }
        if task.responds { takePost(name, slot, at: now, into: &effects) }
        if let group = task.group { joinGroup(name, group, slot, at: now, into: &effects) }
        let announcement = InterestID(rawValue: nextNumber())
        tasks[id]!.isAnnounced = true
        tasks[id]!.interest = announcement
        announcements[announcement] = (nil, [id])
        effects.append(.confirmAnnouncements(announcement))
        deadlines.schedule(.interest(announcement), at: now.monotonic + settings.interestLimit)
    }

    /// Why a start cannot be: it names an offset of this run of this node that was never given, and to wait for it would
    /// withhold all before it. Of another's last offset a node knows only what has come to it; and an epoch that has
    /// ended gives no more, so that a cursor ahead of what came back of it withholds nothing.
    private func refusal(of start: ReadStart?, _ topic: TopicIndex, own: Origin) -> Refusal? {
        guard case .cursor(let cursor) = start, let state = topics[topic] else { return nil }
        let partition = Partition(origin: own, generation: state.definition.generation)
        guard cursor[partition] > state.heads[partition] else { return nil }
        return .invalidMessage(
            "\"since\" of topic \"\(state.name)\" names offset \(cursor[partition]) of partition \(partition), whose last "
                + "is \(state.heads[partition]): subscribe without it, or from the beginning")
    }

    /// Learns offsets that no loop will deliver: those that a memory topic had before its messages were forwarded here.
    private mutating func learn(_ heads: Cursor, _ topic: TopicIndex) {
        let generation = topics[topic]!.definition.generation
        for (partition, offset) in heads.offsets where partition.generation == generation {
            topics[topic]!.heads.advance(partition, to: offset)
        }
    }

    /// Takes the log's word on where a subscription begins in one topic.
    mutating func resolved(
        _ id: SubscribeTask.ID, _ name: TopicName, _ result: Result<TopicPage, Refusal>, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        guard tasks[id]?.unresolved.remove(name) != nil else { return }
        switch result {
        case .success(let page):
            if !page.forgotten.isEmpty { return abandon(id, .cursorTooOld(name, page.forgotten), into: &effects) }
            tasks[id]!.resolved[name] = page
        case .failure(let refusal):
            // A topic that went away meanwhile is no longer the wildcard's; everything else is the client's to know.
            let isGone = topicIndexes[name] == nil && tasks[id]!.filter.exact == nil
            if !isGone { return abandon(id, refusal, into: &effects) }
        }
        if tasks[id]!.unresolved.isEmpty { activate(id, at: now, into: &effects) }
    }

    /// The topics that a filter matches and the session may read, in the order of their names.
    func matching(_ filter: TopicFilter, _ slot: Int) -> [TopicIndex] {
        if let name = filter.exact {
            guard let topic = topicIndexes[name], readRefusal(slot, topic) == nil else { return [] }
            return [topic]
        }
        return sortedNames.compactMap { name in
            guard filter.matches(name), let topic = topicIndexes[name] else { return nil }
            return readRefusal(slot, topic) == nil ? topic : nil
        }
    }
}
