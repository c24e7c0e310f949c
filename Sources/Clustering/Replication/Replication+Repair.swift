import Model

extension Replication {
    /// Does what time asks for: pulses, frames sent again, connections cycled, pulls given to another holder.
    package mutating func advance(
        to now: MonotonicTime, ledger: any ReplicaLedger, into effects: inout [ReplicationEffect]
    ) {
        lastAdvance = now
        let registry = ledger.registry
        members = max(1, registry.members.count)
        if registry.departed.count != uncounted.count { uncounted = Set(registry.departed.keys) }
        let digest = digest(at: now)
        for index in lanes.indices {
            let lane = lanes[index]
            if !lane.outbound.unreceived.isEmpty, now - lane.outbound.lastProgress >= settings.resendInterval {
                resend(index, at: now, into: &effects)
            }
            if now - lane.lastHeard >= settings.cycleInterval, now - lane.lastCycle >= settings.cycleInterval {
                lanes[index].lastCycle = now
                if lane.isReachable { effects.append(.cycle(lane.peer)) }
            }
            if lane.outbound.subscribersVersion != subscribersVersion, lane.epoch != nil {
                lanes[index].outbound.subscribersVersion = subscribersVersion
                lanes[index].outbound.owesSubscribers = true
            }
            tellHeads(on: index, ledger: ledger)
            if now - lane.outbound.lastSent >= settings.pulseInterval {
                sendUnsequenced(
                    [
                        .pulse(
                            digest: digest, interest: lane.interest.version, presence: lanes[index].presence.version)
                    ], on: index, at: now, into: &effects)
            }
        }
        pulls = pulls.filter { now - $0.value.lastRecord < settings.pullPatience }
        seekRecords(at: now, ledger: ledger)
        advanceFetches(at: now, ledger: ledger)
        if !wants.isEmpty { settleWants(at: now, ledger: ledger, into: &effects) }
        flush(at: now, into: &effects)
    }

    /// A hash over the journals that nobody pushes any more, or that do not reach this node: where two nodes' differ,
    /// they exchange vectors.
    func digest(at now: MonotonicTime) -> UInt64 {
        let hashes = durable.digest { !isPushed($0, at: now) }
        return hashes.reduce(0) { ($0 &* 31) &+ $1 }
    }

    /// Whether an origin's own lane brings its records: it is this process, or a peer's present epoch that was just
    /// heard.
    private func isPushed(_ origin: Origin, at now: MonotonicTime) -> Bool {
        if origin == own { return true }
        guard let index = index(of: origin.node) else { return false }
        let lane = lanes[index]
        return lane.epoch == origin.epoch && lane.isReachable && now - lane.lastHeard < settings.stallInterval
    }

    mutating func sendVector(on index: Int, at now: MonotonicTime) {
        if let last = lanes[index].lastVectorSent, now - last < settings.vectorInterval { return }
        lanes[index].lastVectorSent = now
        lanes[index].outbound.owesVector = true
    }

    /// Pulls every origin's records that a reachable peer has and this node lacks, each from one holder at a time.
    mutating func seekRecords(at now: MonotonicTime, ledger: any ReplicaLedger) {
        var held: VersionVector?
        // Who is asked first changes, so that a holder that gives nothing does not keep the others from being asked.
        let first = Int(truncatingIfNeeded: counters.pulls % UInt64(max(1, lanes.count)))
        for index in lanes.indices.map({ ($0 + first) % lanes.count }) where lanes[index].isReachable {
            guard lanes[index].outbound.control.count < settings.maximumControlItems else { continue }
            for origin in lanes[index].known.origins where pulls[origin] == nil && !isPushed(origin, at: now) {
                if held == nil { held = ledger.vector }
                let theirs = lanes[index].known.positions(of: origin)
                var ours = held!.positions(of: origin)
                if ours.isEmpty { ours = [UInt64](repeating: 0, count: Slot.count) }
                guard zip(theirs, ours).contains(where: { $0 > $1 }) else { continue }
                pulls[origin] = Pull(holder: lanes[index].peer, lastRecord: now)
                counters.pulls += 1
                lanes[index].outbound.control.append(.pull(origin, after: ours))
            }
        }
    }

    var announcedSubscribers: [TopicName: UInt64] {
        guard subscribers.count > LaneItem.maximumEntries else { return subscribers }
        let kept = subscribers.sorted { $0.key < $1.key }.prefix(LaneItem.maximumEntries)
        return Dictionary(uniqueKeysWithValues: kept.map { ($0.key, $0.value) })
    }
}
