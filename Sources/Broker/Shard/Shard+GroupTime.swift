import Model

extension Shard {
    mutating func awaitGroups(until time: MonotonicTime) {
        guard time < groupsDueAt else { return }
        groupsDueAt = time
        deadlines.schedule(.groups, at: time)
    }

    mutating func noteProgress(of key: GroupKey, at now: Now) {
        guard key.acknowledges, dispatchers[key] != nil else { return }
        dispatchers[key]!.isDirty = true
        guard recordsAt == .distantFuture else { return }
        recordsAt = now.monotonic + settings.groupRecordDelay
        awaitGroups(until: recordsAt)
    }

    mutating func groupsAreDue(ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]) {
        guard groupsDueAt <= now.monotonic else { return }
        groupsDueAt = .distantFuture
        if takeoverAt <= now.monotonic { takeOver(at: now) }
        for (id, session) in untold {
            effects.append(.errand(.workSettled(id, from: session), to: id.origin.node, loop: id.loop))
        }
        untold = []
        for key in dispatchers.keys.sorted() { recallLate(key, at: now, into: &effects) }
        writeDeadLetters(ledger: ledger, at: now, into: &effects)
        refreshRecords(at: now)
        if recordsAt <= now.monotonic { writeRecords(ledger: ledger, at: now) }
        if !areGroupsKnown, groupLogRead == nil { readGroupRecords(into: &effects) }
        deliver(ledger.take(), at: now, into: &effects)
        for key in dispatchers.keys.sorted() { dispatch(key, at: now, into: &effects) }
        var next = min(takeoverAt, recordsAt)
        if !deadLetters.isEmpty || (!areGroupsKnown && groupLogRead == nil) {
            next = min(next, now.monotonic + settings.groupRetry)
        }
        for dispatcher in dispatchers.values {
            for flight in dispatcher.flights.values { next = min(next, flight.deadline) }
            if dispatcher.waitingCount > 0 {
                for worker in dispatcher.workers where worker.pausedUntil > now.monotonic {
                    next = min(next, worker.pausedUntil)
                }
            }
            if !dispatcher.isLevel, dispatcher.read == nil, dispatcher.waitingCount == 0, !dispatcher.workers.isEmpty {
                next = min(next, now.monotonic + settings.groupRetry)
            }
        }
        if next < .distantFuture { awaitGroups(until: max(next, now.monotonic + .milliseconds(20))) }
    }

    /// Takes from members what they did not acknowledge in time.
    private mutating func recallLate(_ key: GroupKey, at now: Now, into effects: inout [ShardEffect]) {
        for number in dispatchers[key]!.numbers(where: { $0.deadline <= now.monotonic }) {
            let station = dispatchers[key]!.flights[number]!.station
            guard let flight = dispatchers[key]!.takeBack(number, from: station.session) else { continue }
            workKeys[number] = nil
            let id = WorkID(origin: place.origin, loop: place.loop, number: number)
            effects.append(
                .errand(
                    .recalled(id, from: station.connection, session: station.session), to: station.node, loop: station.loop))
            giveAgain(flight.work, of: key, because: "it was not acknowledged in time", at: now)
        }
    }
}
