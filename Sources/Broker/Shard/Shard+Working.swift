import Model

// A member of a group is a connection that has subscribed to a topic with `group`. It follows the topic like any other,
// but is shown only what it is given; what it has to acknowledge it knows by a number of its own.

extension Shard {
    // MARK: Joining

    /// Why a connection may not be a member of a group.
    func groupRefusal(_ filter: TopicFilter, _ command: Command.Subscribe, _ slot: Int) -> Refusal? {
        guard let wish = command.group else { return nil }
        guard let name = filter.exact else {
            return .invalidMessage("\"group\" needs a topic's name: \"\(filter)\" is a wildcard")
        }
        guard !wish.name.isEmpty, wish.name.utf8.count <= settings.textBytes else {
            return .invalidMessage("\"group\" must have 1 to \(settings.textBytes) bytes")
        }
        guard command.since == nil, command.conditions.isEmpty else {
            return .invalidMessage(
                "\"group\" goes with neither \"since\" nor \"filters\": a group has one place in the topic, and its members "
                    + "share all that comes")
        }
        guard let topic = topicIndexes[name] else { return .topicUnknown(name) }
        if topics[topic]!.definition.kind == .table {
            return .notSupported("topic \"\(name)\" is a table: its rows are for all who follow it, and \"group\" goes with streams")
        }
        let key = GroupKey(topic: name, name: wish.name, acknowledges: wish.acknowledges)
        if wish.acknowledges {
            if topics[topic]!.definition.durability == .memory {
                return .notSupported(
                    "topic \"\(name)\" is kept in memory: \"group\" goes without \"ack\" there, since nothing would be left to "
                        + "give out again")
            }
            guard !name.isSystem else {
                return .notSupported("topic \"\(name)\" is one of the system's: \"group\" goes without \"ack\" there")
            }
            guard name.deadLetters != nil else {
                return .notSupported(
                    "the topic's name has \(name.text.utf8.count) bytes: \"group\" goes with \"ack\" where it has at most "
                        + "\(TopicName.maximumLengthWithDeadLetters), since dead letters go to "
                        + "\"\(TopicName.deadLetterPrefix)\" followed by the name")
            }
            guard knownGroups[key] != nil || knownGroups.count < settings.groups else {
                return .presenceLimit(settings.groups)
            }
            guard knownGroups[key] != nil || knownGroups.keys.count(where: { $0.topic == name }) < settings.groupsPerTopic
            else { return .presenceLimit(settings.groupsPerTopic) }
        }
        let connection = sessions[slot]!.connection
        if duties[connection]?.groups[name] != nil { return nil }
        let limit = settings.presencesPerConnection
        guard (duties[connection]?.groups.count ?? 0) < limit else { return .presenceLimit(limit) }
        return presenceCount < settings.presences ? nil : .presenceLimit(settings.presences)
    }

