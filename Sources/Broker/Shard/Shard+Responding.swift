import Model

// A responder is a connection that has subscribed to a topic with `respond`. It answers by a number of its own, which
// means nothing to any other connection.

extension Shard {
    /// Takes what another event loop has to tell this one.
    package mutating func receive(_ errand: Errand, at now: Now, into effects: inout [ShardEffect]) {
        switch errand {
        case .request(let request): show(request, at: now, into: &effects)
        case .reply(let id, let payload, let isLast, let session):
            requestReplied(id, payload, isLast: isLast, from: session, at: now, into: &effects)
        case .unanswered(let id, let reason, let session):
            requestUnanswered(id, reason, from: session, at: now, into: &effects)
        case .withdrawn(let id, let connection, let session):
            guard let slot = slot(of: connection), sessions[slot]!.name == session,
                let number = duties[connection]?.open.first(where: { $0.value.id == id })?.key
            else { return }
            edit(connection) { $0.open[number] = nil }
        case .work(let work): show(work, at: now, into: &effects)
        case .workSettled(let id, let session): workSettled(id, from: session, at: now, into: &effects)
        case .workDeclined(let id, let session): workDeclined(id, from: session, at: now, into: &effects)
        case .recalled(let id, let connection, let session): recalled(id, connection, session)
        }
    }

    /// An errand of this loop could not be carried: what waits for it does not wait any longer.
    package mutating func lost(_ errand: Errand, at now: Now, into effects: inout [ShardEffect]) {
        switch errand {
        case .request(let request):
            requestUnanswered(request.id, .busy, from: request.session, at: now, into: &effects)
        case .work(let work): workDeclined(work.id, from: work.session, at: now, into: &effects)
        case .reply(let id, _, _, let session):
            // No later part may go in its place: the requester's time runs out, and it is told so.
            for connection in duties.keys.sorted() {
                guard let slot = slot(of: connection), sessions[slot]!.name == session else { continue }
                edit(connection) { $0.open = $0.open.filter { $0.value.id != id } }
            }
        case .workSettled(let id, let session):
            // One that went a moment ago is as good as there, and gives nothing of its own to others.
            let isThere = peers.contains(id.origin) || wentAt[id.origin] != nil
            guard untold.count < settings.groupsUntold, isThere else { return }
            untold.append((id, session))
            awaitGroups(until: now.monotonic + settings.groupRetry)
        case .unanswered, .withdrawn, .workDeclined, .recalled: break
        }
    }

    /// Shows a request to its responder, or says why not.
    private mutating func show(_ request: RequestErrand, at now: Now, into effects: inout [ShardEffect]) {
        let connection = request.connection
        guard let slot = slot(of: connection), sessions[slot]!.name == request.session,
            duties[connection]?.posts[request.topic]?.isLive == true
        else { return decline(request, .absent, into: &effects) }
        guard !sessions[slot]!.isCongested, duties[connection]!.open.count < settings.openRequestsPerConnection else {
            return decline(request, .busy, into: &effects)
        }
        let number = nextNumber()
        let deadline = now.monotonic + request.patience
        duties[connection]!.open[number] = Duties.OpenRequest(id: request.id, topic: request.topic, deadline: deadline)
        awaitRequests(until: deadline)
        effects.append(
            .notify(
                connection,
                .request(
                    RequestNotice(
                        topic: request.topic, replyTo: number, user: request.user, payload: request.payload))))
    }

    private func decline(_ request: RequestErrand, _ reason: Errand.Reason, into effects: inout [ShardEffect]) {
        effects.append(
            .errand(
                .unanswered(request.id, reason, from: request.session), to: request.id.origin.node,
                loop: request.id.loop))
    }

