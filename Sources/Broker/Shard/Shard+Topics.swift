import Model

extension Shard {
    mutating func createTopic(
        _ create: Command.CreateTopic, _ reference: RequestReference, _ slot: Int, ledger: any Ledger, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        let session = sessions[slot]!
        let owner = create.owner ?? session.principal.user
        if let refusal = creationRefusal(create, owner, session.principal) {
            return refuse(refusal, session.connection, reference, into: &effects)
        }
        let creation = TopicCreation(
            name: create.name, kind: create.kind, durability: create.durability, owner: owner,
            groups: session.principal.groups,
            settings: TopicSettings(
                retention: create.retention == .unlimited && create.kind == .stream
                    ? settings.defaultRetention : create.retention,
                permission: create.permission ?? settings.defaultPermission))
        let result = ledger.createTopic(creation)
        finishWrite(result, reference, slot, ledger: ledger, at: now, into: &effects) { .topicCreated($0) }
    }

    mutating func destroyTopic(
        _ name: TopicName, _ reference: RequestReference, _ slot: Int, ledger: any Ledger, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        guard authorize(.manage, name, reference, slot, ledger: ledger, at: now, into: &effects) != nil else { return }
        let result = ledger.destroyTopic(name)
        finishWrite(result, reference, slot, ledger: ledger, at: now, into: &effects) { .topicDestroyed($0.name) }
    }

