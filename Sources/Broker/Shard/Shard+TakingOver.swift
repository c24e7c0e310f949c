import Model

// Every node gives out its own partitions. Of an ended origin each partition is given out by one of the living, the same by
// every node's reckoning, from where the group is known to have come.

extension Shard {
    /// Which runs of other nodes are alive and reached: they give out their messages themselves.
    ///
    /// What that means for the work of those that are gone is settled when nothing has changed for ``takeoverDelay``, so that
    /// all nodes settle the same; but a node that comes and goes does not put it off for longer than ``takeoverPatience``.
    package mutating func peersChanged(_ peers: [Origin], at now: Now, into effects: inout [ShardEffect]) {
        let (before, settled) = (self.peers, settledPeers ?? [])
        self.peers = Set(peers)
        for peer in self.peers { wentAt[peer] = nil }
        for peer in before.subtracting(self.peers) where settled.contains(peer) { wentAt[peer] = now.monotonic }
        returned.formUnion(self.peers.subtracting(settled))
        if takeoverAt == .distantFuture { takeoverLimit = now.monotonic + settings.takeoverPatience }
        let due = min(now.monotonic + settings.takeoverDelay, takeoverLimit)
        takeoverAt = takeoverAt == .distantFuture ? due : max(takeoverAt, due)
        awaitGroups(until: takeoverAt)
    }

    /// Whether this node gives out a partition's messages: its own, and what others have left to it.
    func gives(_ partition: Partition, of key: GroupKey) -> Bool {
        // A run that has just been met gives out its own from its first message on.
        partition.origin == place.origin
            || !peers.contains(partition.origin) && gives(partition, of: key, among: settledPeers)
    }

    private func gives(_ partition: Partition, of key: GroupKey, among living: Set<Origin>?) -> Bool {
        let origin = partition.origin
        if origin == place.origin { return true }
        guard key.acknowledges, let living, !living.contains(origin) else { return false }
        let own = key.weight(of: place.origin.node, for: origin)
        return living.allSatisfy { peer in
            let other = key.weight(of: peer.node, for: origin)
            return (own, place.origin.node) > (other, peer.node)
        }
    }

    /// Takes over what nodes that are gone have left, and leaves to others what is no longer this node's.
    mutating func takeOver(at now: Now) {
        takeoverAt = .distantFuture
        let before = settledPeers
        var given: [GroupKey: Set<Partition>] = [:]
        for key in dispatchers.keys where key.acknowledges {
            given[key] = Set(partitions(of: key).filter { gives($0, of: key, among: before) })
        }
        settledPeers = peers.union(justGone(at: now))
        let returned = self.returned
        self.returned = []
        guard before != settledPeers || !returned.isEmpty else { return }
        // What a run that is gone has given to members here is given out again by another.
        for connection in duties.keys.sorted() {
            edit(connection) { [place, living = settledPeers ?? []] duties in
                duties.work = duties.work.filter {
                    $0.value.id.origin == place.origin || living.contains($0.value.id.origin)
                }
            }
        }
        for key in given.keys.sorted() {
            let now = Set(partitions(of: key).filter { gives($0, of: key) })
            // What a run that was here for a moment may have passed over is begun anew.
            let stale = given[key]!.filter { returned.contains($0.origin) }
            release(key, given[key]!.subtracting(now).union(stale))
            rewind(key, now.subtracting(given[key]!.subtracting(stale)))
        }
    }

    /// The settled runs that went less than the delay ago, which other changes brought before its time: they count as
    /// living until it is over.
    private mutating func justGone(at now: Now) -> [Origin] {
        let gone = wentAt.filter { $0.value + settings.takeoverDelay > now.monotonic }
        wentAt = gone
        if let first = gone.values.min() {
            takeoverAt = first + settings.takeoverDelay
            takeoverLimit = takeoverAt
            awaitGroups(until: takeoverAt)
        }
        return gone.keys.sorted()
    }

    private func partitions(of key: GroupKey) -> Set<Partition> {
        guard let dispatcher = dispatchers[key] else { return [] }
        var found = Set(dispatcher.taken.offsets.keys)
        if let topic = topicIndexes[key.topic] { found.formUnion(topics[topic]!.heads.offsets.keys) }
        return found
    }

    /// Goes back in partitions that this node gives out from now on, to where the group is known to have come.
    mutating func rewind(_ key: GroupKey, _ partitions: Set<Partition>) {
        guard !partitions.isEmpty, let record = knownGroups[key]?.record else { return }
        var offsets = dispatchers[key]!.taken.offsets
        for partition in partitions {
            offsets[partition] = record.floor(of: partition)
            dispatchers[key]!.skipped[partition] = nil
        }
        dispatchers[key]!.taken = Cursor(offsets)
        // What a read under way brings is of another place.
        dispatchers[key]!.read = nil
        if dispatchers[key]!.isLevel { fallBehind(key, after: 0) } else { dispatchers[key]!.after = 0 }
    }

    /// Lets go of what another node gives out from now on.
    private mutating func release(_ key: GroupKey, _ partitions: Set<Partition>) {
        guard !partitions.isEmpty else { return }
        for partition in partitions { dispatchers[key]!.skipped[partition] = nil }
        dispatchers[key]!.dropWaiting { partitions.contains($0) ? .max : 0 }
        for number in dispatchers[key]!.numbers(where: { partitions.contains($0.work.partition) }) {
            let session = dispatchers[key]!.flights[number]!.station.session
            _ = dispatchers[key]!.takeBack(number, from: session)
            workKeys[number] = nil
        }
    }
}
