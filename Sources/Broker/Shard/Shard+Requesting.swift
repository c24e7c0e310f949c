import Model

// A request goes to one of the topic's responders, who are announced by the nodes that they are attached to. The
// requester's own loop decides which, keeps the time, and ends it: whatever happens to the responder, its client gets a
// last word.

extension Shard {
    mutating func request(
        _ command: Command.Ask, _ reference: RequestReference, _ slot: Int, ledger: any Ledger, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        let session = sessions[slot]!
        let connection = session.connection
        let asked = duties[connection]?.asked.count ?? 0
        do throws(Refusal) {
            guard let topic = find(command.topic, ledger: ledger, at: now, into: &effects), let state = topics[topic]
            else { throw .topicUnknown(command.topic) }
            if let refusal = access.decidesRequest(on: command.topic, state.definition, for: session.principal) {
                throw refusal
            }
            guard command.patience > .zero, command.patience <= settings.longestRequest else {
                throw .invalidMessage(
                    "\"timeout\" is \(command.patience.milliseconds); it must be 1 to "
                        + "\(settings.longestRequest.milliseconds) milliseconds")
            }
            guard asked < settings.requestsPerConnection else {
                throw .requestFailed(.tooMany(settings.requestsPerConnection))
            }
            guard requests.count < settings.requests, requestBytes + command.payload.count <= settings.requestBytes else {
                throw .requestFailed(.nodeBusy)
            }
        } catch {
            return refuse(error, connection, reference, into: &effects)
        }
        let number = nextNumber()
        let deadline = now.monotonic + command.patience
        requests[number] = PendingRequest(
            connection: connection, reference: reference, topic: command.topic, deadline: deadline,
            payload: command.payload, user: session.principal.user)
        requestBytes += command.payload.count
        duties[connection, default: Duties()].asked.insert(number)
        sessions[slot]!.pendingCount += 1
        awaitRequests(until: deadline)
        giveRequest(number, at: now, into: &effects)
    }

    /// Gives a request to the best responder that has not turned it down: one of this node if there is any, and of those
    /// the one that has fewest of this loop's.
    private mutating func giveRequest(_ number: UInt64, at now: Now, into effects: inout [ShardEffect]) {
        guard let request = requests[number] else { return }
        let known = responders[request.topic] ?? []
        let willing = known.indices.filter { !request.tried.contains(known[$0].station.session) }
        let near = willing.filter { known[$0].station.node == place.origin.node }
        let choice = near.isEmpty ? willing : near
        // Where several have as few, the turn goes round.
        requestTurn &+= 1
        let turn = Int(truncatingIfNeeded: requestTurn % UInt64(max(1, choice.count)))
        let order = choice[turn...] + choice[..<turn]
        guard let chosen = order.min(by: { known[$0].load < known[$1].load }) else {
            return endRequest(
                number, .requestFailed(request.hasMetBusy ? .allBusy(request.topic) : .nobody(request.topic)), into: &effects)
        }
        let station = known[chosen].station
        responders[request.topic]![chosen].load += 1
        requests[number]!.responder = station
        let errand = RequestErrand(
            id: RequestID(origin: place.origin, loop: place.loop, number: number), connection: station.connection,
            session: station.session, topic: request.topic, user: request.user,
            patience: max(.milliseconds(1), request.deadline - now.monotonic), payload: request.payload)
        effects.append(.errand(.request(errand), to: station.node, loop: station.loop))
    }

    /// A part of the answer to one of this loop's requests.
    mutating func requestReplied(
        _ id: RequestID, _ payload: [UInt8], isLast: Bool, from session: String, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        guard id.origin == place.origin, let request = requests[id.number], request.responder?.session == session,
            let slot = slot(of: request.connection)
        else { return }
        if !payload.isEmpty {
            let bytes = request.replyBytes + payload.count
            guard bytes <= settings.replyBytes else {
                return abortRequest(id.number, .requestFailed(.answerTooLong(settings.replyBytes)), into: &effects)
            }
            if sessions[slot]!.isCongested {
                duties[request.connection]!.unreadBytes += payload.count
                guard duties[request.connection]!.unreadBytes <= settings.replyBytes else {
                    return abortRequest(id.number, .requestFailed(.unread), into: &effects)
                }
            }
            requests[id.number]!.replies += 1
            requests[id.number]!.replyBytes = bytes
            let part = RequestProgress.part(request.topic, payload: payload, source: session, time: now.wall)
            answer(.requested(part), request.connection, request.reference, into: &effects)
        }
        guard isLast, let ended = removeRequest(id.number) else { return }
        answer(
            .requested(.finished(request.topic, replies: ended.replies)), request.connection, request.reference,
            into: &effects)
    }

