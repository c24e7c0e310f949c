import Model

extension Membership {
    /// When ``advance(to:into:)`` must be called at the latest.
    package var nextDeadline: MonotonicTime {
        guard !isRefused else { return .distantFuture }
        var next = patienceDeadline
        if !queue.isEmpty { next = min(next, gossipAt) }
        for seed in seeds where isWanted(seed) { next = min(next, seed.nextAt) }
        return next
    }

    /// Does whatever has become due by `now`.
    package mutating func advance(to now: MonotonicTime, into effects: inout [MembershipEffect]) {
        guard !isRefused else { return }
        allowForStall(at: now)
        greetSeeds(at: now, into: &effects)
        advanceChallenges(to: now, into: &effects)
        advanceRelays(to: now, into: &effects)
        advanceProbe(to: now, into: &effects)
        advanceSuspicions(to: now, into: &effects)
        gossip(at: now, into: &effects)
        syncPeriodically(at: now, into: &effects)
        reconnect(at: now, into: &effects)
    }

    /// Notices that this process stood still, in which case answers may be waiting unread: every timer is moved past
    /// the stall, and the node trusts itself less.
    mutating func allowForStall(at now: MonotonicTime) {
        let stall = now - patienceDeadline
        guard stall > settings.stallTolerance else { return }
        counters.stalls += 1
        health.adjust(by: 1)
        let shift = stall + settings.probeTimeout
        probeAt = probeAt + shift
        syncAt = syncAt + shift
        reconnectAt = reconnectAt + shift
        probe = probe.map { $0.shifted(by: shift) }
        relays = relays.map { $0.shifted(by: shift) }
        for index in suspicions.indices { suspicions[index].shift(by: shift) }
        for index in challenges.indices { challenges[index].nextAt = challenges[index].nextAt + shift }
    }

    /// The first time at which this node's patience with another ends, or its own round begins.
    private var patienceDeadline: MonotonicTime {
        var next = min(syncAt, reconnectAt, probe.map { $0.relaysAt ?? $0.endsAt } ?? probeAt)
        for suspicion in suspicions { next = min(next, suspicion.deadline, suspicion.nextPingAt ?? .distantFuture) }
        for relay in relays { next = min(next, relay.nackAt ?? relay.endsAt) }
        for challenge in challenges { next = min(next, challenge.nextAt) }
        return next
    }
}
