import Model

/// A query that runs for a session.
struct RunningQuery {
    let connection: ConnectionID
    let reference: RequestReference
    let topics: [TopicName]
    /// Whether its next chunk waits until the connection has room.
    var isPaused = false
    /// Chunks with rows that the client was given.
    var chunks = 0
}

extension Shard {
    mutating func startQuery(
        _ query: Query, _ reference: RequestReference, _ slot: Int, ledger: any Ledger, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        guard sessions[slot]!.waitingQueries.count < settings.waitingQueriesPerConnection else {
            return refuse(.rateLimited, sessions[slot]!.connection, reference, into: &effects)
        }
        sessions[slot]!.pendingCount += 1
        guard sessions[slot]!.queries.count < settings.queriesPerConnection else {
            sessions[slot]!.waitingQueries.append((reference, query))
            return
        }
        runQuery(query, reference, slot, ledger: ledger, at: now, into: &effects)
    }

    private mutating func runQuery(
        _ query: Query, _ reference: RequestReference, _ slot: Int, ledger: any Ledger, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        let connection = sessions[slot]!.connection
        do throws(Refusal) {
            let statement = try SQLStatement(query.sql)
            let topics = try readableTopics(of: statement, slot, ledger: ledger, at: now, into: &effects)
            let id = QueryID(rawValue: nextNumber())
            queries[id] = RunningQuery(connection: connection, reference: reference, topics: topics.map(\.name))
            sessions[slot]!.queries.append(id)
            let principal = sessions[slot]!.principal
            let viewer = access.isAdmin(principal) ? nil : principal
            effects.append(
                .query(id, QueryTask(query: query, statement: statement, topics: topics, viewer: viewer)))
        } catch {
            settlePending(connection)
            refuse(error, connection, reference, into: &effects)
        }
    }

    /// The topics that a statement names: one that the session may not read is not there.
    private mutating func readableTopics(
        of statement: SQLStatement, _ slot: Int, ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]
    ) throws(Refusal) -> [TopicDefinition] {
        var topics: [TopicDefinition] = []
        for table in statement.tables where !topics.contains(where: { $0.name.text == table.name }) {
            var found: TopicDefinition?
            if let name = try? TopicName(table.name),
                let topic = find(name, ledger: ledger, at: now, into: &effects), readRefusal(slot, topic) == nil
            {
                found = self.topics[topic]?.definition
            }
            guard let found else { throw .tableUnknown(table.name) }
            topics.append(found)
        }
        return topics
    }

    /// A chunk of a running query.
    package mutating func queried(
        _ id: QueryID, _ chunk: QueryChunk, ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]
    ) {
        guard let running = queries[id], let slot = slot(of: running.connection) else { return }
        // What was revoked while it ran is not told on.
        for name in running.topics {
            guard let topic = topicIndexes[name], readRefusal(slot, topic) != nil else { continue }
            effects.append(.cancelQuery(id))
            finishQuery(id, slot, ledger: ledger, at: now, into: &effects) { .refused(.tableUnknown(name.text)) }
            return
        }
        if chunk.end != nil {
            return finishQuery(id, slot, ledger: ledger, at: now, into: &effects) { .rows(chunk) }
        }
        answer(.rows(chunk), running.connection, running.reference, into: &effects)
        queries[id]!.chunks = chunk.number + 1
        if sessions[slot]!.isCongested {
            queries[id]!.isPaused = true
        } else {
            effects.append(.resumeQuery(id))
        }
    }

    /// A query could not be run, or not to its end.
    package mutating func queryRefused(
        _ id: QueryID, _ refusal: Refusal, ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]
    ) {
        guard let running = queries[id], let slot = slot(of: running.connection) else { return }
        finishQuery(id, slot, ledger: ledger, at: now, into: &effects) { .refused(refusal) }
    }

    /// Says the last word of a query, and lets the next one begin.
    private mutating func finishQuery(
        _ id: QueryID, _ slot: Int, ledger: any Ledger, at now: Now, into effects: inout [ShardEffect],
        reply: () -> Reply
    ) {
        guard let running = queries.removeValue(forKey: id) else { return }
        sessions[slot]!.queries.removeAll { $0 == id }
        settlePending(running.connection)
        switch reply() {
        case .refused(let refusal): refuse(refusal, running.connection, running.reference, into: &effects)
        case let reply: answer(reply, running.connection, running.reference, into: &effects)
        }
        while sessions[slot]!.queries.count < settings.queriesPerConnection,
            !sessions[slot]!.waitingQueries.isEmpty
        {
            let next = sessions[slot]!.waitingQueries.removeFirst()
            runQuery(next.query, next.reference, slot, ledger: ledger, at: now, into: &effects)
        }
    }

    mutating func cancelQueries(
        _ id: [UInt8], _ reference: RequestReference, _ slot: Int, ledger: any Ledger, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        let connection = sessions[slot]!.connection
        var count = 0
        // Those that wait go first, so that none of them begins in the place of one that runs.
        let waiting = sessions[slot]!.waitingQueries.filter { $0.reference.id == id }
        sessions[slot]!.waitingQueries.removeAll { $0.reference.id == id }
        for query in waiting {
            settlePending(connection)
            answer(.rows(.cancelled(number: 0)), connection, query.reference, into: &effects)
            count += 1
        }
        for query in sessions[slot]!.queries where queries[query]?.reference.id == id {
            effects.append(.cancelQuery(query))
            let number = queries[query]!.chunks
            finishQuery(query, slot, ledger: ledger, at: now, into: &effects) { .rows(.cancelled(number: number)) }
            count += 1
        }
        answer(.queriesCancelled(count), connection, reference, into: &effects)
    }

    /// The connection has room again.
    mutating func resumeQueries(_ slot: Int, into effects: inout [ShardEffect]) {
        for id in sessions[slot]!.queries where queries[id]?.isPaused == true {
            queries[id]!.isPaused = false
            effects.append(.resumeQuery(id))
        }
    }

    /// Nobody is there any more to be answered.
    mutating func endQuery(_ id: QueryID, into effects: inout [ShardEffect]) {
        guard queries.removeValue(forKey: id) != nil else { return }
        effects.append(.cancelQuery(id))
    }
}

extension QueryChunk {
    /// The last word of a query that its client cancelled.
    fileprivate static func cancelled(number: Int) -> QueryChunk {
        QueryChunk(number: number, columns: [], rows: [], figures: QueryFigures(), end: .cancelled)
    }
}
