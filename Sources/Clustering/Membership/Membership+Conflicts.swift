import Model

/// Two processes with one node id.
///
/// A restarted node and a copied data directory look the same: a later run of a known node speaks. So whoever still
/// holds the earlier run to be alive pings it first. If it answers, the newcomer is refused and must exit; if not, it
/// is declared dead and the newcomer taken up.
extension Membership {
    /// Begins to ask the incumbent, unless that is already being done.
    mutating func challenge(
        _ incumbent: Member, by newcomer: Run, at endpoint: Endpoint, now: MonotonicTime,
        into effects: inout [MembershipEffect]
    ) {
        guard !challenges.contains(where: { $0.node == incumbent.id }) else { return }
        counters.challenges += 1
        challenges.append(
            Challenge(
                node: incumbent.id, incumbent: incumbent.run, newcomer: newcomer, newcomerEndpoint: endpoint,
                sequence: nextSequence(), pingsLeft: settings.challengePings, nextAt: now))
        advanceChallenges(to: now, into: &effects)
    }

    /// Pings the incumbents again, and accepts the newcomers whose incumbent stayed silent.
    mutating func advanceChallenges(to now: MonotonicTime, into effects: inout [MembershipEffect]) {
        for challenge in challenges where challenge.nextAt <= now {
            guard let index = challenges.firstIndex(where: { $0.node == challenge.node }) else { continue }
            guard let known = others[challenge.node], known.run == challenge.incumbent, known.state.isLiving else {
                // Others have decided meanwhile.
                challenges.remove(at: index)
                continue
            }
            if challenge.pingsLeft > 0 {
                challenges[index].pingsLeft -= 1
                challenges[index].nextAt = now + settings.challengeInterval
                send(.ping(challenge.sequence), to: known, into: &effects)
            } else {
                challenges.remove(at: index)
                accept(challenge, inPlaceOf: known, at: now, into: &effects)
            }
        }
    }

    /// The incumbent lives: the newcomer is refused.
    mutating func answerChallenge(
        _ sequence: UInt32, from node: NodeID, run: Run, into effects: inout [MembershipEffect]
    ) {
        guard let index = challenges.firstIndex(where: { $0.node == node }) else { return }
        let challenge = challenges[index]
        guard challenge.sequence == sequence, challenge.incumbent == run else { return }
        challenges.remove(at: index)
        refuse(challenge.newcomer, of: node, owner: run, at: challenge.newcomerEndpoint, into: &effects)
    }

    /// Tells a process that another one owns its node id.
    mutating func refuse(
        _ run: Run, of node: NodeID, owner: Run, at endpoint: Endpoint, into effects: inout [MembershipEffect]
    ) {
        counters.processesRefused += 1
        send(.refused(run, owner: owner), to: node, boot: run.boot, at: endpoint, into: &effects)
    }

    /// A packet of this node's own id: of itself, through a seed that is its own address, or of another process.
    mutating func meetTwin(_ run: Run, at endpoint: Endpoint, into effects: inout [MembershipEffect]) {
        if run < local.run { return yield(to: run, into: &effects) }
        if run > local.run { refuse(run, of: local.id, owner: local.run, at: endpoint, into: &effects) }
    }

    /// Gives the node id up to another process.
    mutating func yield(to owner: Run, into effects: inout [MembershipEffect]) {
        isRefused = true
        effects.append(.conflict(local.id, with: owner))
    }

    private mutating func accept(
        _ challenge: Challenge, inPlaceOf known: Member, at now: MonotonicTime, into effects: inout [MembershipEffect]
    ) {
        apply(known.with(incarnation: known.incarnation, state: .dead), accusers: [], at: now, into: &effects)
        sendList(
            wantsReply: true, to: challenge.node, boot: challenge.newcomer.boot, at: challenge.newcomerEndpoint,
            into: &effects)
    }
}
