import Model

// What the log has lost to damage is asked for run by run, of one holder after the other, until it has come or every
// member has said that it does not hold it. Records that come so have positions that this node holds already: nothing
// but the log takes them.
extension Replication {
    /// The log has lost what may have stood at these positions.
    package mutating func want(
        _ runs: [AbsentRun], at now: MonotonicTime, ledger: any ReplicaLedger, into effects: inout [ReplicationEffect]
    ) {
        for run in runs {
            wants.removeAll { $0.run == run }
            wants.append(Want(run, since: now))
        }
        settleWants(at: now, ledger: ledger, into: &effects)
        flush(at: now, into: &effects)
    }

    /// How many runs are asked for.
    package var wantCount: Int { wants.count }

    /// Takes a record that may be one of those asked for.
    mutating func regain(_ record: Record, from index: Int, at now: MonotonicTime) {
        var isAwaited = false
        for want in wants.indices where wants[want].run.holds(record) {
            if wants[want].came(record.position) { isAwaited = true }
        }
        guard isAwaited else { return }
        counters.recordsRegained += 1
        lanes[index].askedMend?.at = now
        regained.append(record)
    }

    /// A peer has given what it holds of a run.
    mutating func answered(_ run: AbsentRun, on index: Int) {
        guard lanes[index].askedMend?.run == run else { return }
        lanes[index].askedMend = nil
        for want in wants.indices where wants[want].run.origin == run.origin && wants[want].run.slot == run.slot {
            wants[want].answered(run, by: lanes[index].peer)
        }
    }

    /// A peer's process is another: what it did not have it may have now.
    mutating func askAnew(_ peer: NodeID) {
        for want in wants.indices { wants[want].forget(peer) }
    }

    /// Hands on what came, tells what is settled, and asks on.
    mutating func settleWants(
        at now: MonotonicTime, ledger: any ReplicaLedger, into effects: inout [ReplicationEffect]
    ) {
        if !regained.isEmpty { handOn(ledger, into: &effects) }
        let others = possibleHolders(ledger)
        // A node that is to join others and has met none does not know whom to ask.
        let isAlone = others.isEmpty && settings.minimumMembers < 2
        var left: [Want] = []
        for var want in wants {
            let isOpen = want.pieces.contains { piece in
                others.isEmpty ? !isAlone : others.contains { !piece.refused.contains($0) }
            }
            if !isOpen {
                effects.append(.resolve(want.run, .settled))
                continue
            }
            let isAnswered = !want.pieces.contains { piece in
                others.contains { !piece.refused.contains($0) && isReachable($0) }
            }
            if isAnswered, !want.isUnavailable, now - want.since >= settings.wantPatience {
                want.isUnavailable = true
                effects.append(.resolve(want.run, .unavailable))
            }
            left.append(want)
        }
        wants = left
        ask(at: now)
    }

    private mutating func handOn(_ ledger: any ReplicaLedger, into effects: inout [ReplicationEffect]) {
        effects.append(.mend(regained))
        // What the registry's records say is merged as a snapshot's would be.
        let retold = regained.filter { $0.slot == .system }.map {
            Record(origin: $0.origin, slot: .system, position: 0, time: $0.time, seen: 0, body: $0.body)
        }
        // The sequencer is to know the newest version of a row before the next write to it.
        let rows = regained.filter { $0.message?.key != nil }
        regained = []
        if !(retold + rows).isEmpty { _ = ledger.admit(retold + rows) }
    }

    /// Every other node that may hold something: the members, and whoever has written what is here, since the registry's
    /// own records may be among those that are lost.
    private func possibleHolders(_ ledger: any ReplicaLedger) -> [NodeID] {
        let registry = ledger.registry
        var holders = Set(registry.members.keys).union(ledger.vector.entries.map(\.origin.node))
        holders.remove(own.node)
        return holders.filter { registry.departed[$0] == nil }.sorted()
    }

    private func isReachable(_ peer: NodeID) -> Bool { index(of: peer).map { canBeAsked(lanes[$0]) } ?? false }

    /// Whether a peer answers, and speaks a version in which it can be asked.
    private func canBeAsked(_ lane: Lane) -> Bool { lane.isReachable && lane.version >= WireVersions.repairs }

    /// Asks each peer for the first run that it was not asked for and nobody else is.
    private mutating func ask(at now: MonotonicTime) {
        for index in lanes.indices {
            if let asked = lanes[index].askedMend, now - asked.at >= settings.mendPatience || !lanes[index].isReachable
            {
                lanes[index].askedMend = nil
            }
            guard canBeAsked(lanes[index]), lanes[index].epoch != nil, lanes[index].askedMend == nil,
                lanes[index].outbound.control.count < settings.maximumControlItems
            else { continue }
            let asked = lanes.compactMap { $0.askedMend?.run }
            for want in wants {
                guard let question = want.question(to: lanes[index].peer), !asked.contains(question) else { continue }
                lanes[index].askedMend = (question, now)
                counters.mendsAsked += 1
                lanes[index].outbound.control.append(.mend(question))
                break
            }
        }
    }
}
