import Model

// What the node and the cluster are doing: asked once, or followed. However many follow on a loop, it asks once a second.
extension Shard {
    mutating func askForReport(
        _ command: Command, _ reference: RequestReference, _ slot: Int, at now: Now, into effects: inout [ShardEffect]
    ) {
        let connection = sessions[slot]!.connection
        if case .cluster = command {
            return ask(.cluster(connection, reference), connection, into: &effects)
        }
        if let refusal = access.decidesMonitoring(for: sessions[slot]!.principal) {
            return refuse(refusal, connection, reference, into: &effects)
        }
        guard case .followFigures = command else {
            return ask(.figures(connection, reference), connection, into: &effects)
        }
        if !figureFollowers.contains(connection) { figureFollowers.append(connection) }
        answer(.followingFigures, connection, reference, into: &effects)
        guard !areFiguresDue else { return }
        areFiguresDue = true
        deadlines.schedule(.figures, at: now.monotonic)
    }

    /// The answer to a `.report`.
    package mutating func reported(
        _ id: ReadID, _ result: Result<StatusReport, Refusal>, at now: Now, into effects: inout [ShardEffect]
    ) {
        switch reads.removeValue(forKey: id) {
        case .cluster(let connection, let reference):
            settleReport(result, connection, reference, into: &effects) { .cluster($0.cluster) }
        case .figures(let connection, let reference):
            settleReport(result, connection, reference, into: &effects) { .figures($0) }
        case .followedFigures:
            areFiguresDue = !figureFollowers.isEmpty
            guard areFiguresDue else { return }
            deadlines.schedule(.figures, at: now.monotonic + Self.figuresInterval)
            guard case .success(let report) = result else { return }
            for connection in figureFollowers {
                // Figures of a moment are worth nothing later: who reads slowly misses some.
                guard let slot = slot(of: connection), !sessions[slot]!.isCongested else { continue }
                effects.append(.notify(connection, .figures(report)))
            }
        case .resolve, .follow, .history, .row, .describe, .presence, .group, .groupRecords, nil: break
        }
    }

    mutating func figuresAreDue(into effects: inout [ShardEffect]) {
        areFiguresDue = !figureFollowers.isEmpty
        guard areFiguresDue else { return }
        let id = ReadID(rawValue: nextNumber())
        reads[id] = .followedFigures
        effects.append(.report(id))
    }

    /// Ends the figures of a session that may no longer see them.
    mutating func checkFigures(_ slot: Int, into effects: inout [ShardEffect]) {
        let connection = sessions[slot]!.connection
        guard figureFollowers.contains(connection),
            let refusal = access.decidesMonitoring(for: sessions[slot]!.principal)
        else { return }
        figureFollowers.removeAll { $0 == connection }
        effects.append(.notify(connection, .figuresEnded(refusal)))
    }

    private mutating func ask(_ purpose: ReadPurpose, _ connection: ConnectionID, into effects: inout [ShardEffect]) {
        let id = ReadID(rawValue: nextNumber())
        if let slot = slot(of: connection) { sessions[slot]!.pendingCount += 1 }
        reads[id] = purpose
        effects.append(.report(id))
    }

    private mutating func settleReport(
        _ result: Result<StatusReport, Refusal>, _ connection: ConnectionID, _ reference: RequestReference,
        into effects: inout [ShardEffect], reply: (StatusReport) -> Reply
    ) {
        guard slot(of: connection) != nil else { return }
        settlePending(connection)
        switch result {
        case .success(let report): answer(reply(report), connection, reference, into: &effects)
        case .failure(let refusal): refuse(refusal, connection, reference, into: &effects)
        }
    }

    /// Between two readings of the figures for those who follow them.
    private static var figuresInterval: Duration { .seconds(1) }
}
