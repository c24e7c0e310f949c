import Model

// A member of a topic is a connection that has subscribed to it with presence. The shard announces its own, and tells
// those who want to know of what comes back: its own announcements too, so that all see one order.

extension Shard {
    // MARK: Coming and going

    /// Whether a subscription may ask for what it asks of presence.
    func presenceRefusal(_ filter: TopicFilter, _ wish: Command.PresenceWish, _ slot: Int) -> Refusal? {
        guard wish == .member || wish == .observer else { return nil }
        guard let name = filter.exact else {
            return .invalidMessage("presence needs a topic's name: \"\(filter)\" is a wildcard")
        }
        if wish == .observer || sessions[slot]!.presences[name] != nil { return nil }
        let limit = settings.presencesPerConnection
        guard sessions[slot]!.presences.count < limit else { return .presenceLimit(limit) }
        return presenceCount < settings.presences ? nil : .presenceLimit(settings.presences)
    }

    /// Takes note of what a subscription that has just become live wants of presence, in place of what the one before it
    /// wanted.
    mutating func attend(
        _ filter: TopicFilter, _ wish: Command.PresenceWish, before: Command.PresenceWish, _ slot: Int, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        guard wish != before else { return }
        unattend(filter, before, slot, keepsMember: wish == .member, into: &effects)
        guard wish != .none else { return }
        let connection = sessions[slot]!.connection
        if wish != .observer { typingObservers[filter, default: []].append(connection) }
        guard wish != .typing, let name = filter.exact else { return }
        presenceObservers[name, default: []].append(connection)
        guard wish == .member else { return }
        presenceCount += 1
        announce(
            .member, name, slot, PresenceEntry(user: sessions[slot]!.principal.user, since: now.wall), into: &effects)
    }

    /// A subscription has ended, or wants less.
    mutating func unattend(
        _ filter: TopicFilter, _ wish: Command.PresenceWish, _ slot: Int, keepsMember: Bool = false,
        into effects: inout [ShardEffect]
    ) {
        guard wish != .none, let session = sessions[slot] else { return }
        if wish != .observer { Self.remove(session.connection, from: &typingObservers, at: filter) }
        guard wish != .typing, let name = filter.exact else { return }
        Self.remove(session.connection, from: &presenceObservers, at: name)
        guard wish == .member, !keepsMember, sessions[slot]!.presences.removeValue(forKey: name) != nil else { return }
        presenceCount -= 1
        effects.append(.announce([.remove(PresenceKey(.member, in: name, connection: session.name))]))
    }

    private static func remove<Key: Hashable>(
        _ connection: ConnectionID, from observers: inout [Key: [ConnectionID]], at key: Key
    ) {
        guard let place = observers[key]?.lastIndex(of: connection) else { return }
        observers[key]!.remove(at: place)
        if observers[key]!.isEmpty { observers[key] = nil }
    }

    private mutating func announce(
        _ kind: PresencePlace.Kind, _ name: TopicName, _ slot: Int, _ entry: PresenceEntry,
        into effects: inout [ShardEffect]
    ) {
        if kind == .member { sessions[slot]!.presences[name] = entry }
        effects.append(.announce([.set(PresenceKey(kind, in: name, connection: sessions[slot]!.name), entry)]))
    }

    mutating func setPresence(
        _ name: TopicName, _ state: [UInt8], _ reference: RequestReference, _ slot: Int,
        into effects: inout [ShardEffect]
    ) {
        let connection = sessions[slot]!.connection
        guard let entry = sessions[slot]!.presences[name] else {
            let refusal = Refusal.invalidMessage(
                "you are no member of \"\(name)\": subscribe to it with \"presence\": true first")
            return refuse(refusal, connection, reference, into: &effects)
        }
        guard state.count <= settings.presenceStateBytes else {
            let refusal = Refusal.invalidMessage(
                "\"state\" has \(state.count) bytes; it may have at most \(settings.presenceStateBytes)")
            return refuse(refusal, connection, reference, into: &effects)
        }
        let changed = PresenceEntry(user: entry.user, since: entry.since, state: state)
        announce(.member, name, slot, changed, into: &effects)
        answer(.presenceSet(name), connection, reference, into: &effects)
    }

    /// The session acts for somebody, perhaps another than before: what it announces says so.
    mutating func renamePresences(_ slot: Int, into effects: inout [ShardEffect]) {
        let user = sessions[slot]!.principal.user
        for name in sessions[slot]!.presences.keys.sorted() {
            guard let entry = sessions[slot]!.presences[name], entry.user != user else { continue }
            let renamed = PresenceEntry(user: user, since: entry.since, state: entry.state)
            announce(.member, name, slot, renamed, into: &effects)
        }
    }

    // MARK: Typing

