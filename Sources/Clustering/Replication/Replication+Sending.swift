import Model

extension Replication {
    /// Fills and sends frames to a peer while its window has room: control items first, then what was pulled, then own
    /// records.
    mutating func pump(_ index: Int, at now: MonotonicTime, into effects: inout [ReplicationEffect]) {
        guard lanes[index].isReachable else { return }
        while lanes[index].room(settings) > 0 {
            var writer = ByteWriter(reservingCapacity: 4_096)
            fill(&writer, for: index)
            guard !writer.bytes.isEmpty else { break }
            let lane = lanes[index].outbound
            let frame = Lane.SentFrame(
                sequence: lane.nextSequence, body: writer.bytes, ownThrough: lane.ownThrough, presence: lane.presenceSent)
            if lane.unreceived.isEmpty { lanes[index].outbound.lastProgress = now }
            lanes[index].outbound.nextSequence += 1
            lanes[index].outbound.unreceived.append(frame)
            lanes[index].outbound.unreceivedBytes += frame.body.count
            lanes[index].outbound.unsynced.append((frame.sequence, frame.ownThrough))
            counters.framesSent += 1
            send(frame.sequence, frame.body, on: index, at: now, into: &effects)
        }
        readOn(index, at: now, into: &effects)
    }

    /// Sends again everything after what the peer has received; to a silent peer only the first frame, as a probe.
    mutating func resend(_ index: Int, at now: MonotonicTime, into effects: inout [ReplicationEffect]) {
        let isSilent = now - lanes[index].lastHeard >= settings.stallInterval
        for frame in lanes[index].outbound.unreceived.prefix(isSilent ? 1 : .max) {
            counters.framesResent += 1
            send(frame.sequence, frame.body, on: index, at: now, into: &effects)
        }
        lanes[index].outbound.lastProgress = now
    }

    /// Sends items that may be lost, and with them the acknowledgements.
    mutating func sendUnsequenced(
        _ items: [LaneItem], on index: Int, at now: MonotonicTime, into effects: inout [ReplicationEffect]
    ) {
        var writer = ByteWriter()
        for item in items { item.encode(into: &writer, version: lanes[index].version) }
        send(0, writer.bytes, on: index, at: now, into: &effects)
    }

    private mutating func send(
        _ sequence: UInt64, _ body: [UInt8], on index: Int, at now: MonotonicTime,
        into effects: inout [ReplicationEffect]
    ) {
        let header = LaneFrame(
            version: lanes[index].version, sequence: sequence, received: lanes[index].inbound.received, durable: lanes[index].inbound.durable,
            credit: credit(on: index), items: [])
        lanes[index].outbound.owesAcknowledgement = false
        lanes[index].outbound.lastSent = now
        effects.append(.send(lanes[index].peer, header.encode() + body))
    }

    /// How much a peer may send: nothing while the disk takes nothing, or is far behind.
    private func credit(on index: Int) -> UInt64 {
        guard isAccepting, lanes[index].inbound.unsynced.count < settings.maximumUnsyncedFrames else { return 0 }
        return UInt64(max(0, min(settings.windowBytes, settings.unsyncedBytes - unsyncedBytes)))
    }

    /// Turns what the peer is owed into items, now that there is room for them.
    private mutating func settleDebts(of index: Int) {
        tellPresence(on: index)
        guard lanes[index].outbound.hasControl else { return }
        if lanes[index].outbound.owesVector { lanes[index].outbound.control.append(.vector(durable)) }
        if lanes[index].outbound.owesSubscribers {
            lanes[index].outbound.control.append(.subscribers(announcedSubscribers))
        }
        switch lanes[index].outbound.owedInterest {
        case nil: break
        case .all:
            lanes[index].outbound.control.append(
                .interest(base: 0, version: interest.version, added: interest.filters, removed: []))
        case .change(let base, let added, let removed):
            lanes[index].outbound.control.append(
                .interest(base: base, version: interest.version, added: added.sorted(), removed: removed.sorted()))
        }
        lanes[index].outbound.owesVector = false
        lanes[index].outbound.owesSubscribers = false
        lanes[index].outbound.owedInterest = nil
    }

    private mutating func fill(_ writer: inout ByteWriter, for index: Int) {
        let target = LaneFrame.targetBytes
        var taken = 0
        settleDebts(of: index)
        for item in lanes[index].outbound.control {
            guard writer.bytes.count < target else { break }
            item.encode(into: &writer, version: lanes[index].version)
            if let version = item.presenceThrough { lanes[index].outbound.presenceSent = version }
            taken += 1
        }
        lanes[index].outbound.control.removeFirst(taken)
        if lanes[index].outbound.control.isEmpty { fillFromErrands(&writer, for: index) }
        while writer.bytes.count < target, lanes[index].outbound.preparedFirst < lanes[index].outbound.prepared.count {
            let item = lanes[index].outbound.prepared[lanes[index].outbound.preparedFirst]
            guard item.needs <= lanes[index].version else { return lanes[index].isOutdated = true }
            item.encode(into: &writer, version: lanes[index].version)
            lanes[index].outbound.preparedFirst += 1
        }
        if lanes[index].outbound.preparedFirst == lanes[index].outbound.prepared.count {
            lanes[index].outbound.prepared.removeAll()
            lanes[index].outbound.preparedFirst = 0
            // Only now has everything up to here been sent: a peer that syncs a part of it has not synced it all.
            lanes[index].outbound.ownThrough = max(
                lanes[index].outbound.ownThrough, lanes[index].outbound.preparedThrough)
        }
        if lanes[index].outbound.prepared.isEmpty { fillFromTail(&writer, for: index) }
    }

