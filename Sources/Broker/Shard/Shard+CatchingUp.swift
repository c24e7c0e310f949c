import Model

extension Shard {
    /// The connection's outbound queue is over its limit: it leaves the live stream and is fed from the log.
    package mutating func congested(_ connection: ConnectionID, into effects: inout [ShardEffect]) {
        guard let slot = slot(of: connection), !sessions[slot]!.isCongested else { return }
        sessions[slot]!.isCongested = true
        counters.congestions += 1
        for topic in sessions[slot]!.followings.keys.sorted() {
            let heads = topics[topic]!.heads
            switch sessions[slot]!.followings[topic]!.stage {
            case .reading: continue
            case .listed:
                let reading = Following.Reading(cursor: heads, after: deliveredThrough)
                move(slot, topic, to: .reading(reading), into: &effects)
            case .selective(var seen, let after):
                for (partition, offset) in heads.offsets { seen.advance(partition, to: offset) }
                let reading = Following.Reading(cursor: seen, after: max(after, deliveredThrough))
                move(slot, topic, to: .reading(reading), into: &effects)
            }
        }
    }

    /// The connection's outbound queue is below its low mark: it may be given the next pages.
    package mutating func drained(_ connection: ConnectionID, at now: Now, into effects: inout [ShardEffect]) {
        guard let slot = slot(of: connection), sessions[slot]!.isCongested else { return }
        sessions[slot]!.isCongested = false
        if !duties.isEmpty { edit(connection) { $0.unreadBytes = 0 } }
        for topic in sessions[slot]!.followings.keys.sorted() { settle(slot, topic, at: now, into: &effects) }
        startReads(slot, at: now, into: &effects)
        resumeQueries(slot, into: &effects)
    }

    /// The answer to a `.read`.
    package mutating func page(
        _ id: ReadID, _ result: Result<TopicPage, Refusal>, ledger: any Ledger, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        // The log may be ahead of the mailbox: level with it, a reader can join the list at once.
        if case .success(let page) = result, page.reached > deliveredThrough {
            deliver(ledger.take(), at: now, into: &effects)
        }
        switch reads.removeValue(forKey: id) {
        case nil, .describe, .presence, .cluster, .figures, .followedFigures: return
        case .group(let key): groupPage(id, key, result, at: now, into: &effects)
        case .groupRecords: groupRecordsPage(result, at: now, into: &effects)
        case .history(let connection, let reference, let name, let rowsOnly):
            guard let slot = slot(of: connection) else { return }
            settlePending(connection)
            switch result {
            case .success(let page):
                let page = readable(page, rowsOnly: rowsOnly, slot)
                answer(.history(name, page), connection, reference, into: &effects)
            case .failure(let refusal): refuse(refusal, connection, reference, into: &effects)
            }
        case .row(let connection, let reference, let name, let key):
            guard let slot = slot(of: connection) else { return }
            settlePending(connection)
            take(result, ofRow: key, name, slot, reference, into: &effects)
        case .resolve(let task, let connection, let name):
            guard let slot = slot(of: connection) else { return }
            sessions[slot]!.readCount -= 1
            resolved(task, name, result, at: now, into: &effects)
            startReads(slot, at: now, into: &effects)
        case .follow(let connection, let topic):
            guard let slot = slot(of: connection) else { return }
            sessions[slot]!.readCount -= 1
            if reader(slot, topic)?.read == id { take(result, slot, topic, at: now, into: &effects) }
            startReads(slot, at: now, into: &effects)
        }
    }

    /// Moves a reader on that waits for nothing: into the live stream where it has caught up, or on to the next page.
    mutating func settle(_ slot: Int, _ topic: TopicIndex, at now: Now, into effects: inout [ShardEffect]) {
        guard let reading = reader(slot, topic), reading.read == nil, !reading.isQueued,
            !sessions[slot]!.isCongested
        else { return }
        if joinIfLevel(reading, slot, topic, at: now, into: &effects) { return }
        edit(slot, topic) { $0.isQueued = true }
        sessions[slot]!.queue.append(.follow(topic))
        startReads(slot, at: now, into: &effects)
    }

    /// Starts reads that wait for their turn, as many as may be under way.
    mutating func startReads(_ slot: Int, at now: Now, into effects: inout [ShardEffect]) {
        while !sessions[slot]!.isCongested, sessions[slot]!.readCount < settings.catchUpsPerConnection,
            let job = sessions[slot]!.queue.popFirst()
        {
            switch job {
            case .resolve(let task, let name, let generation, let start):
                guard tasks[task] != nil else { continue }
                let mode = TopicRead.Mode.resolve(start, through: deliveredThrough)
                let id = read(name, generation, mode, slot, into: &effects)
                reads[id] = .resolve(task, sessions[slot]!.connection, name)
            case .follow(let topic):
                guard let reading = reader(slot, topic), reading.isQueued, let definition = topics[topic]?.definition
                else { continue }
                edit(slot, topic) { $0.isQueued = false }
                if joinIfLevel(reading, slot, topic, at: now, into: &effects) { continue }
                let mode = TopicRead.Mode.following(
                    cursor: reading.cursor, after: reading.after, through: deliveredThrough)
                let id = read(definition.name, definition.generation, mode, slot, into: &effects)
                reads[id] = .follow(sessions[slot]!.connection, topic)
                edit(slot, topic) { $0.read = id }
            }
        }
    }

    private mutating func read(
        _ name: TopicName, _ generation: UInt32, _ mode: TopicRead.Mode, _ slot: Int,
        into effects: inout [ShardEffect]
    ) -> ReadID {
        let id = ReadID(rawValue: nextNumber())
        sessions[slot]!.readCount += 1
        counters.pages += 1
        effects.append(
            .read(
                id,
                TopicRead(
                    topic: name, generation: generation, mode: mode, messageLimit: settings.pageMessages,
                    byteLimit: settings.pageBytes)))
        return id
    }

    /// Joins the live stream when everything that this loop has delivered was given, or is still remembered.
    private mutating func joinIfLevel(
        _ reading: Following.Reading, _ slot: Int, _ topic: TopicIndex, at now: Now,
        into effects: inout [ShardEffect]
    ) -> Bool {
        guard let state = topics[topic] else { return false }
        if reading.after >= state.lastSequence || state.isCovered(by: reading.cursor) {
            goLive(slot, topic, seen: reading.cursor, after: reading.after, into: &effects)
            return true
        }
        guard let recent = state.recent.after(reading.after) else { return false }
        for item in recent { give(item, slot, topic, jump: liveJump(topic), at: now, into: &effects) }
        guard let cursor = reader(slot, topic)?.cursor else { return false }
        goLive(slot, topic, seen: cursor, after: deliveredThrough, into: &effects)
        return true
    }

    private mutating func take(
        _ result: Result<TopicPage, Refusal>, _ slot: Int, _ topic: TopicIndex, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        edit(slot, topic) { $0.read = nil }
        switch result {
        case .failure(let refusal): dropFollowing(slot, topic, telling: refusal, into: &effects)
        case .success(let page):
            // A page that comes when the connection has no room for it is read again when it has.
            guard !sessions[slot]!.isCongested else { return }
            give(page, slot, topic, at: now, into: &effects)
            settle(slot, topic, at: now, into: &effects)
        }
    }

    /// Changes the place in the log of a session that reads a topic there.
    mutating func edit(_ slot: Int, _ topic: TopicIndex, _ change: (inout Following.Reading) -> Void) {
        sessions[slot]!.followings[topic]?.edit(change)
    }
}
