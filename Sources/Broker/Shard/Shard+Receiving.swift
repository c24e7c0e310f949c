import Model

extension Shard {
    /// Carries out one request.
    package mutating func receive(
        _ request: Request, from connection: ConnectionID, ledger: any Ledger, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        receive([(connection, request)], ledger: ledger, at: now, into: &effects)
    }

    /// Carries out requests in order; publishes that follow one another are sequenced together.
    package mutating func receive(
        _ requests: [(connection: ConnectionID, request: Request)], ledger: any Ledger, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        var publishes = PublishBatch()
        for (connection, request) in requests {
            guard let slot = slot(of: connection) else { continue }
            meter(slot, at: now, into: &effects)
            if case .publish(let publish) = request.command {
                stage(publish, request.reference, slot, &publishes, ledger: ledger, at: now, into: &effects)
            } else {
                sequence(&publishes, ledger: ledger, at: now, into: &effects)
                perform(request, slot, ledger: ledger, at: now, into: &effects)
            }
        }
        sequence(&publishes, ledger: ledger, at: now, into: &effects)
    }

    private mutating func perform(
        _ request: Request, _ slot: Int, ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]
    ) {
        let connection = sessions[slot]!.connection
        let reference = request.reference
        if let refusal = admit(request.command, slot, at: now) {
            for _ in 0..<request.command.replyCount { refuse(refusal, connection, reference, into: &effects) }
            return
        }
        switch request.command {
        case .publish: preconditionFailure("publishes are staged, not performed")
        case .subscribe(let subscribe):
            for filter in subscribe.filters {
                self.subscribe(
                    filter, subscribe, reference, slot, ledger: ledger, at: now, into: &effects)
            }
        case .unsubscribe(let filters):
            for filter in filters { unsubscribe(filter, reference, slot, at: now, into: &effects) }
        case .createTopic(let create):
            createTopic(create, reference, slot, ledger: ledger, at: now, into: &effects)
        case .destroyTopic(let name):
            destroyTopic(name, reference, slot, ledger: ledger, at: now, into: &effects)
        case .changeTopic(let name, let retention, let permission):
            changeTopic(
                name, retention, permission, reference, slot, ledger: ledger, at: now, into: &effects)
        case .listTopics(let list): listTopics(list, reference, slot, into: &effects)
        case .describeTopic(let name):
            describeTopic(name, reference, slot, ledger: ledger, at: now, into: &effects)
        case .topicPermission(let name):
            topicPermission(name, reference, slot, ledger: ledger, at: now, into: &effects)
        case .history(let history):
            readHistory(history, reference, slot, ledger: ledger, at: now, into: &effects)
        case .row(let name, let key): readRow(name, key, reference, slot, ledger: ledger, at: now, into: &effects)
        case .query(let query): startQuery(query, reference, slot, ledger: ledger, at: now, into: &effects)
        case .cancelQuery(let id): cancelQueries(id, reference, slot, ledger: ledger, at: now, into: &effects)
        case .presence(let name):
            listPresence(name, reference, slot, ledger: ledger, at: now, into: &effects)
        case .setPresence(let name, let state): setPresence(name, state, reference, slot, into: &effects)
        case .typing(let name, let isTyping, let state):
            setTyping(name, isTyping, state, reference, slot, ledger: ledger, at: now, into: &effects)
        case .authenticate(let token):
            sessions[slot]!.pendingCount += 1
            effects.append(.verify(connection, reference, token: token))
        case .request(let ask): self.request(ask, reference, slot, ledger: ledger, at: now, into: &effects)
        case .reply(let reply): self.reply(reply, reference, slot, into: &effects)
        case .acknowledge(let number): acknowledge(number, reference, slot, at: now, into: &effects)
        case .cluster, .figures, .followFigures:
            askForReport(request.command, reference, slot, at: now, into: &effects)
        case .ping: answer(.pong, connection, reference, into: &effects)
        case .close(let code, let reason): effects.append(.close(connection, code: code, reason: reason))
        case .refuse(let refusal): refuse(refusal, connection, reference, into: &effects)
        }
    }

    /// Why a request is not even looked at: no token yet, an ended one, too many requests that wait.
    mutating func admit(_ command: Command, _ slot: Int, at now: Now) -> Refusal? {
        switch command {
        case .ping, .close, .refuse: return nil
        default: break
        }
        if sessions[slot]!.pendingCount >= settings.pendingRequestsPerConnection { return .rateLimited }
        if case .authenticate = command {
            // A stranger gets one signature checked, and no more before the answer.
            return sessions[slot]!.isUnauthenticated && sessions[slot]!.pendingCount > 0 ? .rateLimited : nil
        }
        if sessions[slot]!.isUnauthenticated { return .authenticationRequired }
        if let expiry = sessions[slot]!.principal.expiry, expiry <= now.wall { return .authenticationExpired }
        return nil
    }

    /// A topic by its name; one that this loop has not met may still wait in its mailbox.
    mutating func find(
        _ name: TopicName, ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]
    ) -> TopicIndex? {
        if let topic = topicIndexes[name] { return topic }
        deliver(ledger.take(), at: now, into: &effects)
        return topicIndexes[name]
    }
}

extension Command {
    /// How many replies the command gets.
    package var replyCount: Int {
        switch self {
        case .subscribe(let subscribe): subscribe.filters.count
        case .unsubscribe(let filters): filters.count
        default: 1
        }
    }
}