    private mutating func fillFromTail(_ writer: inout ByteWriter, for index: Int) {
        guard case .tail(var position) = lanes[index].outbound.source else { return }
        guard position >= tail.base else {
            lanes[index].outbound.source = .log(from: lanes[index].outbound.ownThrough + 1, isReading: false)
            // The log has no records of memory topics.
            lanes[index].outbound.hasPassedOver = true
            return
        }
        while position < tail.end, writer.bytes.count < LaneFrame.targetBytes {
            let entry = tail[position]
            guard entry.record.needs <= lanes[index].version else {
                lanes[index].isOutdated = true
                break
            }
            position += 1
            lanes[index].outbound.ownThrough = entry.sequence
            let slot = Int(entry.record.slot.index)
            if entry.record.position == 0 {
                guard let message = entry.record.message, lanes[index].interest.wants(message.topic) else { continue }
                lanes[index].outbound.heads[message.topic] = MemoryHead(
                    topic: message.topic, partition: entry.record.partition(of: message), offset: message.offset)
            } else {
                guard entry.record.position > lanes[index].outbound.after[slot] else { continue }
                lanes[index].outbound.after[slot] = entry.record.position
            }
            LaneItem.record(entry.record).encode(into: &writer, version: lanes[index].version)
        }
        lanes[index].outbound.source = .tail(index: position)
        // A peer that has everything before has synced this too, when nothing had to be sent.
        if writer.bytes.isEmpty, lanes[index].outbound.unsynced.isEmpty, !lanes[index].isOutdated {
            lanes[index].outbound.ownDurable = max(lanes[index].outbound.ownDurable, lanes[index].outbound.ownThrough)
        }
    }

    /// Asks for the next stretch of the log, when what was read before is on its way: own records, or a peer's first
    /// pull.
    private func asksToRead(_ index: Int) -> Bool {
        lanes[index].outbound.prepared.isEmpty && lanes[index].room(settings) > 0
    }

    private mutating func readOn(_ index: Int, at now: MonotonicTime, into effects: inout [ReplicationEffect]) {
        guard asksToRead(index) else { return }
        let lane = lanes[index]
        if case .log(let from, false) = lane.outbound.source, now >= lane.outbound.heldUpUntil {
            lanes[index].outbound.source = .log(from: from, isReading: true)
            effects.append(
                .read(
                    .push(lane.peer, boot: lane.boot),
                    JournalRead(origin: own, from: from, after: lane.outbound.after, byteLimit: settings.readBytes)))
        }
        if let fetch = lane.waitingFetch, !fetch.isReading {
            lanes[index].waitingFetch!.isReading = true
            effects.append(
                .readRing(
                    lane.peer, boot: lane.boot,
                    RingRead(place: fetch.place, after: fetch.after, byteLimit: settings.readBytes)))
        }
        if let pull = lane.waitingPulls.first, !pull.isReading {
            lanes[index].waitingPulls[0].isReading = true
            effects.append(
                .read(
                    .pull(lane.peer, boot: lane.boot, pull.origin),
                    JournalRead(origin: pull.origin, from: pull.next, after: pull.after, byteLimit: settings.readBytes))
            )
        }
        readLost(index, into: &effects)
    }

    /// Reads on for what a peer has lost.
    private mutating func readLost(_ index: Int, into effects: inout [ReplicationEffect]) {
        guard let mend = lanes[index].waitingMend, !mend.isReading else { return }
        lanes[index].waitingMend!.isReading = true
        effects.append(
            .read(
                .mend(lanes[index].peer, boot: lanes[index].boot),
                JournalRead(mend.run, from: mend.next, byteLimit: settings.readBytes)))
    }

    /// Gives a peer what was read of what it has lost.
    private mutating func give(_ chunk: JournalChunk, on index: Int, _ mend: Lane.MendService) {
        for case .record(let record) in chunk.items where mend.run.holds(record) {
            lanes[index].outbound.prepared.append(.record(record))
        }
        lanes[index].waitingMend!.next = chunk.next
        lanes[index].waitingMend!.isReading = false
        // Where damage was found just now it is read on behind it.
        guard chunk.isAtEnd else { return }
        lanes[index].outbound.prepared.append(.mended(mend.run))
        lanes[index].waitingMend = nil
    }