    /// Whoever has one of this loop's requests will not answer it, or no more.
    mutating func requestUnanswered(
        _ id: RequestID, _ reason: Errand.Reason, from session: String, at now: Now, into effects: inout [ShardEffect]
    ) {
        guard id.origin == place.origin, let request = requests[id.number], let station = request.responder,
            station.session == session
        else { return }
        guard reason != .gone else {
            return endRequest(id.number, .requestFailed(.responderGone(request.topic)), into: &effects)
        }
        relieve(station, of: request.topic)
        requests[id.number]!.responder = nil
        requests[id.number]!.tried.insert(session)
        if reason == .busy { requests[id.number]!.hasMetBusy = true }
        giveRequest(id.number, at: now, into: &effects)
    }

    /// Looks for requests whose time is over no later than this: one deadline for all, since most are answered long before.
    mutating func awaitRequests(until time: MonotonicTime) {
        guard time < requestsDueAt else { return }
        requestsDueAt = time
        deadlines.schedule(.requests, at: time)
    }

    mutating func requestsAreDue(at now: Now, into effects: inout [ShardEffect]) {
        guard requestsDueAt <= now.monotonic else { return }
        requestsDueAt = .distantFuture
        for number in requests.keys.sorted() {
            guard let request = requests[number], request.deadline <= now.monotonic else { continue }
            abortRequest(number, .requestFailed(.timedOut(request.topic)), into: &effects)
        }
        var next = requests.values.map(\.deadline).min() ?? .distantFuture
        for connection in duties.keys.sorted() {
            for (number, open) in duties[connection]?.open ?? [:] {
                if open.deadline <= now.monotonic {
                    edit(connection) { $0.open[number] = nil }
                } else {
                    next = min(next, open.deadline)
                }
            }
        }
        // Not for each by itself: a client may give thousands a time of their own.
        if next < .distantFuture { awaitRequests(until: max(next, now.monotonic + Self.requestGrain)) }
    }

    /// How much later than its time a request may end.
    private static var requestGrain: Duration { .milliseconds(50) }

    /// Who answers a topic's requests has changed, on whichever node.
    mutating func responderChanged(_ event: PresenceEvent, into effects: inout [ShardEffect]) {
        let (topic, session) = (event.key.place.topic, event.key.connection)
        switch event.what {
        case .joined, .updated:
            guard let station = Station(event) else { return }
            if let place = responders[topic]?.firstIndex(where: { $0.station.session == session }) {
                responders[topic]![place] = Responder(station: station, load: responders[topic]![place].load)
            } else {
                responders[topic, default: []].append(Responder(station: station))
            }
        case .left:
            responders[topic]?.removeAll { $0.station.session == session }
            if responders[topic]?.isEmpty == true { responders[topic] = nil }
            let orphaned = requests.filter { $0.value.topic == topic && $0.value.responder?.session == session }
            for number in orphaned.keys.sorted() {
                endRequest(number, .requestFailed(.responderGone(topic)), into: &effects)
            }
        }
    }

    /// Nobody waits for what a connection has asked for.
    mutating func forgetRequests(of connection: ConnectionID, into effects: inout [ShardEffect]) {
        for number in (duties[connection]?.asked ?? []).sorted() {
            if let request = removeRequest(number) { withdraw(number, request, into: &effects) }
        }
    }

    /// Ends a request against its responder's will, who is told.
    private mutating func abortRequest(_ number: UInt64, _ refusal: Refusal, into effects: inout [ShardEffect]) {
        guard let request = requests[number] else { return }
        withdraw(number, request, into: &effects)
        endRequest(number, refusal, into: &effects)
    }

    private mutating func endRequest(_ number: UInt64, _ refusal: Refusal, into effects: inout [ShardEffect]) {
        guard let request = removeRequest(number) else { return }
        refuse(refusal, request.connection, request.reference, into: &effects)
    }

    private func withdraw(_ number: UInt64, _ request: PendingRequest, into effects: inout [ShardEffect]) {
        guard let station = request.responder else { return }
        let id = RequestID(origin: place.origin, loop: place.loop, number: number)
        effects.append(
            .errand(
                .withdrawn(id, from: station.connection, session: station.session), to: station.node,
                loop: station.loop))
    }

    private mutating func removeRequest(_ number: UInt64) -> PendingRequest? {
        guard let request = requests.removeValue(forKey: number) else { return nil }
        requestBytes -= request.payload.count
        if let station = request.responder { relieve(station, of: request.topic) }
        edit(request.connection) { $0.asked.remove(number) }
        settlePending(request.connection)
        return request
    }

    private mutating func relieve(_ station: Station, of topic: TopicName) {
        guard let place = responders[topic]?.firstIndex(where: { $0.station == station }) else { return }
        responders[topic]![place].load -= 1
    }

    /// Changes what is kept of a connection that asks or answers, and forgets it where nothing is left.
    mutating func edit(_ connection: ConnectionID, _ change: (inout Duties) -> Void) {
        guard duties[connection] != nil else { return }
        change(&duties[connection]!)
        if duties[connection]!.isEmpty { duties[connection] = nil }
    }
}
