import Model

extension Shard {
    /// How many requests of a connection wait for an answer.
    package func pendingCount(of connection: ConnectionID) -> Int {
        slot(of: connection).flatMap { sessions[$0]?.pendingCount } ?? 0
    }

    /// Whether a reply waits for records to be on this node's disk.
    package var awaitsStorage: Bool { !stored.isEmpty }

    /// Whether a reply, or an announcement, waits for records to be on the disks of a majority of the replicas.
    package var awaitsReplicas: Bool { !replicated.isEmpty }

    /// Everything up to this local sequence is on this node's disk.
    package mutating func durable(through sequence: UInt64, into effects: inout [ShardEffect]) {
        for entry in stored.settle(through: sequence) { finish(entry, into: &effects) }
    }

    /// Everything of this node's own up to this local sequence is on the disks of a majority of the replicas.
    package mutating func replicated(through sequence: UInt64, into effects: inout [ShardEffect]) {
        for entry in replicated.settle(through: sequence) { finish(entry, into: &effects) }
    }

    /// Does what is due.
    package mutating func advance(to now: Now, ledger: any Ledger, into effects: inout [ShardEffect]) {
        while let deadline = deadlines.pop(dueAt: now.monotonic) {
            switch deadline {
            case .acknowledgements: expireAcknowledgements(at: now, into: &effects)
            case .cursorNotice(let connection, let topic): noticeIsDue(connection, topic, at: now, into: &effects)
            case .tokenWarning(let connection, let version):
                guard let session = currentSession(connection, version), let expiry = session.principal.expiry else {
                    continue
                }
                effects.append(.notify(connection, .tokenExpiring(expiry)))
            case .tokenEnd(let connection, let version):
                guard let session = currentSession(connection, version), let expiry = session.principal.expiry else {
                    continue
                }
                if expiry > now.wall {
                    // The calendar was set back: the token still holds.
                    let rest = Duration.milliseconds(expiry.milliseconds - now.wall.milliseconds)
                    deadlines.schedule(deadline, at: now.monotonic + rest)
                } else {
                    effects.append(.close(connection, code: 1008, reason: "AUTH_EXPIRED: the token has expired"))
                }
            case .interest(let id): interestConfirmed(id, ledger: ledger, at: now, into: &effects)
            case .holdEnd(let connection): holdEnds(connection, at: now, into: &effects)
            case .excessLimit(let connection, let excess): limitExcess(connection, excess, at: now, into: &effects)
            case .firstMessage(let connection): firstMessageIsDue(connection, into: &effects)
            case .typing(let connection, let name): typingIsDue(connection, name, at: now, into: &effects)
            case .presenceCount(let name): presenceCountIsDue(name, into: &effects)
            case .figures: figuresAreDue(into: &effects)
            case .requests: requestsAreDue(at: now, into: &effects)
            case .groups: groupsAreDue(ledger: ledger, at: now, into: &effects)
            }
        }
    }

    /// Lets a reply wait for its level, or says it at once where that is reached.
    mutating func awaitDurability(
        _ level: Acknowledgement, _ sequence: UInt64, _ reply: Reply, _ connection: ConnectionID,
        _ reference: RequestReference, at now: Now, into effects: inout [ShardEffect]
    ) {
        precondition(level.waits, "only stored and replicated are waited for")
        let entry = AcknowledgementLine.Entry(
            sequence: sequence, connection: connection, reference: reference, reply: reply, announcement: nil,
            deadline: now.monotonic + settings.acknowledgementLimit)
        let isSettled = level == .stored ? stored.isSettled(sequence) : replicated.isSettled(sequence)
        if isSettled { return finish(entry, into: &effects) }
        if level == .stored { stored.append(entry) } else { replicated.append(entry) }
        scheduleAcknowledgements()
    }

    /// As the other, for a subscription that goes on from there: its announcement is confirmed when the level is reached.
    mutating func awaitDurability(
        _ level: Acknowledgement, _ sequence: UInt64, _ announcement: InterestID, _ connection: ConnectionID,
        _ reference: RequestReference, at now: Now, into effects: inout [ShardEffect]
    ) {
        let entry = AcknowledgementLine.Entry(
            sequence: sequence, connection: connection, reference: reference, reply: nil, announcement: announcement,
            deadline: now.monotonic + settings.acknowledgementLimit)
        let isSettled = level == .stored ? stored.isSettled(sequence) : replicated.isSettled(sequence)
        if isSettled { return finish(entry, into: &effects) }
        if level == .stored { stored.append(entry) } else { replicated.append(entry) }
        scheduleAcknowledgements()
    }

    mutating func settlePending(_ connection: ConnectionID) {
        if let slot = slot(of: connection) { sessions[slot]!.pendingCount -= 1 }
    }

    private mutating func finish(_ entry: AcknowledgementLine.Entry, into effects: inout [ShardEffect]) {
        if let announcement = entry.announcement { return deadlines.schedule(.interest(announcement), at: .zero) }
        guard let slot = slot(of: entry.connection), let reply = entry.reply else { return }
        sessions[slot]!.pendingCount -= 1
        answer(reply, entry.connection, entry.reference, into: &effects)
    }

    private mutating func expireAcknowledgements(at now: Now, into effects: inout [ShardEffect]) {
        isAcknowledgementDeadlineScheduled = false
        let limit = settings.acknowledgementLimit.components.seconds
        let advice = "within \(limit) s: the outcome is unknown, a retry with the same messageId is safe"
        for entry in stored.expire(at: now.monotonic) {
            fail(entry, .internal("not stored on this node's disk \(advice)"), into: &effects)
        }
        for entry in replicated.expire(at: now.monotonic) {
            fail(entry, .notReplicated("not replicated to a majority \(advice)"), into: &effects)
        }
        scheduleAcknowledgements()
    }

    private mutating func fail(
        _ entry: AcknowledgementLine.Entry, _ refusal: Refusal, into effects: inout [ShardEffect]
    ) {
        if let announcement = entry.announcement {
            for task in announcements.removeValue(forKey: announcement)?.waiting ?? [] { abandon(task, refusal, into: &effects) }
            return
        }
        guard let slot = slot(of: entry.connection) else { return }
        sessions[slot]!.pendingCount -= 1
        refuse(refusal, entry.connection, entry.reference, into: &effects)
    }

    private mutating func scheduleAcknowledgements() {
        let earliest = min(stored.earliest, replicated.earliest)
        guard !isAcknowledgementDeadlineScheduled, earliest < .distantFuture else { return }
        isAcknowledgementDeadlineScheduled = true
        deadlines.schedule(.acknowledgements, at: earliest)
    }

    private func currentSession(_ connection: ConnectionID, _ version: UInt32) -> Session? {
        guard let slot = slot(of: connection), let session = sessions[slot] else { return nil }
        return session.principalVersion == version ? session : nil
    }
}
