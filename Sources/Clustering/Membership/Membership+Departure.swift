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

    /// Takes note of nodes that an operator removed, by the registry: whatever their processes say, they are members no
    /// more.
    package mutating func remove(_ nodes: Set<NodeID>, at now: MonotonicTime, into effects: inout [MembershipEffect]) {
        let news = nodes.subtracting(removed).sorted()
        removed.formUnion(news)
        for node in news where !isRefused {
            if node == local.id {
                // One that leaves at its own wish has said so, and goes on until everybody has heard it.
                if local.state != .left { becomeRemoved(into: &effects) }
            } else if let known = others[node], known.state != .left {
                apply(known.with(incarnation: known.incarnation, state: .left), accusers: [], at: now, into: &effects)
            }
        }
    }

    /// Accepts an operator's verdict on this node.
    mutating func becomeRemoved(into effects: inout [MembershipEffect]) {
        isRefused = true
        effects.append(.removed)
    }

    /// Tells a process of a removed node so.
    mutating func turnAway(
        _ run: Run, of node: NodeID, at endpoint: Endpoint, into effects: inout [MembershipEffect]
    ) {
        counters.processesRefused += 1
        send(.removed(run), to: node, boot: run.boot, at: endpoint, into: &effects)
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
