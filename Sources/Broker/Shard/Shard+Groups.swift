import Model

// The node on which a message was published gives it out to one member of each group, wherever that is; what a node has
// left that died is given out by a living one. On each node one event loop does it for a group. How far an acknowledging
// group has come is kept in the topic `$groups`; other groups live as long as they have members.

extension Shard {
    /// Begins to work: reads how far groups have come.
    package mutating func begin(at now: Now, into effects: inout [ShardEffect]) {
        takeoverAt = now.monotonic + settings.firstTakeover
        takeoverLimit = takeoverAt + settings.takeoverPatience
        awaitGroups(until: takeoverAt)
        if topicIndexes[GroupRecord.topic] == nil { return groupsAreKnown(at: now, into: &effects) }
        readGroupRecords(into: &effects)
    }

    // MARK: Members

    /// A member of a group came or went, on whichever node.
    mutating func workerChanged(_ event: PresenceEvent, at now: Now, into effects: inout [ShardEffect]) {
        let announcement = event.what == .left ? nil : WorkerAnnouncement(event)
        if let announcement, workerGroups[event.key] == announcement.key {
            // What it has it keeps, for as long as it was given it.
            return setPatience(announcement)
        }
        if let key = workerGroups.removeValue(forKey: event.key) { removeWorker(event.key.connection, of: key, at: now, into: &effects) }
        guard let announcement, announcement.key.loop(of: place.loops) == place.loop else { return }
        let key = announcement.key
        workerGroups[event.key] = key
        crews[key, default: []].append(Worker(station: announcement.station, patience: announcement.patience))
        if dispatchers[key] == nil {
            // An acknowledging one begins with its record.
            guard !key.acknowledges else { return }
            startForgetful(key)
        } else {
            dispatchers[key]!.workers.append(crews[key]!.last!)
        }
        dispatch(key, at: now, into: &effects)
    }

    /// A member has joined its group again, and wants another time to acknowledge.
    private mutating func setPatience(_ announcement: WorkerAnnouncement) {
        let (key, station) = (announcement.key, announcement.station)
        if let crew = crews[key], let member = crew.firstIndex(where: { $0.station == station }) {
            crews[key]![member].patience = announcement.patience
        }
        if let dispatcher = dispatchers[key], let member = dispatcher.workers.firstIndex(where: { $0.station == station }) {
            dispatchers[key]!.workers[member].patience = announcement.patience
        }
    }

    private mutating func removeWorker(
        _ session: String, of key: GroupKey, at now: Now, into effects: inout [ShardEffect]
    ) {
        crews[key]?.removeAll { $0.station.session == session }
        if crews[key]?.isEmpty == true { crews[key] = nil }
        guard dispatchers[key] != nil else { return }
        for number in dispatchers[key]!.numbers(where: { $0.station.session == session }) {
            guard let flight = dispatchers[key]!.takeBack(number, from: session) else { continue }
            workKeys[number] = nil
            giveAgain(flight.work, of: key, because: "its member went away before it acknowledged", at: now)
        }
        dispatchers[key]!.workers.removeAll { $0.station.session == session }
        if crews[key] == nil, !key.acknowledges { return dropDispatcher(key) }
        dispatch(key, at: now, into: &effects)
    }

    /// Begins to give out what comes from now on to a group that nobody acknowledges in.
    private mutating func startForgetful(_ key: GroupKey) {
        guard let topic = topicIndexes[key.topic], let state = topics[topic] else { return }
        dispatchers[key] = GroupDispatcher(
            key: key, generation: state.definition.generation, taken: state.heads, workers: crews[key] ?? [])
        dispatchers[key]!.isLevel = true
        groupsOfTopics[key.topic, default: []].append(key)
    }

    /// A topic has become known here of whose members this loop has heard before.
    mutating func startCrews(of topic: TopicName, at now: Now, into effects: inout [ShardEffect]) {
        guard !crews.isEmpty else { return }
        for key in crews.keys.sorted() where key.topic == topic && !key.acknowledges && dispatchers[key] == nil {
            startForgetful(key)
        }
    }

    mutating func dropDispatcher(_ key: GroupKey) {
        guard let dispatcher = dispatchers.removeValue(forKey: key) else { return }
        for number in dispatcher.flights.keys { workKeys[number] = nil }
        if !dispatcher.isLevel, let topic = topicIndexes[key.topic] { leaveRecent(topic) }
        groupsOfTopics[key.topic]?.removeAll { $0 == key }
        if groupsOfTopics[key.topic]?.isEmpty == true { groupsOfTopics[key.topic] = nil }
    }

