import Model

/// What one node announces of who is there and who types.
struct PresenceSet: Equatable {
    private var places: [PresencePlace: [String: PresenceEntry]] = [:]
    private(set) var count = 0

    /// Takes a change; gives what it came to and the entry that it is about, or nil where nothing changed.
    mutating func apply(_ change: PresenceChange) -> (what: PresenceEvent.What, entry: PresenceEntry)? {
        let key = change.key
        switch change {
        case .set(_, let entry):
            let replaced = places[key.place, default: [:]].updateValue(entry, forKey: key.connection)
            if replaced == nil { count += 1 }
            return replaced == entry ? nil : (replaced == nil ? .joined : .updated, entry)
        case .remove:
            guard let removed = places[key.place]?.removeValue(forKey: key.connection) else { return nil }
            if places[key.place]?.isEmpty == true { places[key.place] = nil }
            count -= 1
            return (.left, removed)
        }
    }

    func entries(of place: PresencePlace) -> [String: PresenceEntry] { places[place] ?? [:] }

    func count(of place: PresencePlace) -> Int { places[place]?.count ?? 0 }

    subscript(key: PresenceKey) -> PresenceEntry? { places[key.place]?[key.connection] }

    /// Everything, in the order of the keys.
    var sorted: [(key: PresenceKey, entry: PresenceEntry)] {
        places.flatMap { place, entries in
            entries.map { (PresenceKey(place.kind, in: place.topic, connection: $0.key), $0.value) }
        }.sorted { $0.key < $1.key }
    }

    /// The changes that make this set into another, in the order of the keys.
    func changes(to other: PresenceSet) -> [PresenceChange] {
        let gone = sorted.filter { other[$0.key] == nil }.map { PresenceChange.remove($0.key) }
        return gone + other.sorted.filter { self[$0.key] != $0.entry }.map { .set($0.key, $0.entry) }
    }
}

/// What this node announces: a set whose version counts its changes, with the newest of them for peers that are nearly
/// up to date.
struct LocalPresence {
    /// How many changes are kept; a peer that lacks more is told the whole set.
    static let keptChanges = 16_384

    private(set) var set = PresenceSet()
    private(set) var version: UInt64 = 0
    private var changes: [PresenceChange] = []

    /// Takes a change of this node's own; nil where nothing changed.
    mutating func apply(_ change: PresenceChange) -> (what: PresenceEvent.What, entry: PresenceEntry)? {
        guard let result = set.apply(change) else { return nil }
        version += 1
        changes.append(change)
        if changes.count >= Self.keptChanges * 2 { changes.removeFirst(changes.count - Self.keptChanges) }
        return result
    }

    /// The changes after a version; nil where some of them are no longer kept.
    func changes(after version: UInt64) -> ArraySlice<PresenceChange>? {
        let missing = Int(clamping: self.version - version)
        return missing <= changes.count ? changes.suffix(missing) : nil
    }
}

/// What a peer announces, as far as this node was told.
struct PeerPresence {
    /// 0 after dropping, and before the first word.
    private(set) var version: UInt64 = 0
    private(set) var set = PresenceSet()
    /// A set that is being told whole.
    private var coming: PresenceSet?

    /// The most entries that a peer may have here; more are passed over.
    static let entryLimit = 262_144

    /// Takes changes since a version; nil where they do not follow what is here.
    mutating func apply(_ changes: [PresenceChange], base: UInt64) -> [PresenceChange]? {
        guard version > 0, base == version else { return nil }
        version += UInt64(changes.count)
        return changes
    }

    /// Takes one change over; nil where it is none.
    mutating func take(_ change: PresenceChange) -> (what: PresenceEvent.What, entry: PresenceEntry)? {
        if case .set(let key, _) = change, set.count >= Self.entryLimit, set[key] == nil { return nil }
        return set.apply(change)
    }

    /// Takes a part of the whole set; gives the changes that the last part comes to.
    mutating func receive(
        _ entries: [(key: PresenceKey, entry: PresenceEntry)], version: UInt64, isFirst: Bool, isLast: Bool
    ) -> [PresenceChange] {
        if isFirst { coming = PresenceSet() }
        guard coming != nil else { return [] }
        for (key, entry) in entries where coming!.count < Self.entryLimit { _ = coming!.apply(.set(key, entry)) }
        guard isLast, let whole = coming else { return [] }
        coming = nil
        self.version = version
        return set.changes(to: whole)
    }
}
