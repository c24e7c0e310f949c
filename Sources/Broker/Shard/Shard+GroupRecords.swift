import Model

extension Shard {
    /// Reads `$groups` from its beginning; what comes to it meanwhile is merged as it comes.
    mutating func readGroupRecords(into effects: inout [ShardEffect]) {
        guard groupLogRead == nil, let topic = topicIndexes[GroupRecord.topic], let state = topics[topic] else { return }
        let id = ReadID(rawValue: nextNumber())
        reads[id] = .groupRecords
        groupLogRead = id
        effects.append(
            .read(
                id,
                TopicRead(
                    topic: GroupRecord.topic, generation: state.definition.generation,
                    mode: .following(cursor: groupLogPlace.cursor, after: groupLogPlace.after, through: deliveredThrough),
                    messageLimit: settings.pageMessages, byteLimit: settings.pageBytes)))
    }

    mutating func groupRecordsPage(
        _ result: Result<TopicPage, Refusal>, at now: Now, into effects: inout [ShardEffect]
    ) {
        groupLogRead = nil
        guard !areGroupsKnown else { return }
        guard case .success(let page) = result else {
            guard topicIndexes[GroupRecord.topic] != nil else { return groupsAreKnown(at: now, into: &effects) }
            return awaitGroups(until: now.monotonic + settings.groupRetry)
        }
        for item in page.messages {
            if let message = item.record.message { mergeGroupRecord(item, message, at: now, into: &effects) }
        }
        groupLogPlace = (page.cursor, max(groupLogPlace.after, page.reached))
        if page.more { return readGroupRecords(into: &effects) }
        groupsAreKnown(at: now, into: &effects)
    }

    mutating func groupsAreKnown(at now: Now, into effects: inout [ShardEffect]) {
        areGroupsKnown = true
        for key in knownGroups.keys.sorted() { startDispatcher(key, at: now, into: &effects) }
    }

    /// Takes in what a node has written of a group.
    mutating func mergeGroupRecord(
        _ item: Sequenced, _ message: Message, at now: Now, into effects: inout [ShardEffect]
    ) {
        guard let record = GroupRecord(message.payload) else { return }
        let key = record.key
        // The topic's own records come first: a group of one that is not there is of one that is gone.
        guard let topic = topicIndexes[key.topic], topics[topic]!.definition.generation == record.generation else { return }
        groupRecordCount += 1
        if groupRecordCount % (settings.groupRefresh / 10) == 0 { awaitGroups(until: now.monotonic) }
        guard var known = knownGroups[key], known.record.generation >= record.generation else {
            // Nodes that did not know of each other's groups may have made more of them together than one would.
            guard knownGroups.count < 4 * settings.groups || knownGroups[key] != nil else { return }
            knownGroups[key] = KnownGroup(
                record: record, sequence: item.sequence, isOwn: item.record.origin == place.origin,
                mark: groupRecordCount, lastUsed: now.monotonic)
            dropDispatcher(key)
            if areGroupsKnown { startDispatcher(key, at: now, into: &effects) }
            return
        }
        guard known.record.generation == record.generation else { return }
        let before = known.record
        known.record.merge(record)
        known.mark = groupRecordCount
        knownGroups[key] = known
        guard dispatchers[key] != nil, item.record.origin != place.origin else { return }
        // What others have settled need not be given out here.
        dispatchers[key]!.dropWaiting { known.record.done[$0] }
        let earlier = before.start.offsets.keys.filter { known.record.start[$0] < before.start[$0] }
        goBack(key, Set(earlier.filter { gives($0, of: key) && known.record.done[$0] < before.start[$0] }), from: before)
        readOn(key, at: now, into: &effects)
    }

    /// Takes up what lies before the place where this node began; what it has taken up since is not taken up again.
    private mutating func goBack(_ key: GroupKey, _ partitions: Set<Partition>, from before: GroupRecord) {
        var skipped = dispatchers[key]!.skipped
        for partition in partitions {
            let (low, high) = (before.floor(of: partition) + 1, dispatchers[key]!.taken[partition])
            guard low <= high else { continue }
            let known = skipped[partition] ?? low...high
            skipped[partition] = min(low, known.lowerBound)...max(high, known.upperBound)
        }
        rewind(key, partitions)
        dispatchers[key]!.skipped = skipped
    }

    private mutating func startDispatcher(_ key: GroupKey, at now: Now, into effects: inout [ShardEffect]) {
        guard dispatchers[key] == nil, key.loop(of: place.loops) == place.loop, let record = knownGroups[key]?.record,
            let topic = topicIndexes[key.topic], topics[topic]!.definition.generation == record.generation
        else { return }
        // The partitions of others are passed over as they come; from the log come those of this node.
        var taken = record.start
        for (partition, offset) in record.done.offsets { taken.advance(partition, to: offset) }
        dispatchers[key] = GroupDispatcher(
            key: key, generation: record.generation, taken: taken, workers: crews[key] ?? [])
        groupsOfTopics[key.topic, default: []].append(key)
        dispatchers[key]!.isLevel = true
        fallBehind(key, after: 0)
        readOn(key, at: now, into: &effects)
    }

    /// Has records written again of which nobody has spoken for long, before they leave `$groups`; those of groups that had
    /// no member for long are left to be forgotten.
    mutating func refreshRecords(at now: Now) {
        for key in dispatchers.keys.sorted() where key.acknowledges {
            guard let known = knownGroups[key] else { continue }
            if crews[key] != nil { knownGroups[key]!.lastUsed = now.monotonic }
            guard groupRecordCount - known.mark > settings.groupRefresh, !dispatchers[key]!.isRefreshDue,
                now.monotonic - knownGroups[key]!.lastUsed < settings.groupMemory
            else { continue }
            dispatchers[key]!.isRefreshDue = true
            noteProgress(of: key, at: now)
        }
    }

    mutating func writeRecords(ledger: any Ledger, at now: Now) {
        recordsAt = .distantFuture
        var drafts: [Draft] = []
        for key in dispatchers.keys.sorted() where dispatchers[key]!.isDirty {
            guard var record = knownGroups[key]?.record else { continue }
            dispatchers[key]!.isDirty = false
            let letters = deadLetters.filter { $0.key == key }.map(\.work)
            let done = dispatchers[key]!.done(before: letters) { gives($0, of: key) && !returned.contains($0.origin) }
            let isNews = done.offsets.contains { $0.value > record.floor(of: $0.key) }
            guard isNews || dispatchers[key]!.isRefreshDue else { continue }
            dispatchers[key]!.isRefreshDue = false
            for (partition, offset) in done.offsets { record.done.advance(partition, to: offset) }
            drafts.append(groupDraft(record))
        }
        guard !drafts.isEmpty else { return }
        for result in ledger.publish(drafts) {
            guard case .failure = result else { continue }
            // The disk takes nothing at present: what was settled is written when it does.
            for key in dispatchers.keys where key.acknowledges { noteProgress(of: key, at: now) }
        }
    }

    func groupDraft(_ record: GroupRecord, isAwaited: Bool = false) -> Draft {
        Draft(
            topic: GroupRecord.topic, event: "group", key: nil, publisher: "", source: "", messageID: nil,
            timeToLive: nil, payload: record.payload, isAwaited: isAwaited)
    }
}
