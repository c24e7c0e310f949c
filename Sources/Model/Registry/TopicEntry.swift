/// Everything that the cluster knows of one topic name: a lattice whose merge is commutative, associative and
/// idempotent.
///
/// The highest ended generation ends all before it. Within a generation the earliest creation by (time, origin) fixes
/// owner, kind and durability, and the settings are those of the greatest (revision, time, origin).
package struct TopicEntry: Equatable, Sendable {
    package let name: TopicName
    /// The highest generation that was destroyed; 0 for none.
    package private(set) var ended: UInt32
    /// What is known of generations after `ended`, in their order.
    package private(set) var generations: [Generation]

    /// What is known of one generation.
    package struct Generation: Equatable, Sendable {
        package let number: UInt32
        package var creation: Creation?
        package var settings: Settings?
    }

    /// The part of a creation that never changes.
    package struct Creation: Equatable, Sendable {
        package let stamp: Stamp
        package let kind: TopicDefinition.Kind
        package let durability: TopicDefinition.Durability
        package let owner: String
        package let groups: [String]
    }

    /// Settings with what orders them.
    package struct Settings: Equatable, Sendable {
        package let revision: UInt64
        package let stamp: Stamp
        package let value: TopicSettings
    }

    package init(name: TopicName) {
        self.name = name
        ended = 0
        generations = []
    }

    /// The generation in use, nil where the topic does not exist.
    package var live: TopicDefinition? {
        for generation in generations {
            guard let creation = generation.creation, let settings = generation.settings else { continue }
            return TopicDefinition(
                name: name, generation: generation.number, kind: creation.kind, durability: creation.durability,
                owner: creation.owner, groups: creation.groups, created: creation.stamp.time,
                creator: creation.stamp.origin, settings: settings.value)
        }
        return nil
    }

    /// The changes, each with its own stamp, that make a fresh entry equal to this one: what a snapshot retells.
    package var retold: [(change: TopicChange, stamp: Stamp)] {
        var changes: [(change: TopicChange, stamp: Stamp)] = []
        if ended > 0 {
            let nobody = Origin(node: NodeID(rawValue: 0), epoch: Epoch(rawValue: 0))
            changes.append((.destroyed(name, generation: ended), Stamp(time: .zero, origin: nobody)))
        }
        for generation in generations {
            if let creation = generation.creation {
                let settings = generation.settings.flatMap { $0.stamp == creation.stamp ? $0.value : nil }
                changes.append((
                    .created(
                        name, generation: generation.number, kind: creation.kind, durability: creation.durability,
                        owner: creation.owner, groups: creation.groups, settings: settings ?? TopicSettings()),
                    creation.stamp))
            }
            if let settings = generation.settings, settings.stamp != generation.creation?.stamp {
                changes.append((
                    .changed(
                        name, generation: generation.number, revision: settings.revision, settings: settings.value),
                    settings.stamp))
            }
        }
        return changes
    }

    /// The generation that a creation would take.
    package var nextGeneration: UInt32 { ended + 1 }

    /// The revision of the settings in use; 0 where there are none.
    package var revision: UInt64 { generations.first { $0.creation != nil }?.settings?.revision ?? 0 }

    package mutating func merge(_ change: TopicChange, stamp: Stamp) {
        switch change {
        case .created(_, let number, let kind, let durability, let owner, let groups, let settings):
            merge(Generation(
                number: number,
                creation: Creation(stamp: stamp, kind: kind, durability: durability, owner: owner, groups: groups),
                settings: Settings(revision: 0, stamp: stamp, value: settings)))
        case .changed(_, let number, let revision, let settings):
            merge(Generation(
                number: number, creation: nil, settings: Settings(revision: revision, stamp: stamp, value: settings)))
        case .destroyed(_, let number): end(number)
        }
    }

    package mutating func merge(_ other: TopicEntry) {
        end(other.ended)
        for generation in other.generations { merge(generation) }
    }

    /// Puts back what a checkpoint kept.
    mutating func restore(ended: UInt32, generations: [Generation]) {
        self.ended = ended
        self.generations = generations
    }

    private mutating func end(_ number: UInt32) {
        ended = max(ended, number)
        generations.removeAll { $0.number <= ended }
    }

    private mutating func merge(_ other: Generation) {
        guard other.number > ended else { return }
        guard let index = generations.firstIndex(where: { $0.number >= other.number }) else {
            generations.append(other)
            return
        }
        guard generations[index].number == other.number else {
            generations.insert(other, at: index)
            return
        }
        if let creation = other.creation, generations[index].creation.map({ creation.stamp < $0.stamp }) ?? true {
            generations[index].creation = creation
        }
        if let settings = other.settings,
            generations[index].settings.map({ ($0.revision, $0.stamp) < (settings.revision, settings.stamp) }) ?? true
        {
            generations[index].settings = settings
        }
    }
}

/// When and by whom something was written; no two records share one.
package struct Stamp: Hashable, Comparable, Sendable {
    package let time: HybridTime
    package let origin: Origin

    package init(time: HybridTime, origin: Origin) {
        self.time = time
        self.origin = origin
    }

    package static func < (left: Stamp, right: Stamp) -> Bool { (left.time, left.origin) < (right.time, right.origin) }
}
