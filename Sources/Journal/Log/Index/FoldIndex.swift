import Model

/// Which messages of a topic are copies of one message: those of one publisher and message id of which each lies within
/// the window of the next in time.
///
/// What counts as one message depends on the copies alone and not on the order in which they came, so that every node
/// comes to the same. A new copy may make two messages one, and never splits one.
struct FoldIndex: Sendable {
    /// One copy of a message.
    struct Copy: Sendable {
        var partition: Int
        let sequence: UInt64
        let offset: UInt64
        let time: HybridTime
        let origin: Origin
        /// Whether it was dropped or found damaged: it only tells what a reader has seen.
        var isGone = false

        fileprivate var stamp: Stamp { Stamp(time: time, origin: origin) }
    }

    /// What a copy is marked with now.
    struct Verdict {
        let copy: Copy
        let flags: Entry.Flags
    }

    // Keys are SipHash values of publisher and id under this process's random key: nobody can choose two that collide.
    // The copies of a key are in the order of (time, origin).
    private var groups: [Int: [Copy]] = [:]
    /// The keys of copies that are not alone, by local sequence.
    private var several: [UInt64: Int] = [:]

    /// How many keys are remembered.
    var count: Int { groups.count }

    /// Adds a copy; gives what it, and the others of its message, are to be marked with. Empty when it is alone.
    ///
    /// - Parameter isRetained: whether a copy that stood alone until now is still there.
    mutating func add(
        publisher: String, messageID: String, _ copy: Copy, window: Duration, isRetained: (Copy) -> Bool
    ) -> [Verdict] {
        var hasher = Hasher()
        hasher.combine(publisher)
        hasher.combine(messageID)
        let key = hasher.finalize()
        guard var copies = groups.removeValue(forKey: key) else {
            groups[key] = [copy]
            return []
        }
        let index = copies.lastIndex { $0.stamp < copy.stamp }.map { $0 + 1 } ?? 0
        copies.insert(copy, at: index)
        defer { groups[key] = copies }
        let cluster = Self.cluster(around: index, in: copies, window)
        guard cluster.count > 1 else { return [] }
        for index in cluster where several.updateValue(key, forKey: copies[index].sequence) == nil {
            copies[index].isGone = !isRetained(copies[index])
        }
        return Self.verdicts(on: copies[cluster])
    }

    /// All copies of the message that one at `sequence` is a copy of; empty when it is alone.
    func copies(of sequence: UInt64, window: Duration) -> ArraySlice<Copy> {
        guard let key = several[sequence], let copies = groups[key],
            let index = copies.firstIndex(where: { $0.sequence == sequence })
        else { return [] }
        return copies[Self.cluster(around: index, in: copies, window)]
    }

    /// Takes note that a copy is not retained any more, or is damaged: another takes its part.
    mutating func lose(_ sequence: UInt64, window: Duration) -> [Verdict] {
        guard let key = several[sequence], let index = groups[key]?.firstIndex(where: { $0.sequence == sequence })
        else { return [] }
        groups[key]![index].isGone = true
        let copies = groups[key]!
        let cluster = Self.cluster(around: index, in: copies, window)
        guard copies[cluster].allSatisfy(\.isGone) else { return Self.verdicts(on: copies[cluster]) }
        for copy in copies[cluster] { several[copy.sequence] = nil }
        groups[key]!.removeSubrange(cluster)
        if groups[key]!.isEmpty { groups[key] = nil }
        return []
    }

    /// Takes note that a copy which was damaged is whole again.
    mutating func regain(_ sequence: UInt64, window: Duration) -> [Verdict] {
        guard let key = several[sequence], let index = groups[key]?.firstIndex(where: { $0.sequence == sequence })
        else { return [] }
        groups[key]![index].isGone = false
        let copies = groups[key]!
        return Self.verdicts(on: copies[Self.cluster(around: index, in: copies, window)])
    }

    /// Forgets copies that stand alone and that `isRetained` does not accept.
    mutating func prune(where isRetained: (Copy) -> Bool) {
        for (key, copies) in groups {
            let kept = copies.filter { several[$0.sequence] != nil || isRetained($0) }
            if kept.count < copies.count { groups[key] = kept.isEmpty ? nil : kept }
        }
    }

    /// Gives the partitions other numbers, and forgets the copies in those that have none any more.
    mutating func renumber(_ numbers: [Int: Int]) {
        for (key, copies) in groups {
            var kept: [Copy] = []
            for var copy in copies {
                guard let number = numbers[copy.partition] else {
                    several[copy.sequence] = nil
                    continue
                }
                copy.partition = number
                kept.append(copy)
            }
            groups[key] = kept.isEmpty ? nil : kept
        }
    }

    /// The copies of one message around one of them.
    private static func cluster(around index: Int, in copies: [Copy], _ window: Duration) -> Range<Int> {
        var (low, high) = (index, index + 1)
        while low > 0, copies[low - 1].time.isWithin(window, of: copies[low].time) { low -= 1 }
        while high < copies.count, copies[high].time.isWithin(window, of: copies[high - 1].time) { high += 1 }
        return low..<high
    }

    /// History shows the earliest copy that is left, and whoever follows gets the one that came here first.
    private static func verdicts(on cluster: ArraySlice<Copy>) -> [Verdict] {
        let left = cluster.filter { !$0.isGone }
        let first = left.map(\.sequence).min()
        return left.enumerated().map { index, copy in
            var flags: Entry.Flags = .folded
            if index > 0 { flags.insert(.shadowed) }
            if copy.sequence != first { flags.insert(.isRepeat) }
            return Verdict(copy: copy, flags: flags)
        }
    }
}
