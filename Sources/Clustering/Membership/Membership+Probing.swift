import Model

extension Membership {
    /// Begins, continues or ends the probe of one member.
    mutating func advanceProbe(to now: MonotonicTime, into effects: inout [MembershipEffect]) {
        if let current = probe {
            if current.endsAt <= now {
                probe = nil
                probeAt = now
                if !current.isAcknowledged { fail(current, at: now, into: &effects) }
            } else if let relaysAt = current.relaysAt, relaysAt <= now {
                askRelays(for: current, into: &effects)
            }
        }
        guard probe == nil, probeAt <= now else { return }
        beginProbe(at: now, into: &effects)
    }

    /// Takes an acknowledgement, from the target or from a relay, if it belongs to the probe.
    mutating func acknowledgeProbe(_ sequence: UInt32, from node: NodeID, run: Run) {
        guard let current = probe, current.sequence == sequence, !current.isAcknowledged else { return }
        guard (node == current.target && run == current.run) || current.relays.contains(node) else { return }
        probe?.isAcknowledged = true
        probe?.relaysAt = nil
        health.adjust(by: -1)
    }

    /// Takes a relay's word that it got no answer either, which shows that this node itself is well.
    mutating func noteNack(_ sequence: UInt32, from node: NodeID) {
        guard let current = probe, current.sequence == sequence else { return }
        guard current.relays.contains(node), !current.nacks.contains(node) else { return }
        probe?.nacks.append(node)
    }

    /// Puts a member that has come to life somewhere among those still to be probed in this round (SWIM §4.3).
    mutating func scheduleProbe(of node: NodeID) {
        guard !probeOrder.contains(node) else { return }
        probeOrder.insert(node, at: Int.random(in: 0...probeOrder.count, using: &random))
    }

    private mutating func beginProbe(at now: MonotonicTime, into effects: inout [MembershipEffect]) {
        probeAt = now + settings.probeInterval
        // A member that stops because it is away or left doubts nobody.
        guard local.state == .alive, let target = nextTarget() else { return }
        let sequence = nextSequence()
        probe = Probe(
            target: target.id, run: target.run, sequence: sequence,
            relaysAt: now + health.scaled(settings.probeTimeout), endsAt: now + health.scaled(settings.probeInterval))
        counters.probes += 1
        send(.ping(sequence), to: target, into: &effects)
    }

    private mutating func nextTarget() -> Member? {
        if probeOrder.isEmpty { probeOrder = others.living.map(\.id).shuffled(using: &random) }
        while let id = probeOrder.popLast() {
            if let member = others[id], member.state.isLiving { return member }
        }
        return nil
    }

    /// Pings once more, and has others ping it, in case only the path from here is bad (SWIM §3.1).
    private mutating func askRelays(for current: Probe, into effects: inout [MembershipEffect]) {
        probe?.relaysAt = nil
        guard let target = others[current.target], target.run == current.run else { return }
        let relays = randomLiving(settings.relays, except: [target.id])
        probe?.relays = relays.map(\.id)
        send(.ping(current.sequence), to: target, into: &effects)
        for relay in relays {
            send(.pingRequest(current.sequence, target: target.id, boot: target.boot), to: relay, into: &effects)
        }
    }

    private mutating func fail(_ failed: Probe, at now: MonotonicTime, into effects: inout [MembershipEffect]) {
        counters.probesFailed += 1
        health.adjust(by: failed.relays.isEmpty ? 1 : failed.relays.count - failed.nacks.count)
        guard let target = others[failed.target], target.run == failed.run else { return }
        accuse(target, at: now, into: &effects)
    }
}

extension Membership {
    /// Pings a member for another one.
    mutating func relay(
        _ sequence: UInt32, target: NodeID, boot: Boot, for requester: NodeID, requesterBoot: Boot,
        at endpoint: Endpoint,
        now: MonotonicTime, into effects: inout [MembershipEffect]
    ) {
        guard let member = others[target], member.boot == boot else {
            return send(.nack(sequence), to: requester, boot: requesterBoot, at: endpoint, into: &effects)
        }
        if relays.count == Relay.maximumCount { relays.removeFirst() }
        let own = nextSequence()
        relays.append(
            Relay(
                sequence: own, target: target, requester: requester, requesterBoot: requesterBoot,
                requesterEndpoint: endpoint,
                requesterSequence: sequence, nackAt: now + settings.probeTimeout, endsAt: now + settings.probeInterval))
        send(.ping(own), to: member, into: &effects)
    }

    /// Passes an acknowledgement on to the member that had asked for the ping.
    mutating func acknowledgeRelay(_ sequence: UInt32, from node: NodeID, into effects: inout [MembershipEffect]) {
        guard let index = relays.firstIndex(where: { $0.sequence == sequence && $0.target == node }) else { return }
        let relay = relays.remove(at: index)
        answer(relay, with: .acknowledgement(relay.requesterSequence), into: &effects)
    }

    /// Tells those who asked for a ping that it was not answered, and later forgets it.
    mutating func advanceRelays(to now: MonotonicTime, into effects: inout [MembershipEffect]) {
        for index in relays.indices {
            guard let nackAt = relays[index].nackAt, nackAt <= now else { continue }
            relays[index].nackAt = nil
            answer(relays[index], with: .nack(relays[index].requesterSequence), into: &effects)
        }
        relays.removeAll { $0.endsAt <= now }
    }

    private mutating func answer(_ relay: Relay, with body: GossipPacket.Body, into effects: inout [MembershipEffect]) {
        send(body, to: relay.requester, boot: relay.requesterBoot, at: relay.requesterEndpoint, into: &effects)
    }
}
