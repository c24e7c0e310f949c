import Model

extension Shard {
    /// Begins a connection's session.
    ///
    /// - Parameters:
    ///   - principal: nil for a client that brought nothing and has yet to authenticate by a message.
    ///   - rate: requests a second, where the settings have no limit; nil for none.
    package mutating func open(
        _ connection: ConnectionID, session name: String, principal: Principal?, rate: Int? = nil, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        let slot = freeSlot(for: connection)
        let known = principal ?? Principal(user: "", roles: [])
        var session = Session(connection: connection, name: name, principal: known)
        if let rate = settings.requestsPerSecond ?? rate {
            paces[connection] = RequestPace(
                perSecond: rate, burst: settings.requestBurst ?? rate, at: now.monotonic)
        }
        session.isUnauthenticated = principal == nil
        sessions[slot] = session
        scheduleExpiry(slot, at: now)
        let limit = principal == nil ? settings.firstMessageLimit : nil
        if let limit { deadlines.schedule(.firstMessage(connection), at: now.monotonic + limit) }
        effects.append(.notify(connection, .opened(session: name, known, authenticateWithin: limit)))
    }

    /// Begins a further session of a connection, with its principal: it follows topics from places of its own.
    ///
    /// It has no requests a second and no end of a token: those are the connection's own session's.
    package mutating func open(_ branch: ConnectionID, branching connection: ConnectionID) {
        guard let parent = slot(of: connection), let session = sessions[parent] else {
            preconditionFailure("a branch is opened while its connection is")
        }
        let slot = freeSlot(for: branch)
        sessions[slot] = Session(connection: branch, name: session.name, principal: session.principal)
        sessions[slot]!.isUnauthenticated = session.isUnauthenticated
    }

    /// Lets a branch act for whom its connection has come to act for.
    package mutating func adopt(
        _ branch: ConnectionID, from connection: ConnectionID, into effects: inout [ShardEffect]
    ) {
        guard let parent = slot(of: connection), let slot = slot(of: branch) else { return }
        sessions[slot]!.principal = sessions[parent]!.principal
        sessions[slot]!.isUnauthenticated = sessions[parent]!.isUnauthenticated
        checkAccess(slot, into: &effects)
    }

    private mutating func freeSlot(for connection: ConnectionID) -> Int {
        let slot = Int(connection.index)
        while sessions.count <= slot {
            // By an eighth and not to the double: with many clients the room to spare is worth more than the copies.
            if sessions.count == sessions.capacity { sessions.reserveCapacity(sessions.count + sessions.count / 8 + 64) }
            sessions.append(nil)
        }
        precondition(sessions[slot] == nil, "a connection's index is used again only after its predecessor was closed")
        return slot
    }

    /// Ends a connection's session; what still waits for an answer is forgotten.
    package mutating func closed(_ connection: ConnectionID, into effects: inout [ShardEffect]) {
        guard let slot = slot(of: connection), let session = sessions[slot] else { return }
        if !paces.isEmpty { paces[connection] = nil }
        for id in tasks.keys.sorted() {
            guard let task = tasks[id], task.connection == connection else { continue }
            tasks[id] = nil
            if task.holdsInterest { releaseInterest(task.filter, into: &effects) }
        }
        if duties[connection] != nil {
            forgetRequests(of: connection, into: &effects)
            leavePosts(slot, into: &effects)
            leaveGroups(slot, into: &effects)
        }
        for id in session.queries { endQuery(id, into: &effects) }
        for topic in session.followings.keys.sorted() { unfollow(slot, topic, into: &effects) }
        // Emptied first, so that thousands of wildcards are not each searched for.
        sessions[slot]!.wildcards = []
        for name in session.typing.keys.sorted() { stopTyping(name, slot, into: &effects) }
        figureFollowers.removeAll { $0 == connection }
        for filter in session.subscriptions.keys.sorted() { removeSubscription(slot, filter, into: &effects) }
        sessions[slot] = nil
    }

