import Model

/// What is damaged of the log, and what came back of it.
///
/// The log finds damage and says which positions may have stood there; its owner asks other holders for them and says
/// what came of it. Until then whoever reads waits, and no peer is told that they are absent.
struct Repairs: Sendable {
    /// What is damaged of one segment.
    struct Damage: Sendable {
        var parts: [Part]
        var stretches: [Stretch]
        /// What came back, and how many bytes of it.
        var found: [Record] = []
        var foundBytes = 0
    }

    /// A damaged part of a file, and the local sequences between which its records lie.
    struct Part: Sendable, Equatable {
        var range: Range<Int>
        let after: UInt64
        var before: UInt64
    }

    /// Positions of one journal that may have stood in damaged parts.
    struct Stretch: Sendable {
        let run: AbsentRun
        /// The first and the last of the segment's parts in which they can have stood.
        let parts: ClosedRange<Int>
        var state = State.wanted
    }

    enum State: Sendable {
        /// Holders are being asked.
        case wanted
        /// No holder that can be reached has it; one that cannot be reached may.
        case unavailable
        /// No holder has more of it than came.
        case settled
    }

    /// By the segment's number.
    var damaged: [UInt32: Damage] = [:]
    /// Segments that a read found wrong and that are to be looked at as a whole.
    var suspects: Set<UInt32> = []
    /// Whether an owner sees to repairs; until then what is damaged is simply lost.
    var isBegun = false
    /// Counts the occasions on which a read that waits may go on.
    var version: UInt64 = 0
    var counters = RepairCounters()

    /// Whether readers wait for something.
    var isPending: Bool {
        isBegun
            && (!suspects.isEmpty
                || damaged.values.contains { !$0.found.isEmpty || $0.stretches.contains { $0.state == .wanted } })
    }

    /// The first local sequence at which some of these positions may come back; nil where they are gone for good, which
    /// only then is to be told.
    func placeOfReturn(_ origin: Origin, _ slot: Slot, from: UInt64, to: UInt64) -> UInt64? {
        guard isBegun, !damaged.isEmpty else { return nil }
        return damaged.values.compactMap { damage in
            damage.stretches.filter { stretch in
                // What came is here once it is written.
                (stretch.state != .settled || !damage.found.isEmpty) && stretch.run.origin == origin
                    && stretch.run.slot == slot && stretch.run.from <= to && stretch.run.to >= from
            }
            .map { damage.parts[$0.parts.lowerBound].after + 1 }.min()
        }
        .min()
    }
}

/// What the log has counted of damage since it was opened.
package struct RepairCounters: Sendable, Equatable {
    /// Damaged parts found.
    package var partsFound: UInt64 = 0
    /// Records written back that a peer gave.
    package var recordsMended: UInt64 = 0
    /// Segments written anew with them.
    package var segmentsMended: UInt64 = 0
    /// Bytes that the scrub has checked, and how often it went through the whole log.
    package var bytesScrubbed: UInt64 = 0
    package var passes: UInt64 = 0

    package init() {}
}

/// What came of a look at a segment.
package struct FoundDamage: Sendable {
    /// Parts that were not known to be damaged.
    package var holes: [LogHole] = []
    /// What may have stood there, to be asked for from other holders.
    package var wanted: [AbsentRun] = []

    package init() {}

    package var isEmpty: Bool { holes.isEmpty && wanted.isEmpty }
}

/// What holders said of positions that the log asked for.
package enum RepairOutcome: Sendable, Equatable {
    /// Every member was asked: what did not come is gone.
    case settled
    /// A member that cannot be reached may have more of it.
    case unavailable
}
