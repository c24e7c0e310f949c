import Model

/// Replication by journals: this node pushes its own to every peer, and pulls what it lacks of origins that do not
/// push.
///
/// A pure core. The owner tells it what was sequenced here, what is synced, what came over the bus and what time it is,
/// and does what it asks for.
package struct Replication {
    let settings: ReplicationSettings
    let own: Origin
    /// The lanes, in the order of their peers.
    var lanes: [Lane] = []
    /// What is synced here.
    var durable: VersionVector
    var durableThrough: UInt64
    /// Sequenced, and not yet synced.
    var unsynced: [(sequence: UInt64, origin: Origin, slot: Slot, position: UInt64, bytes: Int)] = []
    var unsyncedBytes = 0
    /// Runs that were passed over, and count once everything up to the local sequence is synced.
    var skipped: [(sequence: UInt64, run: AbsentRun)] = []
    var tail: RecordTail
    var lastOwn: UInt64
    var replicatedThrough: UInt64 = 0
    var pulls: [Origin: Pull] = [:]
    /// What the log has lost and holders are asked for.
    var wants: [Want] = []
    /// What came of it and is not handed to the log yet.
    var regained: [Record] = []
    var interest = LocalInterest()
    /// The last version of this node's interest that each peer has forwarded by, in any of its runs.
    var forwarding: [NodeID: UInt64] = [:]
    /// What is missing of memory topics, by origin.
    var missing: [NodeID: MissingTails] = [:]
    /// Who is there and who types on this node.
    var presence = LocalPresence()
    /// Who waits until every reachable member has taken what was announced up to a version.
    var unconfirmedAnnouncements: [(loop: Int, id: UInt64, version: UInt64)] = []
    /// The peers that membership holds alive.
    var living: Set<NodeID> = []
    /// Counts what may have changed ``livingPeers``.
    package internal(set) var peersVersion: UInt64 = 0
    var subscribers: [TopicName: UInt64] = [:]
    var subscribersVersion: UInt64 = 0
    /// Members by the registry, as of the last ``advance(to:ledger:into:)``; at least this node.
    var members = 1
    /// Nodes that are members no more by the registry, as of the same moment: what they hold does not count.
    var uncounted: Set<NodeID> = []
    /// Those of them with which there is no lane any more, and of which nothing is taken.
    var departed: Set<NodeID> = []
    var lastAdvance = MonotonicTime.zero
    /// Whether the disk takes records; while not, peers get no credit.
    package var isAccepting = true
    package internal(set) var counters = ReplicationCounters()

    /// A pull of this node's.
    struct Pull {
        let holder: NodeID
        /// When it last brought something new, or began.
        var lastRecord: MonotonicTime
        /// Whether it brought anything.
        var hasGiven = false
    }

    /// - Parameters:
    ///   - vector: what the log held at the start, all of it synced.
    ///   - sequence: the last local sequence given at the start.
    package init(settings: ReplicationSettings, own: Origin, vector: VersionVector, sequence: UInt64, members: Int) {
        self.settings = settings
        self.own = own
        durable = vector
        durableThrough = sequence
        lastOwn = sequence
        tail = RecordTail(limit: settings.tailBytes, coveredFrom: sequence + 1, positions: vector.positions(of: own))
        self.members = members
    }

    // MARK: What the owner tells

    /// A session with a peer's process is open. A process met before keeps its lane.
    ///
    /// - Parameter version: the version of the lane format that both ends speak.
    package mutating func opened(
        _ peer: NodeID, boot: Boot, version: UInt8 = LaneFrame.formatVersion, at now: MonotonicTime,
        into effects: inout [ReplicationEffect]
    ) {
        guard !departed.contains(peer) else { return }
        let index = lanes.firstIndex { $0.peer >= peer } ?? lanes.count
        let isMet = index < lanes.count && lanes[index].peer == peer
        if isMet, lanes[index].boot == boot { return }
        var lane = Lane(peer: peer, boot: boot, version: version, at: now)
        lane.outbound.control = [.start(durable, epoch: own.epoch)]
        if isMet { dropPresence(of: index, into: &effects) }
        peersVersion += 1
        if isMet { lanes[index] = lane } else { lanes.insert(lane, at: index) }
        pulls = pulls.filter { $0.value.holder != peer }
        missing[peer]?.askedAt = nil
        askAnew(peer)
        flush(at: now, into: &effects)
    }

    /// Nodes are members no more, by the registry. What was waited for from them is sought elsewhere.
    package mutating func depart(
        _ nodes: Set<NodeID>, at now: MonotonicTime, into effects: inout [ReplicationEffect]
    ) {
        guard !nodes.isSubset(of: departed) else { return }
        // Whatever a lane's end means to others happens first, as if the peer had died.
        for node in nodes.sorted() { reachable(node, false, at: now, into: &effects) }
        departed.formUnion(nodes)
        peersVersion += 1
        lanes.removeAll { departed.contains($0.peer) }
        pulls = pulls.filter { !departed.contains($0.value.holder) }
        for node in nodes {
            forwarding[node] = nil
            missing[node]?.askedAt = nil
        }
        confirmInterest(into: &effects)
        flush(at: now, into: &effects)
    }

    /// Membership believes that a peer lives, or that it does not.
    package mutating func reachable(
        _ peer: NodeID, _ isReachable: Bool, at now: MonotonicTime, into effects: inout [ReplicationEffect]
    ) {
        if isReachable { living.insert(peer) } else { living.remove(peer) }
        peersVersion += 1
        guard let index = index(of: peer) else { return }
        if !isReachable { dropPresence(of: index, into: &effects) }
        guard lanes[index].isReachable != isReachable else { return }
        lanes[index].isReachable = isReachable
        if !isReachable {
            lanes[index].interest.drop()
            lanes[index].subscribers = [:]
            dropErrands(of: index)
            pulls = pulls.filter { $0.value.holder != peer }
        }
        confirmInterest(into: &effects)
    }

    /// Records were sequenced here, this node's own or peers'.
    package mutating func sequenced(
        _ batch: [Sequenced], at now: MonotonicTime, into effects: inout [ReplicationEffect]
    ) {
        for entry in batch {
            let record = entry.record
            let bytes = RecordTail.cost(of: record)
            unsynced.append((entry.sequence, record.origin, record.slot, record.position, bytes))
            unsyncedBytes += bytes
            guard record.origin == own else { continue }
            tail.append(entry)
            lastOwn = entry.sequence
        }
        flush(at: now, into: &effects)
    }

    /// Everything up to a local sequence is synced.
    package mutating func synced(
        through sequence: UInt64, at now: MonotonicTime, into effects: inout [ReplicationEffect]
    ) {
        durableThrough = max(durableThrough, sequence)
        let done = unsynced.prefix { $0.sequence <= sequence }
        for entry in done {
            durable.advance(entry.origin, entry.slot, to: entry.position)
            unsyncedBytes -= entry.bytes
        }
        unsynced.removeFirst(done.count)
        let passed = skipped.prefix { $0.sequence <= sequence }
        for entry in passed { durable.advance(entry.run.origin, entry.run.slot, to: entry.run.to) }
        skipped.removeFirst(passed.count)
        for index in lanes.indices { lanes[index].synced(through: sequence) }
        flush(at: now, into: &effects)
    }

    // MARK: What the owner asks

    /// When ``advance(to:ledger:into:)`` wants to be called, however often anything else is.
    package func nextDeadline(after now: MonotonicTime) -> MonotonicTime {
        lanes.isEmpty ? .distantFuture : lastAdvance + settings.pulseInterval / 2
    }

    /// Whether there is a peer that takes this node's records.
    package var hasLanes: Bool { !lanes.isEmpty }

    /// Everything that is synced here.
    package var durableVector: VersionVector { durable }

    /// The last local sequence that is synced here.
    package var syncedThrough: UInt64 { durableThrough }

    /// How far each peer is behind this node's own records, and how long it has been silent.
    package func lag(of peer: NodeID, at now: MonotonicTime) -> LaneStatus? {
        guard let index = index(of: peer) else { return nil }
        let outbound = lanes[index].outbound
        return LaneStatus(
            isConnected: now - lanes[index].lastHeard < settings.stallInterval, version: lanes[index].version,
            holdsTheSame: lanes[index].sameDigestAt.map { now - $0 < settings.stallInterval } ?? false,
            lag: lastOwn > outbound.ownDurable ? lastOwn - outbound.ownDurable : 0,
            unreceivedBytes: outbound.unreceivedBytes)
    }

    /// How many bytes of a peer's memory topics are kept until what lies before them has come.
    package func earlyBytes(of peer: NodeID) -> Int { missing[peer]?.earlyBytes ?? 0 }

    /// How many subscribers reachable peers have for a topic.
    package func remoteSubscribers(of topic: TopicName) -> UInt64 {
        lanes.reduce(0) { $0 + ($1.subscribers[topic] ?? 0) }
    }

    /// The present runs of the peers that are held alive and have said which run they are, in order.
    package var livingPeers: [Origin] {
        lanes.compactMap { lane in
            guard lane.isReachable, living.contains(lane.peer), let epoch = lane.epoch else { return nil }
            return Origin(node: lane.peer, epoch: epoch)
        }
    }

    func index(of peer: NodeID) -> Int? { lanes.firstIndex { $0.peer == peer } }

    /// Sends on every lane what it may, then acknowledgements that nothing carried, then tells what became replicated.
    mutating func flush(at now: MonotonicTime, into effects: inout [ReplicationEffect]) {
        for index in lanes.indices {
            let wasOutdated = lanes[index].isOutdated
            pump(index, at: now, into: &effects)
            if lanes[index].isOutdated, !wasOutdated {
                effects.append(.outdated(lanes[index].peer, version: lanes[index].version))
            }
        }
        for index in lanes.indices where lanes[index].outbound.owesAcknowledgement {
            sendUnsequenced([], on: index, at: now, into: &effects)
        }
        settleReplicated(into: &effects)
    }

    private mutating func settleReplicated(into effects: inout [ReplicationEffect]) {
        let replicas = min(settings.replicas, max(members, settings.minimumMembers))
        let peersNeeded = replicas / 2
        var through = durableThrough
        if peersNeeded > 0 {
            let marks = lanes.filter { !uncounted.contains($0.peer) }.map(\.outbound.ownDurable).sorted(by: >)
            through = marks.count < peersNeeded ? 0 : min(durableThrough, marks[peersNeeded - 1])
        }
        guard through > replicatedThrough else { return }
        replicatedThrough = through
        effects.append(.replicated(through: through))
    }
}

/// The state of a lane, for operators.
package struct LaneStatus: Equatable, Sendable {
    /// Whether the peer was heard within the stall interval.
    package let isConnected: Bool
    /// The version of the lane format that both ends speak.
    package let version: UInt8
    /// Whether the peer lately showed that of what no lane pushes it holds the same as this node, all of it synced.
    package let holdsTheSame: Bool
    /// Local sequences between this node's last own record and what the peer has synced of them.
    package let lag: UInt64
    package let unreceivedBytes: Int
}
