import Model

/// Decides which schedules this node fires now.
///
/// A schedule belongs to the first living member in the rendezvous order of its id, so that every node knows without asking
/// whose it is. Two nodes may disagree for a while, in a partition or until a death is found out; what they both fire has
/// one id, and history holds it once. A node to which a schedule comes fires what was due in the last ``makeUp`` too, because
/// the node that had it may have died before; what is older is passed over.
package struct Scheduler {
    /// How far back a firing is made up for: 30 s, well above the time in which a death is found out, and well below the
    /// window in which repeats are known.
    package static let makeUp: Duration = .seconds(30)

    private let own: NodeID
    /// Up to when each schedule of this node's has been looked at.
    private var considered: [String: WallTime] = [:]
    /// Schedules whose firings are under way.
    private var running: Set<String> = []

    /// What is to be done for a schedule, and the time at which it was due.
    package struct Firing: Equatable, Sendable {
        package let schedule: Schedule
        package let due: WallTime

        package init(schedule: Schedule, due: WallTime) {
            self.schedule = schedule
            self.due = due
        }
    }

    package init(own: NodeID) {
        self.own = own
    }

    /// What is due, in the order of the schedules and then of time. Those of one schedule are done one after the other, and
    /// then ``finished(_:)`` is called; until then what comes due of it is passed over.
    ///
    /// - Parameters:
    ///   - schedules: all that exist.
    ///   - living: the members that are believed to live.
    package mutating func advance(to now: WallTime, schedules: [Schedule], living: [NodeID]) -> [Firing] {
        var firings: [Firing] = []
        var next: [String: WallTime] = [:]
        for schedule in schedules where Self.order(of: schedule.id, living).first == own {
            next[schedule.id] = now
            guard !running.contains(schedule.id) else { continue }
            let earliest = WallTime(milliseconds: now.milliseconds - Self.makeUp.milliseconds)
            var due = schedule.due(after: max(considered[schedule.id] ?? earliest, earliest))
            while let time = due, time <= now {
                firings.append(Firing(schedule: schedule, due: time))
                running.insert(schedule.id)
                due = schedule.due(after: time)
            }
        }
        considered = next
        return firings
    }

    /// The firings of a schedule are done.
    package mutating func finished(_ id: String) { running.remove(id) }

    /// Members in the order in which a schedule is theirs: by a hash of both ids, FNV-1a (64 bits) and the finaliser of
    /// SplitMix64, highest first (D. Thaler, C. Ravishankar: "Using Name-Based Mappings to Increase Hit Rates", 1998).
    package static func order(of id: String, _ members: [NodeID]) -> [NodeID] {
        members.map { (weight(of: id, $0), $0) }.sorted { $0 > $1 }.map(\.1)
    }

    private static func weight(of id: String, _ member: NodeID) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in id.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        hash ^= member.rawValue
        hash = (hash ^ hash >> 30) &* 0xBF58_476D_1CE4_E5B9
        hash = (hash ^ hash >> 27) &* 0x94D0_49BB_1331_11EB
        return hash ^ hash >> 31
    }
}
