import Model

extension Membership {
    /// Merges what `sender` tells of a member.
    ///
    /// A death told in a list (`isList`) is only a suspicion here: after a partition each side lists the other's
    /// members as dead, and they must have time to contradict.
    mutating func merge(
        _ update: MemberUpdate, from sender: NodeID, isList: Bool, at now: MonotonicTime,
        into effects: inout [MembershipEffect]
    ) {
        var claim = update.member
        var accusers = update.accusers
        guard claim.id != local.id else { return hearOfSelf(claim, at: now, into: &effects) }
        guard !removed.contains(claim.id) else { return }
        if isList, claim.state == .dead, let known = others[claim.id], known.run == claim.run, known.state.isLiving {
            claim.state = .suspect
            accusers = [sender]
        }
        let known = others[claim.id]
        apply(claim, accusers: accusers, at: now, into: &effects)
        // A process met through another is greeted, so that the first ping finds a session.
        let isNews = known?.run != claim.run || known?.state.isLiving != true
        if isNews, claim.state.isLiving, sender != claim.id, others[claim.id] == claim {
            effects.append(.greet(claim.gossip))
        }
    }

    /// Takes up a record if it outranks the one held, and lets the accusers of an equal suspicion count.
    mutating func apply(
        _ claim: Member, accusers: [NodeID], at now: MonotonicTime, into effects: inout [MembershipEffect]
    ) {
        let known = others[claim.id]
        if let known, claim.precedence <= known.precedence {
            if claim.precedence == known.precedence, claim.state == .suspect {
                suspect(claim.id, accusers: accusers, afresh: false, at: now)
            }
            return
        }
        guard known != nil || makeRoom() else { return }
        others.set(claim)
        if claim.state == .suspect {
            suspect(claim.id, accusers: accusers, afresh: true, at: now)
        } else {
            endSuspicion(of: claim.id)
        }
        queue.enqueue(claim.id)
        if claim.state.isLiving, known?.state.isLiving != true { scheduleProbe(of: claim.id) }
        if known?.state != claim.state || known?.run != claim.run {
            effects.append(.changed(claim, from: known?.state))
        }
    }

    /// Takes what the head of a packet says of its sender, which is how most suspicions end.
    mutating func hear(
        _ sender: GossipPacket.Sender, from known: Member, at now: MonotonicTime, into effects: inout [MembershipEffect]
    ) {
        let claim = known.with(incarnation: sender.incarnation, state: sender.state)
        apply(claim, accusers: [], at: now, into: &effects)
    }

    /// Contradicts what is wrongly said of this node, and notices when its id is no longer its own.
    private mutating func hearOfSelf(_ claim: Member, at now: MonotonicTime, into effects: inout [MembershipEffect]) {
        if claim.run > local.run { return yield(to: claim.run, into: &effects) }
        if claim.run < local.run { return queue.enqueue(local.id) }
        guard claim.precedence > local.precedence else { return }
        if claim.state == .left { return becomeRemoved(into: &effects) }
        local.incarnation = min(claim.incarnation + 1, GossipPacket.maximumIncarnation)
        counters.refutations += 1
        health.adjust(by: 1)
        queue.enqueue(local.id)
    }

    private mutating func makeRoom() -> Bool {
        if others.members.count + 1 < settings.maximumMembers || others.dropOneThatLeft() { return true }
        counters.membersRefused += 1
        return false
    }
}
