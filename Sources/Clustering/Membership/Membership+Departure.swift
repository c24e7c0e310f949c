import Model

extension Membership {
    /// Announces that this node stops, and stays a member. Call it once the node takes no more work, and go on for a
    /// few gossip intervals, so that a lost packet does not matter.
    package mutating func announceAway(at now: MonotonicTime, into effects: inout [MembershipEffect]) {
        guard local.state == .alive else { return }
        depart(as: .away, at: now, into: &effects)
    }

    /// Takes back ``announceAway(at:into:)``, when the node goes on after all.
    package mutating func announceReturn(at now: MonotonicTime, into effects: inout [MembershipEffect]) {
        guard local.state == .away else { return }
        depart(as: .alive, at: now, into: &effects)
    }

    /// Leaves the cluster for good, at an operator's word.
    package mutating func leave(at now: MonotonicTime, into effects: inout [MembershipEffect]) {
        guard local.state != .left else { return }
        depart(as: .left, at: now, into: &effects)
    }

    /// Has a member forgotten that is dead or away, at an operator's word; false, and nothing done, for any other.
    ///
    /// A later process of that node is taken up again.
    package mutating func forget(_ node: NodeID, at now: MonotonicTime, into effects: inout [MembershipEffect]) -> Bool
    {
        guard !isRefused, let known = others[node], known.state == .dead || known.state == .away else { return false }
        apply(known.with(incarnation: known.incarnation, state: .left), accusers: [], at: now, into: &effects)
        gossip(at: now, into: &effects)
        return true
    }

    /// Accepts an operator's verdict on this node, told by others.
    mutating func becomeLeft(incarnation: UInt64, into effects: inout [MembershipEffect]) {
        let before = local.state
        local = local.with(incarnation: incarnation, state: .left)
        queue.enqueue(local.id)
        effects.append(.changed(local, from: before))
    }

    private mutating func depart(as state: MemberState, at now: MonotonicTime, into effects: inout [MembershipEffect]) {
        guard !isRefused else { return }
        let before = local.state
        local = local.with(incarnation: min(local.incarnation + 1, GossipPacket.maximumIncarnation), state: state)
        queue.enqueue(local.id)
        effects.append(.changed(local, from: before))
        gossipAt = now
        gossip(at: now, into: &effects)
    }
}