    mutating func changeTopic(
        _ name: TopicName, _ retention: Retention?, _ permission: PermissionMask?, _ reference: RequestReference,
        _ slot: Int, ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]
    ) {
        guard let topic = authorize(.manage, name, reference, slot, ledger: ledger, at: now, into: &effects) else { return }
        if retention ?? .unlimited != .unlimited, topics[topic]!.definition.kind == .table {
            return refuse(Self.tableRetention, sessions[slot]!.connection, reference, into: &effects)
        }
        let result = ledger.changeTopic(name, retention: retention, permission: permission)
        finishWrite(result, reference, slot, ledger: ledger, at: now, into: &effects) { .topicChanged($0) }
    }

    mutating func listTopics(
        _ list: Command.ListTopics, _ reference: RequestReference, _ slot: Int, into effects: inout [ShardEffect]
    ) {
        let session = sessions[slot]!
        guard (1...settings.listedTopics).contains(list.limit) else {
            let refusal = Refusal.invalidMessage("\"limit\" is \(list.limit); it must be 1 to \(settings.listedTopics)")
            return refuse(refusal, session.connection, reference, into: &effects)
        }
        var found: [TopicDefinition] = []
        var more = false
        for name in sortedNames[(list.after.map(namePlace) ?? 0)...] where name != list.after {
            guard list.filter?.matches(name) ?? true, let topic = topicIndexes[name],
                let definition = topics[topic]?.definition, readRefusal(slot, topic) == nil
            else { continue }
            if found.count == list.limit {
                more = true
                break
            }
            found.append(definition)
        }
        answer(.topics(found, more: more), session.connection, reference, into: &effects)
    }

    mutating func describeTopic(
        _ name: TopicName, _ reference: RequestReference, _ slot: Int, ledger: any Ledger, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        guard let topic = authorize(.read, name, reference, slot, ledger: ledger, at: now, into: &effects) else {
            return
        }
        let id = ReadID(rawValue: nextNumber())
        sessions[slot]!.pendingCount += 1
        reads[id] = .describe(sessions[slot]!.connection, reference)
        effects.append(.describe(id, topics[topic]!.definition))
    }

    /// The answer to a `.describe`.
    package mutating func described(
        _ id: ReadID, _ result: Result<TopicDescription, Refusal>, into effects: inout [ShardEffect]
    ) {
        guard case .describe(let connection, let reference) = reads.removeValue(forKey: id),
            slot(of: connection) != nil
        else { return }
        settlePending(connection)
        switch result {
        case .success(let description): answer(.topic(description), connection, reference, into: &effects)
        case .failure(let refusal): refuse(refusal, connection, reference, into: &effects)
        }
    }

    mutating func topicPermission(
        _ name: TopicName, _ reference: RequestReference, _ slot: Int, ledger: any Ledger, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        guard let topic = authorize(.read, name, reference, slot, ledger: ledger, at: now, into: &effects) else {
            return
        }
        let mask = topics[topic]!.definition.settings.permission
        answer(.permission(name, mask), sessions[slot]!.connection, reference, into: &effects)
    }

    mutating func readHistory(
        _ history: Command.History, _ reference: RequestReference, _ slot: Int, ledger: any Ledger, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        let connection = sessions[slot]!.connection
        guard (1...settings.historyMessages).contains(history.limit) else {
            let refusal = Refusal.invalidMessage(
                "\"limit\" is \(history.limit); it must be 1 to \(settings.historyMessages)")
            return refuse(refusal, connection, reference, into: &effects)
        }
        guard
            let topic = authorize(.read, history.topic, reference, slot, ledger: ledger, at: now, into: &effects)
        else { return }
        if history.rowsOnly, topics[topic]!.definition.kind != .table {
            return refuse(.notATable(history.topic), connection, reference, into: &effects)
        }
        let id = ReadID(rawValue: nextNumber())
        sessions[slot]!.pendingCount += 1
        reads[id] = .history(connection, reference, history.topic, rowsOnly: history.rowsOnly)
        effects.append(
            .read(
                id,
                TopicRead(
                    topic: history.topic, generation: topics[topic]!.definition.generation,
                    mode: .history(since: history.since, until: history.until), messageLimit: history.limit,
                    byteLimit: settings.historyBytes)))
    }

    /// The topic, when it exists and the session may do this with it; refuses otherwise.
    mutating func authorize(
        _ action: AccessAction, _ name: TopicName, _ reference: RequestReference, _ slot: Int, ledger: any Ledger,
        at now: Now, into effects: inout [ShardEffect]
    ) -> TopicIndex? {
        let session = sessions[slot]!
        guard let topic = find(name, ledger: ledger, at: now, into: &effects), let state = topics[topic] else {
            refuse(.topicUnknown(name), session.connection, reference, into: &effects)
            return nil
        }
        let definition = action == .read ? readDefinition(of: state) : state.definition
        if let refusal = access.decides(action, on: name, definition, for: session.principal) {
            refuse(refusal, session.connection, reference, into: &effects)
            return nil
        }
        return topic
    }

    private func creationRefusal(
        _ create: Command.CreateTopic, _ owner: String, _ principal: Principal
    ) -> Refusal? {
        if let refusal = access.decides(.create, on: create.name, nil, for: principal) { return refusal }
        if owner != principal.user, !access.isAdmin(principal) {
            return .permissionDenied(action: "create for another owner", topic: create.name.text)
        }
        guard create.kind == .table else { return nil }
        if create.durability == .memory {
            return .notSupported("a table is kept on disk: \"durability\" must be \"disk\"")
        }
        if create.retention != .unlimited { return Self.tableRetention }
        return nil
    }

    private static let tableRetention = Refusal.notSupported(
        "a table keeps the newest version of each row, and nothing else: leave \"retention\" out")

    /// Lets the reply wait until the write is stored, and takes note of what it changed.
    private mutating func finishWrite(
        _ result: Result<TopicWrite, Refusal>, _ reference: RequestReference, _ slot: Int, ledger: any Ledger,
        at now: Now, into effects: inout [ShardEffect], reply: (TopicDefinition) -> Reply
    ) {
        let connection = sessions[slot]!.connection
        switch result {
        case .failure(let refusal): refuse(refusal, connection, reference, into: &effects)
        case .success(let write):
            sessions[slot]!.pendingCount += 1
            awaitDurability(
                .stored, write.sequence, reply(write.definition), connection, reference, at: now, into: &effects)
        }
        // A failure, too, may be due to something that this loop has not met yet.
        deliver(ledger.take(), at: now, into: &effects)
    }
}
