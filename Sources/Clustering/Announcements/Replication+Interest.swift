import Model

extension Replication {
    /// A loop's subscribers want more or less than before; answered with `interestConfirmed`.
    package mutating func interested(
        loop: Int, id: UInt64, added: [TopicFilter], removed: [TopicFilter], at now: MonotonicTime,
        into effects: inout [ReplicationEffect]
    ) {
        let base = interest.version
        let change = interest.change(added: added, removed: removed)
        if interest.version != base {
            for index in lanes.indices {
                lanes[index].oweInterest(base: base, added: change.added, removed: change.removed)
            }
        }
        interest.unconfirmed.append((loop, id, interest.version))
        flush(at: now, into: &effects)
        confirmInterest(into: &effects)
    }

    /// How many subscribers each topic has on this node now.
    package mutating func counted(subscribers: [TopicName: UInt64]) {
        guard subscribers != self.subscribers else { return }
        self.subscribers = subscribers
        subscribersVersion += 1
    }

    /// Tells the loops which of their changes every reachable member has taken.
    mutating func confirmInterest(into effects: inout [ReplicationEffect]) {
        guard !interest.unconfirmed.isEmpty else { return }
        let confirmed = lanes.filter { $0.isReachable && $0.epoch != nil }.map(\.interest.confirmed).min() ?? .max
        for entry in interest.unconfirmed where entry.version <= confirmed {
            effects.append(.interestConfirmed(loop: entry.loop, id: entry.id))
        }
        interest.unconfirmed.removeAll { $0.version <= confirmed }
    }

    /// A peer dropped this node's interest, because it held it dead: tell it all again.
    mutating func retellInterest(on index: Int, at now: MonotonicTime) {
        if let last = lanes[index].interest.lastFullSent, now - last < settings.vectorInterval { return }
        lanes[index].interest.lastFullSent = now
        lanes[index].outbound.owedInterest = .all
    }
}