    /// A topic's end is the end of its groups.
    mutating func dropGroups(of topic: TopicName) {
        for key in groupsOfTopics[topic] ?? [] { dropDispatcher(key) }
        for key in knownGroups.keys where key.topic == topic { knownGroups[key] = nil }
    }

    // MARK: Taking messages up

    /// Offers a message that this loop passes on to the topic's groups.
    mutating func offerToGroups(_ item: Sequenced, _ message: Message, at now: Now, into effects: inout [ShardEffect]) {
        if message.topic == GroupRecord.topic { return mergeGroupRecord(item, message, at: now, into: &effects) }
        for key in groupsOfTopics[message.topic] ?? [] where dispatchers[key]!.isLevel {
            // For a group without members nothing is held: the log has it.
            if dispatchers[key]!.workers.isEmpty || dispatchers[key]!.isFull(groupLimits) {
                fallBehind(key, after: item.sequence - 1)
            } else {
                takeUp(item, message, of: key, at: now)
                dispatch(key, at: now, into: &effects)
            }
        }
    }

    private var groupLimits: (messages: Int, bytes: Int) { (settings.groupWaiting, settings.groupWaitingBytes) }

    mutating func takeUp(_ item: Sequenced, _ message: Message, of key: GroupKey, at now: Now) {
        let partition = item.record.partition(of: message)
        guard message.generation == dispatchers[key]!.generation, message.offset > dispatchers[key]!.taken[partition]
        else { return }
        dispatchers[key]!.taken.advance(partition, to: message.offset)
        guard gives(partition, of: key) else { return }
        noteProgress(of: key, at: now)
        guard !item.isLost, !item.isSilent, dispatchers[key]!.skipped[partition]?.contains(message.offset) != true
        else { return }
        dispatchers[key]!.append(GroupDispatcher.Work(item: item, partition: partition, offset: message.offset))
    }

    /// Leaves the live stream: the log has what follows.
    mutating func fallBehind(_ key: GroupKey, after sequence: UInt64) {
        guard let topic = topicIndexes[key.topic] else { return }
        dispatchers[key]!.isLevel = false
        dispatchers[key]!.after = sequence
        if topics[topic]!.readerCount == 0 { topics[topic]!.recent.begin(after: deliveredThrough) }
        topics[topic]!.readerCount += 1
        topics[topic]!.groupReaderCount += 1
    }

    mutating func leaveRecent(_ topic: TopicIndex) {
        topics[topic]!.readerCount -= 1
        topics[topic]!.groupReaderCount -= 1
        if topics[topic]!.readerCount == 0 { topics[topic]!.recent.end() }
    }

    /// Reads on where there is room, or joins the live stream where it has been reached.
    mutating func readOn(_ key: GroupKey, at now: Now, into effects: inout [ShardEffect]) {
        guard let dispatcher = dispatchers[key], !dispatcher.isLevel, dispatcher.read == nil,
            !dispatcher.workers.isEmpty, !dispatcher.isFull(groupLimits, share: 2), let topic = topicIndexes[key.topic],
            let state = topics[topic]
        else { return }
        if dispatcher.after < state.lastSequence, !state.isCovered(by: dispatcher.taken) {
            guard let recent = state.recent.after(dispatcher.after) else {
                let id = ReadID(rawValue: nextNumber())
                reads[id] = .group(key)
                dispatchers[key]!.read = id
                let mode = TopicRead.Mode.following(
                    cursor: dispatcher.taken, after: dispatcher.after, through: deliveredThrough)
                return effects.append(
                    .read(
                        id,
                        TopicRead(
                            topic: key.topic, generation: dispatcher.generation, mode: mode,
                            messageLimit: settings.groupWaiting, byteLimit: settings.pageBytes)))
            }
            for item in recent {
                if let message = item.record.message { takeUp(item, message, of: key, at: now) }
            }
        }
        dispatchers[key]!.isLevel = true
        leaveRecent(topic)
        dispatch(key, at: now, into: &effects)
    }

