import Model

extension Shard {
    /// Counts a request against its connection's requests a second, and holds the connection when it has too many.
    mutating func meter(_ slot: Int, at now: Now, into effects: inout [ShardEffect]) {
        guard !paces.isEmpty else { return }
        let connection = sessions[slot]!.connection
        guard case .hold(let until, let beginsExcess)? = paces[connection]?.charge(at: now.monotonic) else { return }
        counters.holds += 1
        deadlines.schedule(.holdEnd(connection), at: until)
        effects.append(.hold(connection))
        guard beginsExcess, let excess = paces[connection]?.excess else { return }
        deadlines.schedule(
            .excessLimit(connection, excess: excess), at: now.monotonic + settings.excessLimit)
        effects.append(.notify(connection, .refused(.rateLimited)))
    }

    /// A hold's time is over: the connection is read again, unless what had been read before is still owed.
    mutating func holdEnds(_ connection: ConnectionID, at now: Now, into effects: inout [ShardEffect]) {
        guard paces[connection] != nil else { return }
        if let later = paces[connection]!.release(at: now.monotonic) {
            deadlines.schedule(.holdEnd(connection), at: later)
        } else {
            effects.append(.release(connection))
        }
    }

    /// Closes a connection whose excess goes on.
    mutating func limitExcess(
        _ connection: ConnectionID, _ excess: UInt32, at now: Now, into effects: inout [ShardEffect]
    ) {
        guard paces[connection]?.goesOn(excess, at: now.monotonic) == true else { return }
        counters.excesses += 1
        let (limit, rate) = (settings.excessLimit.components.seconds, paces[connection]?.perSecond ?? 0)
        effects.append(
            .close(
                connection, code: 1008,
                reason: "RATE_LIMIT_EXCEEDED: more than \(rate) requests a second for \(limit) s"))
    }
}
