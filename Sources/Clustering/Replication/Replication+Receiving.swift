import Model

extension Replication {
    /// A frame came over the lane of a peer's process.
    package mutating func receive(
        _ bytes: [UInt8], from peer: NodeID, boot: Boot, at now: MonotonicTime, ledger: any ReplicaLedger,
        into effects: inout [ReplicationEffect]
    ) {
        guard !departed.contains(peer) else { return }
        let frame: LaneFrame
        do {
            frame = try LaneFrame.decode(bytes, versions: settings.versions)
        } catch {
            counters.framesMalformed += 1
            effects.append(.malformed(error, from: peer))
            return
        }
        opened(peer, boot: boot, version: frame.version, at: now, into: &effects)
        guard let index = index(of: peer), lanes[index].boot == boot else { return }
        counters.framesReceived += 1
        lanes[index].lastHeard = now
        lanes[index].acknowledged(received: frame.received, durable: frame.durable, at: now)
        lanes[index].outbound.credit = frame.credit
        if frame.sequence == 0 {
            take(frame.items, on: index, at: now, ledger: ledger, into: &effects)
        } else if frame.sequence == lanes[index].inbound.received + 1 {
            lanes[index].inbound.received = frame.sequence
            lanes[index].outbound.owesAcknowledgement = true
            let sequence = take(frame.items, on: index, at: now, ledger: ledger, into: &effects)
            expectSync(of: sequence, before: frame.sequence, on: index)
        } else {
            counters.framesOutOfOrder += 1
            lanes[index].outbound.owesAcknowledgement = true
        }
        if !wants.isEmpty { settleWants(at: now, ledger: ledger, into: &effects) }
        confirmInterest(into: &effects)
        flush(at: now, into: &effects)
    }

    /// Remembers which local sequence must be synced before a frame counts as durable.
    private mutating func expectSync(of sequence: UInt64, before frame: UInt64, on index: Int) {
        let sequence = max(sequence, lanes[index].inbound.unsynced.last?.sequence ?? 0)
        if sequence <= durableThrough {
            lanes[index].inbound.durable = frame
        } else {
            lanes[index].inbound.unsynced.append((frame, sequence))
        }
    }

    /// Takes a frame's items in order; gives the last local sequence that its records got, 0 for none.
    @discardableResult
    private mutating func take(
        _ items: [LaneItem], on index: Int, at now: MonotonicTime, ledger: any ReplicaLedger,
        into effects: inout [ReplicationEffect]
    ) -> UInt64 {
        var records: [Record] = []
        var sequence: UInt64 = 0
        func admit(_ replication: inout Replication) {
            guard !records.isEmpty else { return }
            replication.counters.recordsReceived += UInt64(records.count)
            let taken: [Bool]
            (taken, sequence) = ledger.admit(records)
            replication.note(records, taken, on: index, at: now, ledger: ledger)
            records.removeAll()
        }
        for item in items {
            if case .record(let record) = item {
                records.append(record)
                continue
            }
            admit(&self)
            take(item, on: index, at: now, ledger: ledger, into: &effects)
        }
        admit(&self)
        return sequence
    }

    /// Notes which pulls bring something, and begins a lane anew whose records cannot be taken in because some before
    /// them are missing.
    private mutating func note(
        _ records: [Record], _ taken: [Bool], on index: Int, at now: MonotonicTime, ledger: any ReplicaLedger
    ) {
        var held: VersionVector?
        for (record, isTaken) in zip(records, taken) {
            if isTaken {
                progressed(record.origin, at: now)
                if record.position == 0, let message = record.message {
                    let place = MemoryPlace(topic: message.topic, partition: record.partition(of: message))
                    missing[record.origin.node]?.progressed(place, until: now + settings.fetchPatience)
                }
                continue
            }
            if record.position == 0, let message = record.message {
                let place = MemoryPlace(topic: message.topic, partition: record.partition(of: message))
                missed(place, through: message.offset, record, on: index, at: now, ledger: ledger)
            }
            if record.position > 0, !wants.isEmpty { regain(record, from: index, at: now) }
            guard record.position > 0, record.origin.node == lanes[index].peer else { continue }
            if held == nil { held = ledger.vector }
            guard record.position > held![record.origin, record.slot] else { continue }
            counters.recordsEarly += 1
            guard !lanes[index].outbound.control.contains(where: \.isStart) else { continue }
            lanes[index].outbound.control.append(.start(durable, epoch: own.epoch))
        }
    }

    private mutating func progressed(_ origin: Origin, at now: MonotonicTime) {
        guard pulls[origin] != nil else { return }
        pulls[origin]!.lastRecord = now
        pulls[origin]!.hasGiven = true
    }

    private mutating func skip(_ run: AbsentRun, at now: MonotonicTime, ledger: any ReplicaLedger) {
        let held = ledger.vector[run.origin, run.slot]
        guard ledger.skip(run), run.to > held else { return }
        progressed(run.origin, at: now)
        let sequence = ledger.admit([]).sequence
        if sequence <= durableThrough {
            durable.advance(run.origin, run.slot, to: run.to)
        } else {
            skipped.append((sequence, run))
        }
    }

