import Model

extension Replication {
    /// Loops' subscribers want more or less than before; each change is answered with `interestConfirmed`.
    package mutating func interested(
        _ changes: [InterestChange], at now: MonotonicTime, into effects: inout [ReplicationEffect]
    ) {
        let base = interest.version
        var gained: Set<TopicFilter> = []
        var lost: Set<TopicFilter> = []
        for request in changes {
            let change = interest.change(added: request.added, removed: request.removed)
            for filter in change.removed where gained.remove(filter) == nil { lost.insert(filter) }
            for filter in change.added where lost.remove(filter) == nil { gained.insert(filter) }
            interest.unconfirmed.append((request.loop, request.id, interest.version))
        }
        if interest.version != base {
            for index in lanes.indices { lanes[index].oweInterest(base: base, added: gained, removed: lost) }
        }
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
        confirmAnnouncements(into: &effects)
        guard !interest.unconfirmed.isEmpty else { return }
        let confirmed = lanes.filter { $0.isReachable && $0.epoch != nil }.map(\.interest.confirmed).min() ?? .max
        // They stand in the order of their versions.
        let done = interest.unconfirmed.prefix { $0.version <= confirmed }
        for entry in done { effects.append(.interestConfirmed(loop: entry.loop, id: entry.id)) }
        interest.unconfirmed.removeFirst(done.count)
    }

    /// A peer dropped this node's interest, because it held it dead: tell it all again.
    mutating func retellInterest(on index: Int, at now: MonotonicTime) {
        if let last = lanes[index].interest.lastFullSent, now - last < settings.vectorInterval { return }
        lanes[index].interest.lastFullSent = now
        lanes[index].outbound.owedInterest = .all
    }
}

/// What one loop's subscribers want more or less of.
package struct InterestChange: Sendable {
    package let loop: Int
    /// What the loop knows the change by.
    package let id: UInt64
    package let added: [TopicFilter]
    package let removed: [TopicFilter]

    package init(loop: Int, id: UInt64, added: [TopicFilter], removed: [TopicFilter]) {
        self.loop = loop
        self.id = id
        self.added = added
        self.removed = removed
    }
}