    /// The log's answer to a read.
    package mutating func chunk(
        _ chunk: JournalChunk, for purpose: ReadPurpose, at now: MonotonicTime, ledger: any ReplicaLedger,
        into effects: inout [ReplicationEffect]
    ) {
        switch purpose {
        case .push(let peer, let boot):
            guard let index = index(of: peer), lanes[index].boot == boot,
                !passesOver(staleReadOf: index), case .log(_, true) = lanes[index].outbound.source
            else { return }
            prepare(chunk, for: index, after: \.outbound.after, ledger: ledger)
            if chunk.isHeldUp { lanes[index].outbound.heldUpUntil = now + settings.heldUpPause }
            lanes[index].outbound.preparedThrough = chunk.next - 1
            // Only the log's end tells of everything that is gone: memory has no word of it.
            if chunk.isAtEnd, let position = tail.index(from: chunk.next) {
                lanes[index].outbound.source = .tail(index: position)
            } else {
                lanes[index].outbound.source = .log(from: chunk.next, isReading: false)
            }
        case .pull(let peer, let boot, let origin):
            guard let index = index(of: peer), lanes[index].boot == boot,
                lanes[index].waitingPulls.first?.origin == origin
            else { return }
            prepare(chunk, for: index, after: \.waitingPulls[0].after, ledger: ledger)
            lanes[index].waitingPulls[0].next = chunk.next
            lanes[index].waitingPulls[0].isReading = false
            // What is damaged here the peer may get from another holder.
            if chunk.isAtEnd || chunk.isHeldUp {
                lanes[index].outbound.prepared.append(.pulled(origin))
                lanes[index].waitingPulls.removeFirst()
            }
        case .mend(let peer, let boot):
            guard let index = index(of: peer), lanes[index].boot == boot, let mend = lanes[index].waitingMend,
                mend.isReading
            else { return }
            give(chunk, on: index, mend)
        }
        flush(at: now, into: &effects)
    }

    /// A read failed: it is made again at the next occasion.
    package mutating func unreadable(_ purpose: ReadPurpose) {
        switch purpose {
        case .push(let peer, let boot):
            guard let index = index(of: peer), lanes[index].boot == boot, !passesOver(staleReadOf: index),
                case .log(let from, true) = lanes[index].outbound.source
            else { return }
            lanes[index].outbound.source = .log(from: from, isReading: false)
        case .pull(let peer, let boot, let origin):
            guard let index = index(of: peer), lanes[index].boot == boot,
                lanes[index].waitingPulls.first?.origin == origin
            else { return }
            lanes[index].waitingPulls[0].isReading = false
        case .mend(let peer, let boot):
            guard let index = index(of: peer), lanes[index].boot == boot else { return }
            lanes[index].waitingMend?.isReading = false
        }
    }

    /// Whether an answer is one to a question from before the push began anew.
    private mutating func passesOver(staleReadOf index: Int) -> Bool {
        guard lanes[index].outbound.staleReads > 0 else { return false }
        lanes[index].outbound.staleReads -= 1
        return true
    }

    private mutating func prepare(
        _ chunk: JournalChunk, for index: Int, after: WritableKeyPath<Lane, [UInt64]>, ledger: any ReplicaLedger
    ) {
        if chunk.needsSnapshot {
            counters.snapshotsSent += 1
            for item in Self.snapshot(of: ledger.registry) { lanes[index].outbound.prepared.append(item) }
        }
        for item in chunk.items {
            switch item {
            case .record(let record):
                // What was read before a lane began anew may lie before what it has by now.
                guard record.position > lanes[index][keyPath: after][Int(record.slot.index)] else { continue }
                lanes[index][keyPath: after][Int(record.slot.index)] = record.position
                lanes[index].outbound.prepared.append(.record(record))
            case .absent(let run):
                lanes[index][keyPath: after][Int(run.slot.index)] = run.to
                lanes[index].outbound.prepared.append(.absent(run))
            }
        }
    }

    /// The registry, retold as records without positions.
    private static func snapshot(of registry: Registry) -> [LaneItem] {
        var items: [LaneItem] = []
        for (node, member) in registry.members.sorted(by: { $0.key < $1.key }) {
            items.append(retold(.member(MemberRecord(node: node, name: member.name)), member.stamp))
        }
        for (_, departure) in registry.departed.sorted(by: { $0.key < $1.key }) {
            items.append(retold(.departure(departure.record), departure.stamp))
        }
        for (id, entry) in registry.schedules.sorted(by: { $0.key < $1.key }) {
            items.append(retold(.schedule(entry.retold(id: id)), entry.stamp))
        }
        for entry in registry.sortedEntries {
            for (change, stamp) in entry.retold { items.append(retold(.topic(change), stamp)) }
        }
        return items
    }

    private static func retold(_ body: Record.Body, _ stamp: Stamp) -> LaneItem {
        .record(Record(origin: stamp.origin, slot: .system, position: 0, time: stamp.time, seen: 0, body: body))
    }
}
