import Model

/// Which messages of a topic are copies of one message: those of one publisher and message id, near in time.
struct FoldIndex: Sendable {
    /// One copy of a message.
    struct Copy: Sendable {
        let partition: Int
        let sequence: UInt64
        let offset: UInt64
        let time: HybridTime
        let origin: Origin
    }

    /// What a new copy did.
    struct Outcome {
        /// The copy stands behind an earlier one in local sequence.
        var isRepeat = false
        /// The copies that history does not show any more.
        var shadowed: [Copy] = []
        /// The copies that are now several.
        var folded: [Copy] = []
    }

    /// Copies in local sequence; the index of the one that history shows.
    private struct Group: Sendable {
        var copies: [Copy]
        var winner = 0
    }

    // Keys are SipHash values of publisher and id under this process's random key: nobody can choose two that collide.
    private var groups: [Int: Group] = [:]
    private var several: [UInt64: Int] = [:]

    var count: Int { groups.count }

    /// Adds a copy; those whose times lie further apart than `window` are different messages.
    mutating func add(publisher: String, messageID: String, _ copy: Copy, window: Duration) -> Outcome {
        var hasher = Hasher()
        hasher.combine(publisher)
        hasher.combine(messageID)
        let key = hasher.finalize()
        guard let group = groups[key], isNear(group.copies[group.winner], copy, window) else {
            groups[key] = Group(copies: [copy])
            return Outcome()
        }
        var outcome = Outcome(isRepeat: true, folded: [copy])
        if group.copies.count == 1 {
            outcome.folded.append(group.copies[0])
            several[group.copies[0].sequence] = key
        }
        let winner = group.copies[group.winner]
        groups[key]!.copies.append(copy)
        several[copy.sequence] = key
        if (copy.time, copy.origin) < (winner.time, winner.origin) {
            groups[key]!.winner = group.copies.count
            outcome.shadowed.append(winner)
        } else {
            outcome.shadowed.append(copy)
        }
        return outcome
    }

    /// All copies of the message that one at `sequence` is a copy of; empty when it is alone.
    func copies(of sequence: UInt64) -> [Copy] {
        guard let key = several[sequence], let group = groups[key],
            group.copies.contains(where: { $0.sequence == sequence })
        else { return [] }
        return group.copies
    }

    /// Forgets messages older than `time`.
    mutating func prune(before time: HybridTime) {
        groups = groups.filter { _, group in group.copies.contains { $0.time >= time } }
        let kept = Set(groups.keys)
        several = several.filter { kept.contains($0.value) }
    }

    private func isNear(_ left: Copy, _ right: Copy, _ window: Duration) -> Bool {
        abs(left.time.wall.milliseconds - right.time.wall.milliseconds) <= window.milliseconds
    }
}