    mutating func setTyping(
        _ name: TopicName, _ isTyping: Bool, _ state: [UInt8], _ reference: RequestReference, _ slot: Int,
        ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]
    ) {
        let connection = sessions[slot]!.connection
        guard authorize(.write, name, reference, slot, ledger: ledger, at: now, into: &effects) != nil else { return }
        if isTyping {
            let isKnown = sessions[slot]!.typing[name] != nil
            guard isKnown || sessions[slot]!.typing.count < settings.typingsPerConnection else {
                return refuse(.rateLimited, connection, reference, into: &effects)
            }
            sessions[slot]!.typing[name] = now.monotonic
            if !isKnown {
                let entry = PresenceEntry(
                    user: sessions[slot]!.principal.user, since: now.wall, state: state)
                announce(.typing, name, slot, entry, into: &effects)
                deadlines.schedule(.typing(connection, name), at: now.monotonic + settings.typingLimit)
            }
        } else {
            stopTyping(name, slot, into: &effects)
        }
        answer(.typingNoted(name), connection, reference, into: &effects)
    }

    /// The user has finished, gone silent or gone.
    mutating func stopTyping(_ name: TopicName, _ slot: Int, into effects: inout [ShardEffect]) {
        guard let session = sessions[slot], session.typing[name] != nil else { return }
        sessions[slot]!.typing[name] = nil
        effects.append(.announce([.remove(PresenceKey(.typing, in: name, connection: session.name))]))
    }

    mutating func typingIsDue(
        _ connection: ConnectionID, _ name: TopicName, at now: Now, into effects: inout [ShardEffect]
    ) {
        guard let slot = slot(of: connection), let last = sessions[slot]!.typing[name] else { return }
        let end = last + settings.typingLimit
        guard end <= now.monotonic else { return deadlines.schedule(.typing(connection, name), at: end) }
        stopTyping(name, slot, into: &effects)
    }

    // MARK: Being told

    /// Somebody came, went, changed, or began or ceased to type, on whichever node.
    package mutating func presenceChanged(
        _ events: [PresenceEvent], at now: Now, into effects: inout [ShardEffect]
    ) {
        for event in events {
            switch event.key.place.kind {
            case .member: memberChanged(event, at: now, into: &effects)
            case .typing: typingChanged(event, into: &effects)
            case .responder: responderChanged(event, into: &effects)
            case .worker: workerChanged(event, at: now, into: &effects)
            }
        }
    }

    private mutating func memberChanged(_ event: PresenceEvent, at now: Now, into effects: inout [ShardEffect]) {
        let name = event.key.place.topic
        guard let observers = presenceObservers[name] else { return }
        guard event.count <= settings.listedMembers else {
            if owedCounts.updateValue(event.count, forKey: name) == nil {
                deadlines.schedule(.presenceCount(name), at: now.monotonic + settings.presenceCountDelay)
            }
            return
        }
        owedCounts[name] = nil
        for connection in observers { effects.append(.notify(connection, .presence(event))) }
    }

    /// Tells how many there are in a topic that has too many to be told of each.
    mutating func presenceCountIsDue(_ name: TopicName, into effects: inout [ShardEffect]) {
        guard let count = owedCounts.removeValue(forKey: name) else { return }
        for connection in presenceObservers[name] ?? [] {
            effects.append(.notify(connection, .presenceCount(name, count)))
        }
    }

    private mutating func typingChanged(_ event: PresenceEvent, into effects: inout [ShardEffect]) {
        let name = event.key.place.topic
        guard let topic = topicIndexes[name] else { return }
        let filters = typingObservers.keys.filter { $0.matches(name) }.sorted()
        var told: Set<ConnectionID> = []
        for connection in filters.flatMap({ typingObservers[$0] ?? [] }) {
            guard let slot = slot(of: connection), sessions[slot]!.name != event.key.connection,
                told.insert(connection).inserted, readRefusal(slot, topic) == nil
            else { continue }
            effects.append(.notify(connection, .typing(event)))
        }
    }

    // MARK: Asking

    mutating func listPresence(
        _ name: TopicName, _ reference: RequestReference, _ slot: Int, ledger: any Ledger, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        guard authorize(.read, name, reference, slot, ledger: ledger, at: now, into: &effects) != nil else { return }
        let id = ReadID(rawValue: nextNumber())
        sessions[slot]!.pendingCount += 1
        reads[id] = .presence(sessions[slot]!.connection, reference, name)
        effects.append(.presence(id, name, limit: settings.listedMembers))
    }

    /// The answer to a `.presence`.
    package mutating func presenceListed(
        _ id: ReadID, _ result: Result<PresenceList, Refusal>, into effects: inout [ShardEffect]
    ) {
        guard case .presence(let connection, let reference, let name) = reads.removeValue(forKey: id),
            slot(of: connection) != nil
        else { return }
        settlePending(connection)
        switch result {
        case .success(let list): answer(.presence(name, list), connection, reference, into: &effects)
        case .failure(let refusal): refuse(refusal, connection, reference, into: &effects)
        }
    }
}