    private mutating func take(
        _ item: LaneItem, on index: Int, at now: MonotonicTime, ledger: any ReplicaLedger,
        into effects: inout [ReplicationEffect]
    ) {
        switch item {
        case .record: preconditionFailure("records are admitted in batches")
        case .start(let vector, let epoch):
            lanes[index].epoch = epoch
            peersVersion += 1
            lanes[index].known = vector
            startPush(on: index, from: vector)
            seekRecords(at: now, ledger: ledger)
        case .absent(let run): skip(run, at: now, ledger: ledger)
        case .vector(let vector):
            lanes[index].known = vector
            seekRecords(at: now, ledger: ledger)
        case .pull(let origin, let after):
            let isWaiting = lanes[index].waitingPulls.contains { $0.origin == origin }
            guard !isWaiting, lanes[index].waitingPulls.count < settings.maximumWaitingPulls else { return }
            lanes[index].waitingPulls.append(Lane.PullService(origin: origin, after: after))
        case .pulled(let origin):
            guard let pull = pulls[origin], pull.holder == lanes[index].peer else { return }
            if pull.hasGiven {
                pulls[origin] = nil
                seekRecords(at: now, ledger: ledger)
            } else {
                // The holder had nothing after all: whoever is asked next is asked a little later.
                pulls[origin]!.lastRecord = now + settings.vectorInterval + (.zero - settings.pullPatience)
            }
        case .pulse(let digest, let version, let presence):
            if presence == 0, lanes[index].outbound.presenceTold > 0 { retellPresence(on: index, at: now) }
            if version == 0, lanes[index].interest.confirmed > 0 { retellInterest(on: index, at: now) }
            if digest == self.digest(at: now) {
                lanes[index].sameDigestAt = now
            } else {
                lanes[index].sameDigestAt = nil
                sendVector(on: index, at: now)
            }
        case .interest(let base, let version, let added, let removed):
            take(base: base, version: version, added: added, removed: removed, on: index, ledger: ledger)
        case .interestTaken(let version, let heads):
            begin(heads, on: index, at: now, ledger: ledger)
            lanes[index].interest.confirmed = max(lanes[index].interest.confirmed, version)
            forwarding[lanes[index].peer] = max(forwarding[lanes[index].peer] ?? 0, version)
        case .subscribers(let counts): lanes[index].subscribers = counts
        case .heads(let heads):
            for head in heads { missed(head.place, through: head.offset, nil, on: index, at: now, ledger: ledger) }
        case .fetch(let place, let after): serve(place, after: after, on: index)
        case .lost(let place, let offsets): lost(place, offsets, on: index, ledger: ledger)
        case .fetched(let place): fetched(place, on: index, at: now, ledger: ledger)
        case .presence(let base, let changes): take(presence: changes, base: base, on: index, into: &effects)
        case .presenceSet(let version, let isFirst, let isLast, let entries):
            take(
                presenceSet: entries, version: version, isFirst: isFirst, isLast: isLast, on: index, into: &effects)
        case .errand(let loop, let bytes): effects.append(.errand(loop: loop, bytes, from: lanes[index].peer))
        case .mend(let run): lanes[index].waitingMend = Lane.MendService(run: run)
        case .mended(let run): answered(run, on: index)
        }
    }

    /// Takes a peer's interest, and tells it where the topics that it now gets begin for it.
    private mutating func take(
        base: UInt64, version: UInt64, added: [TopicFilter], removed: [TopicFilter], on index: Int,
        ledger: any ReplicaLedger
    ) {
        guard lanes[index].outbound.control.count < settings.maximumControlItems else {
            return lanes[index].interest.drop()
        }
        let heads = lanes[index].interest.unwanted(ledger.memoryHeads(matching: added))
        lanes[index].interest.apply(base: base, version: version, added: added, removed: removed)
        guard lanes[index].interest.version == version else { return }
        lanes[index].outbound.control.append(.interestTaken(version: version, heads: heads))
    }

    /// Begins to push own records, from memory if that holds all that the peer lacks, else from the log.
    private mutating func startPush(on index: Int, from vector: VersionVector) {
        if case .log(_, true) = lanes[index].outbound.source { lanes[index].outbound.staleReads += 1 }
        lanes[index].outbound.dropPrepared(of: own)
        let positions = vector.positions(of: own)
        lanes[index].outbound.after = positions.isEmpty ? [UInt64](repeating: 0, count: Slot.count) : positions
        let after = lanes[index].outbound.after
        lanes[index].outbound.preparedThrough = 0
        // Neither the log nor what memory has kept need hold all of the memory topics that was not sent yet.
        lanes[index].outbound.hasPassedOver = true
        if zip(after, tail.positionsBefore).allSatisfy({ $0 >= $1 }) {
            lanes[index].outbound.source = .tail(index: tail.base)
            lanes[index].outbound.ownThrough = tail.coveredFrom - 1
            lanes[index].outbound.ownDurable = tail.coveredFrom - 1
        } else {
            lanes[index].outbound.source = .log(from: 0, isReading: false)
            lanes[index].outbound.ownThrough = 0
            lanes[index].outbound.ownDurable = 0
        }
    }
}
