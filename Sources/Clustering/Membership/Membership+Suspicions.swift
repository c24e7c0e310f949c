import Model

extension Membership {
    /// Suspects a member because this node's own probe of it failed.
    mutating func accuse(_ member: Member, at now: MonotonicTime, into effects: inout [MembershipEffect]) {
        guard member.state.isLiving else { return }
        apply(
            member.with(incarnation: member.incarnation, state: .suspect), accusers: [local.id], at: now, into: &effects
        )
        guard let index = suspicions.firstIndex(where: { $0.node == member.id }) else { return }
        suspicions[index].nextPingAt = suspicions[index].nextPingAt ?? now
    }

    /// Begins a suspicion, or adds accusers to the one there is.
    mutating func suspect(_ node: NodeID, accusers: [NodeID], afresh: Bool, at now: MonotonicTime) {
        if afresh { endSuspicion(of: node) }
        if let index = suspicions.firstIndex(where: { $0.node == node }) {
            if suspicions[index].add(accusers) { queue.enqueue(node) }
            return
        }
        counters.suspicions += 1
        let suspicion = Suspicion(of: node, accusers: accusers, members: livingCount, settings: settings, at: now)
        suspicions.insert(suspicion, at: suspicions.firstIndex { node < $0.node } ?? suspicions.endIndex)
    }

    /// Drops the suspicion of a member that contradicted it, or that is no longer in doubt.
    mutating func endSuspicion(of node: NodeID) {
        suspicions.removeAll { $0.node == node }
    }

    /// Tells those whom this node accused, and declares dead whose time is over.
    mutating func advanceSuspicions(to now: MonotonicTime, into effects: inout [MembershipEffect]) {
        for suspicion in suspicions {
            guard let member = others[suspicion.node] else { continue }
            if suspicion.deadline <= now {
                counters.deathsDeclared += 1
                apply(member.with(incarnation: member.incarnation, state: .dead), accusers: [], at: now, into: &effects)
            } else if let pingAt = suspicion.nextPingAt, pingAt <= now {
                send(.ping(nextSequence()), to: member, into: &effects)
                guard let index = suspicions.firstIndex(where: { $0.node == suspicion.node }) else { continue }
                suspicions[index].nextPingAt = now + settings.suspectPingInterval
            }
        }
    }
}