    /// What the log had for a group that reads there.
    mutating func groupPage(
        _ id: ReadID, _ key: GroupKey, _ result: Result<TopicPage, Refusal>, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        guard dispatchers[key]?.read == id else { return }
        dispatchers[key]!.read = nil
        guard case .success(let page) = result else {
            // It is tried again with the next that happens, and within a second.
            return awaitGroups(until: now.monotonic + settings.groupRetry)
        }
        for item in page.messages {
            if let message = item.record.message { takeUp(item, message, of: key, at: now) }
        }
        for (partition, offset) in page.cursor.offsets { dispatchers[key]!.taken.advance(partition, to: offset) }
        dispatchers[key]!.after = max(dispatchers[key]!.after, page.reached)
        noteProgress(of: key, at: now)
        dispatch(key, at: now, into: &effects)
    }

    // MARK: Giving messages out

    /// Gives out what waits, as long as a member has room.
    mutating func dispatch(_ key: GroupKey, at now: Now, into effects: inout [ShardEffect]) {
        // While dead letters cannot be written no more of them are made.
        guard dispatchers[key] != nil, deadLetters.count < settings.groupWaiting else { return }
        while let work = dispatchers[key]!.next() {
            if let expiry = work.item.record.message?.expiry, expiry <= now.wall {
                noteProgress(of: key, at: now)
                continue
            }
            let limits = (messages: settings.groupWindow, bytes: settings.groupWindowBytes)
            guard
                let worker = dispatchers[key]!.chooseWorker(
                    for: work, on: place.origin.node, within: limits, at: now.monotonic)
            else {
                dispatchers[key]!.putFirst(work)
                break
            }
            give(work, of: key, to: worker, at: now, into: &effects)
        }
        readOn(key, at: now, into: &effects)
    }

    private mutating func give(
        _ work: GroupDispatcher.Work, of key: GroupKey, to worker: Int, at now: Now, into effects: inout [ShardEffect]
    ) {
        let number = nextNumber()
        var given = work
        given.attempts += 1
        let member = dispatchers[key]!.workers[worker]
        let deadline = now.monotonic + member.patience
        dispatchers[key]!.give(given, to: worker, as: number, until: deadline)
        workKeys[number] = key
        awaitGroups(until: deadline)
        let errand = WorkErrand(
            id: WorkID(origin: place.origin, loop: place.loop, number: number), connection: member.station.connection,
            session: member.station.session, key: key, attempt: given.attempts, item: work.item)
        effects.append(.errand(.work(errand), to: member.station.node, loop: member.station.loop))
    }

    /// A member has acknowledged a message, or was shown one that it need not acknowledge.
    mutating func workSettled(_ id: WorkID, from session: String, at now: Now, into effects: inout [ShardEffect]) {
        guard id.origin == place.origin, let key = workKeys[id.number],
            dispatchers[key]?.takeBack(id.number, from: session) != nil
        else { return }
        workKeys[id.number] = nil
        noteProgress(of: key, at: now)
        dispatch(key, at: now, into: &effects)
    }

    /// A member was not shown a message: it is given to another, and this one is left alone for a moment.
    mutating func workDeclined(_ id: WorkID, from session: String, at now: Now, into effects: inout [ShardEffect]) {
        guard id.origin == place.origin, let key = workKeys[id.number],
            var work = dispatchers[key]?.takeBack(id.number, from: session)?.work
        else { return }
        workKeys[id.number] = nil
        work.attempts -= 1
        dispatchers[key]!.putBack(work)
        let pause = now.monotonic + settings.groupPause
        dispatchers[key]!.pause(session, until: pause)
        awaitGroups(until: pause)
        dispatch(key, at: now, into: &effects)
    }

    /// What a member had and did not acknowledge goes to another, or, after the last attempt, to the dead letters. Where
    /// nobody acknowledges it is held to have been taken.
    mutating func giveAgain(_ work: GroupDispatcher.Work, of key: GroupKey, because trouble: String, at now: Now) {
        // While this node was away another may have given it out too, and settled it.
        let isSettled = knownGroups[key].map { work.offset <= $0.record.done[work.partition] } ?? false
        guard key.acknowledges, !isSettled else { return noteProgress(of: key, at: now) }
        var work = work
        work.trouble = trouble
        if work.attempts < settings.groupAttempts {
            dispatchers[key]!.putBack(work)
        } else {
            // It stays outstanding until its letter is written.
            deadLetters.append((key, work))
            awaitGroups(until: now.monotonic)
        }
    }
}
