import Model

extension Membership {
    /// Names the addresses under which others may be found; called again, it replaces them.
    ///
    /// Each is greeted with growing pauses, for ever, while nobody alive is known to be there. At most
    /// ``Seed/maximumCount`` are used.
    package mutating func join(_ endpoints: [Endpoint], at now: MonotonicTime, into effects: inout [MembershipEffect]) {
        var renewed: [Seed] = []
        for endpoint in endpoints.prefix(Seed.maximumCount) where !renewed.contains(where: { $0.endpoint == endpoint })
        {
            let known = seeds.first { $0.endpoint == endpoint }
            renewed.append(known ?? Seed(endpoint: endpoint, nextAt: now, pause: settings.greetInterval))
        }
        seeds = renewed
        greetSeeds(at: now, into: &effects)
    }

    /// Takes note that there is a session with this process of a node; lists are exchanged if it was not known to live.
    package mutating func greeted(
        _ node: NodeID, boot: Boot, at endpoint: Endpoint, at now: MonotonicTime, into effects: inout [MembershipEffect]
    ) {
        guard !isRefused else { return }
        for index in seeds.indices where seeds[index].endpoint == endpoint { seeds[index].met = node }
        if node == local.id {
            // The answer shows which of the two processes began first.
            if boot != local.boot { send(.ping(nextSequence()), to: node, boot: boot, at: endpoint, into: &effects) }
            return
        }
        if let known = others[node], known.boot == boot, known.state.isLiving { return }
        sendList(wantsReply: true, to: node, boot: boot, at: endpoint, into: &effects)
    }

    /// Greets the seeds that are silent and due.
    mutating func greetSeeds(at now: MonotonicTime, into effects: inout [MembershipEffect]) {
        for index in seeds.indices where isWanted(seeds[index]) && seeds[index].nextAt <= now {
            effects.append(.greet(seeds[index].endpoint))
            seeds[index].nextAt = now + seeds[index].pause
            seeds[index].pause = min(seeds[index].pause * 2, settings.greetIntervalMaximum)
        }
    }

    /// Whether there is reason to greet a seed: nobody alive is known to be there.
    func isWanted(_ seed: Seed) -> Bool {
        guard let met = seed.met else { return true }
        return met != local.id && others[met]?.state.isLiving != true
    }

    /// Exchanges lists with one random member, which repairs whatever gossip has missed.
    mutating func syncPeriodically(at now: MonotonicTime, into effects: inout [MembershipEffect]) {
        guard syncAt <= now else { return }
        syncAt = now + settings.syncInterval
        guard let member = randomLiving(1, except: []).first else { return }
        sendList(wantsReply: true, to: member.id, boot: member.boot, at: member.gossip, into: &effects)
    }

    /// Greets one random member that is dead or away, in case it only could not be reached.
    mutating func reconnect(at now: MonotonicTime, into effects: inout [MembershipEffect]) {
        guard reconnectAt <= now else { return }
        reconnectAt = now + settings.reconnectInterval
        let absent = others.members.filter { $0.state == .dead || $0.state == .away }
        if let member = absent.randomElement(using: &random) { effects.append(.greet(member.gossip)) }
    }
}
