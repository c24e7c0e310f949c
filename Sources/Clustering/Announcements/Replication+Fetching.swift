import Model

// Records of memory topics take no positions, so no journal shows that some are missing. Offsets do: a record that does
// not follow the last one, or a head above it, is noted, and what lies below is fetched from the origin's ring.
extension Replication {
    // MARK: The subscribers' node

    /// Notes that a peer's share of a memory topic goes on to an offset, and keeps the record that showed it.
    mutating func missed(
        _ place: MemoryPlace, through head: UInt64, _ record: Record?, on index: Int, at now: MonotonicTime,
        ledger: any ReplicaLedger
    ) {
        let peer = lanes[index].peer
        guard head > 0, place.partition.origin.node == peer, place.partition.origin.epoch == lanes[index].epoch else {
            return
        }
        if let held = ledger.memoryHead(of: place), head <= held { return }
        guard missing[peer, default: MissingTails()].note(place, head: head, limit: settings.maximumMissingTails) else {
            return ledger.raise([MemoryHead(topic: place.topic, partition: place.partition, offset: head)])
        }
        if let record {
            missing[peer]!.keep(record, at: head, of: place, limit: settings.earlyBytes)
        }
        ask(peer, at: now, ledger: ledger)
    }

    /// Takes the heads of topics that a peer forwards from now on. Where it forwarded them before, what lies below is
    /// missing; else it came before the first subscriber.
    mutating func begin(_ heads: [MemoryHead], on index: Int, at now: MonotonicTime, ledger: any ReplicaLedger) {
        let confirmed = forwarding[lanes[index].peer] ?? 0
        var fresh: [MemoryHead] = []
        for head in heads {
            if let since = interest.version(since: head.topic), since <= confirmed {
                missed(head.place, through: head.offset, nil, on: index, at: now, ledger: ledger)
            } else {
                fresh.append(head)
            }
        }
        ledger.raise(fresh)
    }

    /// The ring has no more of these offsets: whoever waits for them is told.
    mutating func lost(_ place: MemoryPlace, _ offsets: ClosedRange<UInt64>, on index: Int, ledger: any ReplicaLedger) {
        guard missing[lanes[index].peer]?.tails[place] != nil, let held = ledger.memoryHead(of: place),
            offsets.lowerBound - 1 <= held
        else { return }
        ledger.raise([MemoryHead(topic: place.topic, partition: place.partition, offset: offsets.upperBound)])
    }

    /// A peer has given what it could of a share.
    mutating func fetched(_ place: MemoryPlace, on index: Int, at now: MonotonicTime, ledger: any ReplicaLedger) {
        let peer = lanes[index].peer
        guard let tail = missing[peer]?.tails[place] else { return }
        let early = missing[peer]!.takeEarly(of: place)
        let held = ledger.memoryHead(of: place) ?? 0
        let following = early.drop { $0.message.map { $0.offset <= held } ?? true }
        if let first = following.first?.message?.offset, first - held == 1 {
            _ = ledger.admit(Array(following))
        } else {
            for record in following {
                missing[peer]!.keep(record, at: record.message?.offset ?? 0, of: place, limit: settings.earlyBytes)
            }
        }
        if let held = ledger.memoryHead(of: place), held >= tail.head {
            missing[peer]!.remove(place)
        } else {
            missing[peer]!.rotate()
        }
        ask(peer, at: now, ledger: ledger)
    }

    /// Asks for the next share, where none is asked for.
    private mutating func ask(_ peer: NodeID, at now: MonotonicTime, ledger: any ReplicaLedger) {
        guard let index = index(of: peer), lanes[index].isReachable, missing[peer]?.askedAt == nil,
            lanes[index].outbound.control.count < settings.maximumControlItems
        else { return }
        for _ in 0..<(missing[peer]?.queue.count ?? 0) {
            let place = missing[peer]!.queue.first!
            missing[peer]!.begin(place, until: now + settings.fetchPatience)
            // What this node does not know yet cannot be taken in: its creation is still on the way.
            guard let held = ledger.memoryHead(of: place) else {
                missing[peer]!.rotate()
                continue
            }
            missing[peer]!.askedAt = now
            counters.fetches += 1
            lanes[index].outbound.control.append(.fetch(place, after: held))
            return
        }
    }