    /// Sees to it that a majority knows where an acknowledging group begins, before it has a member: from then on it loses
    /// nothing.
    mutating func recordGroup(
        _ id: SubscribeTask.ID, _ slot: Int, ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]
    ) {
        guard let task = tasks[id], let name = task.filter.exact, let wish = task.group else { return }
        tasks[id]!.isGroupRecorded = true
        let moment = ledger.heads(of: [name])
        deliver(moment.batch, at: now, into: &effects)
        guard tasks[id] != nil else { return }
        guard let topic = topicIndexes[name] else { return abandon(id, .topicUnknown(name), into: &effects) }
        let generation = topics[topic]!.definition.generation
        let key = GroupKey(topic: name, name: wish.name, acknowledges: true)
        if knownGroups[key]?.record.generation != generation {
            if find(GroupRecord.topic, ledger: ledger, at: now, into: &effects) == nil {
                _ = ledger.createTopic(Self.groupTopic)
            }
            let record = GroupRecord(key: key, generation: generation, start: moment.heads[0])
            if case .failure(let refusal)? = ledger.publish([groupDraft(record, isAwaited: true)]).first {
                return abandon(id, refusal, into: &effects)
            }
            deliver(ledger.take(), at: now, into: &effects)
        }
        guard tasks[id] != nil else { return }
        guard let known = knownGroups[key], known.record.generation == generation else {
            return abandon(id, .presenceLimit(settings.groups), into: &effects)
        }
        let announcement = InterestID(rawValue: nextNumber())
        tasks[id]!.interest = announcement
        announcements[announcement] = (nil, [id])
        awaitDurability(
            known.isOwn ? .replicated : .stored, known.sequence, announcement, task.connection, task.reference, at: now,
            into: &effects)
    }

    private static var groupTopic: TopicCreation {
        TopicCreation(
            name: GroupRecord.topic, kind: .stream, durability: .disk, owner: "", groups: [],
            settings: TopicSettings(
                retention: Retention(messages: GroupRecord.retentionMessages), permission: .ownerOnly))
    }

    /// Announces a connection as a member; it is given nothing before its subscription is live.
    mutating func joinGroup(
        _ name: TopicName, _ wish: Command.GroupWish, _ slot: Int, at now: Now, into effects: inout [ShardEffect]
    ) {
        let session = sessions[slot]!
        let key = GroupKey(topic: name, name: wish.name, acknowledges: wish.acknowledges)
        let station = Station(
            node: place.origin.node, loop: place.loop, connection: session.connection, session: session.name)
        let announcement = WorkerAnnouncement(key: key, station: station, patience: wish.patience)
        let before = duties[session.connection]?.groups[name]
        guard before?.announcement != announcement.encoded else { return }
        if before == nil { presenceCount += 1 }
        if duties[session.connection] == nil { duties[session.connection] = Duties() }
        edit(session.connection) { duties in
            if before?.key == key {
                duties.groups[name]!.announcement = announcement.encoded
                duties.groups[name]!.patience = max(duties.groups[name]!.patience, wish.patience)
            } else {
                // What it had of another group goes to others.
                duties.work = duties.work.filter { $0.value.topic != name }
                duties.groups[name] = Duties.Membership(
                    key: key, announcement: announcement.encoded, patience: wish.patience)
            }
        }
        let entry = PresenceEntry(user: session.principal.user, since: now.wall, state: announcement.encoded)
        effects.append(.announce([.set(PresenceKey(.worker, in: name, connection: session.name), entry)]))
    }

    /// The subscription is live, or goes on without a group.
    mutating func settleMembership(
        _ name: TopicName, _ wish: Command.GroupWish?, _ slot: Int, at now: Now, into effects: inout [ShardEffect]
    ) {
        guard let wish else { return leaveGroup(name, slot, into: &effects) }
        joinGroup(name, wish, slot, at: now, into: &effects)
        let connection = sessions[slot]!.connection
        guard !duties[connection]!.groups[name]!.isLive else { return }
        duties[connection]!.groups[name]!.isLive = true
        if let topic = topicIndexes[name] { duties[connection]!.groups[name]!.told = topics[topic]!.heads }
    }

    /// A connection is no member any more; what it has not acknowledged goes to others.
    mutating func leaveGroup(_ name: TopicName, _ slot: Int, into effects: inout [ShardEffect]) {
        let session = sessions[slot]!
        guard duties[session.connection]?.groups[name] != nil else { return }
        presenceCount -= 1
        edit(session.connection) { duties in
            duties.groups[name] = nil
            duties.work = duties.work.filter { $0.value.topic != name }
        }
        effects.append(.announce([.remove(PresenceKey(.worker, in: name, connection: session.name))]))
    }

    mutating func leaveGroups(_ slot: Int, into effects: inout [ShardEffect]) {
        for name in (duties[sessions[slot]!.connection]?.groups.keys.sorted() ?? []) {
            leaveGroup(name, slot, into: &effects)
        }
    }

    // MARK: Working

    /// Shows a message to the member that it was given to, or says why not.
    mutating func show(_ work: WorkErrand, at now: Now, into effects: inout [ShardEffect]) {
        let (connection, name) = (work.connection, work.key.topic)
        func send(_ errand: Errand) {
            effects.append(.errand(errand, to: work.id.origin.node, loop: work.id.loop))
        }
        if let open = duties[connection]?.work, open.count >= settings.openRequestsPerConnection {
            edit(connection) { $0.work = $0.work.filter { $0.value.deadline > now.monotonic } }
        }
        guard let slot = slot(of: connection), sessions[slot]!.name == work.session,
            let membership = duties[connection]?.groups[name], membership.isLive, membership.key == work.key,
            !sessions[slot]!.isCongested, duties[connection]!.work.count < settings.openRequestsPerConnection
        else { return send(.workDeclined(work.id, from: work.session)) }
        var number: UInt64?
        if work.key.acknowledges {
            number = nextNumber()
            duties[connection]!.work[number!] = Duties.OpenWork(
                id: work.id, topic: name, deadline: now.monotonic + membership.patience)
        } else {
            send(.workSettled(work.id, from: work.session))
        }
        tellPassed(work, slot, into: &effects)
        counters.delivered += 1
        effects.append(
            .notify(
                connection,
                .work(
                    WorkNotice(
                        item: work.item, group: work.key.name, attempt: work.attempt, acknowledgementID: number))))
    }

    /// Tells a member of what others were given, up to the message that it is given itself.
    private mutating func tellPassed(_ work: WorkErrand, _ slot: Int, into effects: inout [ShardEffect]) {
        let (connection, name) = (work.connection, work.key.topic)
        guard let topic = topicIndexes[name], let message = work.item.record.message,
            let unseen = sessions[slot]!.followings[topic]?.unseen
        else { return }
        let partition = work.item.record.partition(of: message)
        let told = duties[connection]!.groups[name]!.told[partition]
        var now = unseen.offsets
        var later = Cursor()
        if let passed = now[partition], passed >= message.offset {
            now[partition] = message.offset - 1 > told ? message.offset - 1 : nil
            if passed > message.offset { later.advance(partition, to: passed) }
        }
        sessions[slot]!.followings[topic]!.unseen = later
        duties[connection]!.groups[name]!.told.advance(partition, to: message.offset)
        let cursor = Cursor(now)
        guard !cursor.offsets.isEmpty else { return }
        for (partition, offset) in cursor.offsets {
            duties[connection]!.groups[name]!.told.advance(partition, to: offset)
        }
        effects.append(.notify(connection, .cursor(name, cursor)))
    }

    mutating func acknowledge(
        _ number: UInt64, _ reference: RequestReference, _ slot: Int, at now: Now, into effects: inout [ShardEffect]
    ) {
        let session = sessions[slot]!
        guard let work = duties[session.connection]?.work[number], work.deadline > now.monotonic else {
            let refusal = Refusal.invalidMessage(
                "\"ackId\" names no message that waits for this connection's acknowledgement: it was acknowledged, or its "
                    + "time was over and it goes to another member")
            return refuse(refusal, session.connection, reference, into: &effects)
        }
        edit(session.connection) { $0.work[number] = nil }
        effects.append(.errand(.workSettled(work.id, from: session.name), to: work.id.origin.node, loop: work.id.loop))
        answer(.acknowledged(number), session.connection, reference, into: &effects)
    }

    /// A member had its time, and did not acknowledge.
    mutating func recalled(_ id: WorkID, _ connection: ConnectionID, _ session: String) {
        guard let slot = slot(of: connection), sessions[slot]!.name == session,
            let number = duties[connection]?.work.first(where: { $0.value.id == id })?.key
        else { return }
        edit(connection) { $0.work[number] = nil }
    }
}