    /// The answer to a `.verify`.
    package mutating func verified(
        _ connection: ConnectionID, _ reference: RequestReference, _ result: Result<Principal, Refusal>, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        guard let slot = slot(of: connection) else { return }
        sessions[slot]!.pendingCount -= 1
        switch result {
        case .failure(let refusal):
            refuse(refusal, connection, reference, into: &effects)
            // One try is enough: a client with a good token gives that one.
            if sessions[slot]!.isUnauthenticated { endUnauthenticated(slot, refusal, into: &effects) }
        case .success(let principal):
            sessions[slot]!.isUnauthenticated = false
            sessions[slot]!.principal = principal
            sessions[slot]!.principalVersion += 1
            renamePresences(slot, into: &effects)
            scheduleExpiry(slot, at: now)
            answer(.authenticated(principal), connection, reference, into: &effects)
            checkAccess(slot, into: &effects)
        }
    }

    /// The time in which a client has to authenticate by a message is over.
    mutating func firstMessageIsDue(_ connection: ConnectionID, into effects: inout [ShardEffect]) {
        guard let slot = slot(of: connection), sessions[slot]!.isUnauthenticated else { return }
        effects.append(.notify(connection, .refused(.authenticationRequired)))
        endUnauthenticated(slot, .authenticationRequired, into: &effects)
    }

    private mutating func endUnauthenticated(_ slot: Int, _ refusal: Refusal, into effects: inout [ShardEffect]) {
        counters.unauthenticated += 1
        effects.append(
            .close(sessions[slot]!.connection, code: 1008, reason: "\(refusal.code): \(refusal.sentence)"))
    }

    /// Takes new roles into use; whoever may no longer read a topic is told and gets no more of it.
    package mutating func setAccess(_ policy: AccessPolicy, into effects: inout [ShardEffect]) {
        access = policy
        for slot in sessions.indices where sessions[slot] != nil { checkAccess(slot, into: &effects) }
    }

    /// Holds everything that a session follows, and could follow, against what it may read now.
    private mutating func checkAccess(_ slot: Int, into effects: inout [ShardEffect]) {
        for topic in sessions[slot]!.followings.keys.sorted() {
            guard let refusal = readRefusal(slot, topic) else { continue }
            dropFollowing(slot, topic, telling: refusal, into: &effects)
        }
        checkFigures(slot, into: &effects)
        guard !sessions[slot]!.wildcards.isEmpty else { return }
        for name in sortedNames {
            guard let topic = topicIndexes[name] else { continue }
            joinByWildcard(slot, topic, newAt: nil, into: &effects)
        }
    }

    /// Why the session may not read a topic.
    func readRefusal(_ slot: Int, _ topic: TopicIndex) -> Refusal? {
        guard let session = sessions[slot], let state = topics[topic] else { return nil }
        return access.decides(.read, on: state.name, readDefinition(of: state), for: session.principal)
    }

    /// What decides who may read a topic: for dead letters that is the topic that they come from, as it is now.
    func readDefinition(of state: TopicState) -> TopicDefinition {
        state.name.deadLetterSource.flatMap { topicIndexes[$0] }.flatMap { topics[$0]?.definition } ?? state.definition
    }

    private mutating func scheduleExpiry(_ slot: Int, at now: Now) {
        guard let session = sessions[slot], let expiry = session.principal.expiry else { return }
        let end = now.monotonic + .milliseconds(max(0, expiry.milliseconds - now.wall.milliseconds))
        let warning = max(now.monotonic, end + (.zero - settings.expiryWarning))
        deadlines.schedule(.tokenWarning(session.connection, version: session.principalVersion), at: warning)
        deadlines.schedule(.tokenEnd(session.connection, version: session.principalVersion), at: end)
    }

    /// Says a success, where one is wanted.
    func answer(
        _ reply: Reply, _ connection: ConnectionID, _ reference: RequestReference, into effects: inout [ShardEffect]
    ) {
        if reference.wantsReply { effects.append(.reply(connection, reference, reply)) }
    }

    mutating func refuse(
        _ refusal: Refusal, _ connection: ConnectionID, _ reference: RequestReference,
        into effects: inout [ShardEffect]
    ) {
        counters.refused += 1
        if case .subscriptionLimit = refusal { counters.subscriptionsRefused += 1 }
        effects.append(.reply(connection, reference, .refused(refusal)))
    }
}