    mutating func reply(
        _ command: Command.RequestReply, _ reference: RequestReference, _ slot: Int, into effects: inout [ShardEffect]
    ) {
        let (connection, session) = (sessions[slot]!.connection, sessions[slot]!.name)
        guard let open = duties[connection]?.open[command.replyTo] else {
            let refusal = Refusal.invalidMessage(
                "\"replyTo\" names no request that waits for this connection's answer: it was answered, its time is over, "
                    + "or its requester is gone")
            return refuse(refusal, connection, reference, into: &effects)
        }
        guard !command.payload.isEmpty || command.isLast else {
            let refusal = Refusal.invalidMessage("\"message\" is missing; only a last reply, \"done\": true, may lack it")
            return refuse(refusal, connection, reference, into: &effects)
        }
        if command.isLast { edit(connection) { $0.open[command.replyTo] = nil } }
        effects.append(
            .errand(
                .reply(open.id, payload: command.payload, isLast: command.isLast, from: session),
                to: open.id.origin.node, loop: open.id.loop))
        answer(.requested(.replyTaken(command.replyTo)), connection, reference, into: &effects)
    }

    // MARK: Taking a post

    /// Why a connection may not respond to a topic's requests.
    func respondRefusal(_ filter: TopicFilter, _ slot: Int) -> Refusal? {
        guard let name = filter.exact else {
            return .invalidMessage("\"respond\" needs a topic's name: \"\(filter)\" is a wildcard")
        }
        let connection = sessions[slot]!.connection
        if let topic = topicIndexes[name], name.isSystem,
            let refusal = access.decides(
                .manage, on: name, topics[topic]!.definition, for: sessions[slot]!.principal)
        {
            return refusal
        }
        if duties[connection]?.posts[name] != nil { return nil }
        let limit = settings.presencesPerConnection
        guard (duties[connection]?.posts.count ?? 0) < limit else { return .presenceLimit(limit) }
        return presenceCount < settings.presences ? nil : .presenceLimit(settings.presences)
    }

    /// Announces that a connection takes on a topic's requests; it is given none before it is live.
    mutating func takePost(_ name: TopicName, _ slot: Int, at now: Now, into effects: inout [ShardEffect]) {
        let session = sessions[slot]!
        guard duties[session.connection]?.posts[name] == nil else { return }
        let station = Station(
            node: place.origin.node, loop: place.loop, connection: session.connection, session: session.name)
        let entry = PresenceEntry(user: session.principal.user, since: now.wall, state: station.announcement)
        duties[session.connection, default: Duties()].posts[name] = Duties.Post(entry: entry)
        presenceCount += 1
        effects.append(.announce([.set(PresenceKey(.responder, in: name, connection: session.name), entry)]))
    }

    /// The subscription is live, or goes on without it: `wants` says which.
    mutating func settlePost(_ name: TopicName, wants: Bool, _ slot: Int, at now: Now, into effects: inout [ShardEffect]) {
        guard wants else { return leavePost(name, slot, into: &effects) }
        takePost(name, slot, at: now, into: &effects)
        duties[sessions[slot]!.connection]!.posts[name]!.isLive = true
    }

    /// A connection responds to a topic no longer; what it has not answered stays unanswered.
    mutating func leavePost(_ name: TopicName, _ slot: Int, into effects: inout [ShardEffect]) {
        let session = sessions[slot]!
        guard duties[session.connection]?.posts[name] != nil else { return }
        presenceCount -= 1
        let open = duties[session.connection]!.open.filter { $0.value.topic == name }
        for (_, request) in open.sorted(by: { $0.key < $1.key }) {
            effects.append(
                .errand(
                    .unanswered(request.id, .gone, from: session.name), to: request.id.origin.node, loop: request.id.loop))
        }
        edit(session.connection) { duties in
            duties.posts[name] = nil
            for number in open.keys { duties.open[number] = nil }
        }
        effects.append(.announce([.remove(PresenceKey(.responder, in: name, connection: session.name))]))
    }

    /// The connection is about to close.
    mutating func leavePosts(_ slot: Int, into effects: inout [ShardEffect]) {
        for name in (duties[sessions[slot]!.connection]?.posts.keys.sorted() ?? []) {
            leavePost(name, slot, into: &effects)
        }
    }
}
