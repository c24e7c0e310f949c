import Model

// Who is there, and who types: announced by the node that they are attached to, kept by every other for as long as
// membership holds that node alive.
extension Replication {
    // MARK: This node's own

    /// Loops' clients came, went or changed.
    package mutating func announced(
        _ changes: [PresenceChange], at now: MonotonicTime, into effects: inout [ReplicationEffect]
    ) {
        var shifts: [PresenceShift] = []
        for change in changes {
            guard let (what, entry) = presence.apply(change) else { continue }
            shifts.append(shift(what, change.key, entry, of: own.node))
        }
        guard !shifts.isEmpty else { return }
        effects.append(.presence(shifts))
        flush(at: now, into: &effects)
    }

    /// Puts what a peer lacks of this node's set into its lane: the changes, or the whole set where they are no longer
    /// all kept.
    mutating func tellPresence(on index: Int) {
        // A peer of an earlier version has no words for it.
        guard lanes[index].version >= WireVersions.presence else { return }
        let told = lanes[index].outbound.presenceTold
        guard told < presence.version, lanes[index].outbound.control.count < settings.maximumControlItems else {
            return
        }
        lanes[index].outbound.presenceTold = presence.version
        if told > 0, let changes = presence.changes(after: told) {
            var base = told
            let version = lanes[index].version
            for part in Self.parts(changes.map { $0.inWords(of: version) }, size: { $0.wireSize }) {
                lanes[index].outbound.control.append(.presence(base: base, part))
                base += UInt64(part.count)
            }
            return
        }
        let entries = presence.set.sorted.filter { $0.key.place.kind.needs <= lanes[index].version }
        let parts = Self.parts(entries) { $0.key.wireSize + $0.entry.wireSize }
        for (number, part) in parts.enumerated() {
            lanes[index].outbound.control.append(
                .presenceSet(
                    version: presence.version, isFirst: number == 0, isLast: number == parts.count - 1, part))
        }
    }

    /// A peer has dropped this node's set, because it held it dead: tell it all again.
    mutating func retellPresence(on index: Int, at now: MonotonicTime) {
        if let last = lanes[index].outbound.lastPresenceRetold, now - last < settings.vectorInterval { return }
        lanes[index].outbound.lastPresenceRetold = now
        lanes[index].outbound.presenceTold = 0
        lanes[index].outbound.presenceReceived = 0
    }

    /// Runs that fit an item each; one, empty, for nothing.
    private static func parts<Element>(_ elements: [Element], size: (Element) -> Int) -> [[Element]] {
        var parts: [[Element]] = [[]]
        var bytes = 0
        for element in elements {
            if !parts[parts.count - 1].isEmpty, bytes + size(element) > LaneItem.presenceBytes {
                parts.append([])
                bytes = 0
            }
            parts[parts.count - 1].append(element)
            bytes += size(element)
        }
        return parts
    }

    /// Answers with `interestConfirmed` when every reachable member has taken all that was announced before.
    package mutating func confirmAnnouncements(
        loop: Int, id: UInt64, at now: MonotonicTime, into effects: inout [ReplicationEffect]
    ) {
        unconfirmedAnnouncements.append((loop, id, presence.version))
        flush(at: now, into: &effects)
        confirmAnnouncements(into: &effects)
    }

    mutating func confirmAnnouncements(into effects: inout [ReplicationEffect]) {
        guard !unconfirmedAnnouncements.isEmpty else { return }
        let concerned = lanes.filter { $0.isReachable && $0.epoch != nil && $0.version >= WireVersions.presence }
        let confirmed = concerned.map(\.outbound.presenceReceived).min() ?? .max
        // They stand in the order of their versions.
        let done = unconfirmedAnnouncements.prefix { $0.version <= confirmed }
        for entry in done { effects.append(.interestConfirmed(loop: entry.loop, id: entry.id)) }
        unconfirmedAnnouncements.removeFirst(done.count)
    }

    // MARK: Peers'