    /// Asks again, and gives up what its origin can give no more or did not give in time.
    mutating func advanceFetches(at now: MonotonicTime, ledger: any ReplicaLedger) {
        for peer in missing.keys.sorted() {
            let lane = index(of: peer).map { lanes[$0] }
            for place in missing[peer]!.queue {
                let tail = missing[peer]!.tails[place]!
                if let held = ledger.memoryHead(of: place), held >= tail.head {
                    missing[peer]!.remove(place)
                    continue
                }
                let isGone = lane?.isReachable != true || lane?.epoch != place.partition.origin.epoch
                if isGone || now >= tail.deadline ?? .distantFuture { giveUp(place, of: peer, ledger: ledger) }
            }
            if let askedAt = missing[peer]!.askedAt, now - askedAt >= settings.stallInterval { missing[peer]!.rotate() }
            ask(peer, at: now, ledger: ledger)
            if missing[peer]!.isEmpty { missing[peer] = nil }
        }
    }

    /// Tells what is missing of a share as lost, but for what came early.
    private mutating func giveUp(_ place: MemoryPlace, of peer: NodeID, ledger: any ReplicaLedger) {
        guard let tail = missing[peer]?.tails[place] else { return }
        counters.fetchesGivenUp += 1
        func raise(to offset: UInt64) {
            ledger.raise([MemoryHead(topic: place.topic, partition: place.partition, offset: offset)])
        }
        for record in tail.early {
            guard let message = record.message else { continue }
            raise(to: message.offset - 1)
            _ = ledger.admit([record])
        }
        raise(to: tail.head)
        missing[peer]!.remove(place)
    }

    // MARK: The origin

    /// Reads the ring for a peer; one read at a time, the newest asked for.
    mutating func serve(_ place: MemoryPlace, after: UInt64, on index: Int) {
        guard place.partition.origin == own else { return }
        lanes[index].waitingFetch = Lane.FetchService(place: place, after: after)
    }

    /// The ring's answer to a read.
    package mutating func ring(
        _ chunk: RingChunk, for peer: NodeID, boot: Boot, at now: MonotonicTime, into effects: inout [ReplicationEffect]
    ) {
        guard let index = index(of: peer), lanes[index].boot == boot, let fetch = lanes[index].waitingFetch,
            fetch.isReading, fetch.place == chunk.place
        else { return }
        lanes[index].waitingFetch = nil
        for item in chunk.items {
            switch item {
            case .record(let record): lanes[index].outbound.prepared.append(.record(record))
            case .lost(let offsets): lanes[index].outbound.prepared.append(.lost(chunk.place, offsets))
            }
        }
        lanes[index].outbound.prepared.append(.fetched(chunk.place))
        flush(at: now, into: &effects)
    }

    /// Tells a peer the heads that changed since it was last told, of topics that it wants: those of which everything
    /// was sent to it, and all when something was passed over.
    mutating func tellHeads(on index: Int, ledger: any ReplicaLedger) {
        guard lanes[index].isReachable, lanes[index].interest.version > 0,
            lanes[index].outbound.control.count < settings.maximumControlItems
        else { return }
        if lanes[index].outbound.hasPassedOver, case .tail = lanes[index].outbound.source {
            lanes[index].outbound.hasPassedOver = false
            for head in ledger.memoryHeads(matching: lanes[index].interest.filters.sorted()) {
                lanes[index].outbound.heads[head.place.topic] = head
            }
        }
        guard !lanes[index].outbound.heads.isEmpty else { return }
        let heads = lanes[index].outbound.heads.values.sorted { $0.topic < $1.topic }
            .filter { lanes[index].interest.wants($0.topic) }
        lanes[index].outbound.heads.removeAll()
        for start in stride(from: 0, to: heads.count, by: LaneItem.maximumHeads) {
            let end = min(heads.count, start + LaneItem.maximumHeads)
            lanes[index].outbound.control.append(.heads(Array(heads[start..<end])))
        }
    }
}

extension MemoryHead {
    var place: MemoryPlace { MemoryPlace(topic: topic, partition: partition) }
}