    /// Takes what a peer announces; nothing of one that membership does not hold alive, since nobody would say when it
    /// has died.
    mutating func take(
        presence changes: [PresenceChange], base: UInt64, on index: Int, into effects: inout [ReplicationEffect]
    ) {
        guard living.contains(lanes[index].peer), let following = lanes[index].presence.apply(changes, base: base)
        else {
            return
        }
        note(following, on: index, into: &effects)
    }

    mutating func take(
        presenceSet entries: [(key: PresenceKey, entry: PresenceEntry)], version: UInt64, isFirst: Bool, isLast: Bool,
        on index: Int, into effects: inout [ReplicationEffect]
    ) {
        guard living.contains(lanes[index].peer) else { return }
        let changes = lanes[index].presence.receive(entries, version: version, isFirst: isFirst, isLast: isLast)
        note(changes, on: index, into: &effects)
    }

    /// The peer is held dead, or has another process: nobody is there any more.
    mutating func dropPresence(of index: Int, into effects: inout [ReplicationEffect]) {
        // One by one, so that each is told how many are left.
        let gone = lanes[index].presence.set.sorted.map { PresenceChange.remove($0.key) }
        note(gone, on: index, into: &effects)
        lanes[index].presence = PeerPresence()
    }

    private mutating func note(
        _ changes: [PresenceChange], on index: Int, into effects: inout [ReplicationEffect]
    ) {
        var shifts: [PresenceShift] = []
        for change in changes {
            guard let (what, entry) = lanes[index].presence.take(change) else { continue }
            shifts.append(shift(what, change.key, entry, of: lanes[index].peer))
        }
        if !shifts.isEmpty { effects.append(.presence(shifts)) }
    }

    private func shift(
        _ what: PresenceEvent.What, _ key: PresenceKey, _ entry: PresenceEntry, of node: NodeID
    ) -> PresenceShift {
        let count = lanes.reduce(presence.set.count(of: key.place)) { $0 + $1.presence.set.count(of: key.place) }
        return PresenceShift(what: what, key: key, entry: entry, node: node, count: count)
    }

    // MARK: Asking

    /// Who is there in a topic, by node; unordered.
    package func members(of topic: TopicName) -> [(node: NodeID, connection: String, entry: PresenceEntry)] {
        let place = PresencePlace(kind: .member, topic: topic)
        let ours = presence.set.entries(of: place).map { (own.node, $0.key, $0.value) }
        return lanes.reduce(ours) { found, lane in
            found + lane.presence.set.entries(of: place).map { (lane.peer, $0.key, $0.value) }
        }
    }

    /// How many are there in a topic.
    package func memberCount(of topic: TopicName) -> Int {
        let place = PresencePlace(kind: .member, topic: topic)
        return lanes.reduce(presence.set.count(of: place)) { $0 + $1.presence.set.count(of: place) }
    }

    /// How many entries this node has, its own and those of peers.
    package var presenceCounts: (own: Int, peers: Int) {
        (presence.set.count, lanes.reduce(0) { $0 + $1.presence.set.count })
    }
}

/// What a change of somebody's presence came to, on this node or another.
package struct PresenceShift: Sendable {
    package let what: PresenceEvent.What
    package let key: PresenceKey
    package let entry: PresenceEntry
    package let node: NodeID
    /// How many entries the place has on all nodes, after this.
    package let count: Int
}

extension PresenceChange {
    /// The change as a version of the lane format can say it: what it has no words for becomes a removal of nothing, so that
    /// both sides count the same changes.
    fileprivate func inWords(of version: UInt8) -> PresenceChange {
        guard key.place.kind.needs > version else { return self }
        return .remove(PresenceKey(.typing, in: key.place.topic, connection: ""))
    }

    /// About how many bytes it takes on the wire.
    fileprivate var wireSize: Int {
        switch self {
        case .set(let key, let entry): key.wireSize + entry.wireSize
        case .remove(let key): key.wireSize
        }
    }
}

extension PresenceKey {
    fileprivate var wireSize: Int { place.topic.text.utf8.count + connection.utf8.count + 6 }
}

extension PresenceEntry {
    fileprivate var wireSize: Int { user.utf8.count + state.count + 12 }
}
