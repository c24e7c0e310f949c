/// What is to be done at certain times by whichever node of the cluster is there to do it.
package struct Schedule: Equatable, Sendable {
    /// Unique in the cluster.
    package let id: String
    package let name: String
    package let timing: Timing
    package let action: Action
    /// Who created it: the rights that these roles and groups have hold anew at every firing.
    package let creator: Principal
    package let created: WallTime

    /// When it is due.
    package enum Timing: Equatable, Sendable {
        case cron(CronExpression)
        /// So long after the creation, and after each such time.
        case interval(Duration)
    }

    /// What is done then.
    package enum Action: Equatable, Sendable {
        /// One `SELECT` with its parameters as JSON text, which is empty for none.
        case query(sql: String, parameters: [UInt8])
        case publish(topic: TopicName, payload: [UInt8], event: String, key: String?)
    }

    /// The longest name and the longest id, in bytes.
    package static let (nameBytes, idBytes) = (255, 64)
    /// From one second to a year.
    package static let intervals: ClosedRange<Duration> = .seconds(1) ... .seconds(31_536_000)
    /// The most schedules that a cluster has, and the most of one user who is no admin.
    package static let (limit, userLimit) = (1_000, 100)
    /// The most ids that a cluster remembers, of removed schedules too: those never come back.
    package static let idLimit = 100_000
    /// Which of these is met.
    package enum Limit: Equatable, Sendable {
        case ofCluster
        case ofUser
        case ids

        /// How many there may be.
        package var count: Int {
            switch self {
            case .ofCluster: Schedule.limit
            case .ofUser: Schedule.userLimit
            case .ids: Schedule.idLimit
            }
        }
    }
    /// The most bytes of one schedule, with the names of its creator's groups, roles and topics.
    package static let bytes = 16_384

    package init(id: String, name: String, timing: Timing, action: Action, creator: Principal, created: WallTime) {
        self.id = id
        self.name = name
        self.timing = timing
        self.action = action
        // A schedule outlives the token that it was created with.
        self.creator = Principal(
            user: creator.user, groups: creator.groups, roles: creator.roles, narrowing: creator.narrowing)
        self.created = created
    }

    /// The first time after another at which it is due, always after its creation; nil where that never comes.
    package func due(after time: WallTime) -> WallTime? {
        switch timing {
        case .cron(let expression): return expression.next(after: max(time, created))
        case .interval(let duration):
            let (start, step) = (created.milliseconds, duration.milliseconds)
            let passed = max(0, (time.milliseconds - start).flooredQuotient(step))
            let (due, overflows) = start.addingReportingOverflow((passed + 1) * step)
            return overflows ? nil : WallTime(milliseconds: due)
        }
    }

    /// What makes a firing one, whoever fired it: the id of its message.
    package func firingID(due: WallTime) -> String { "\(id)@\(due.milliseconds)" }
}

/// A change to the registry of schedules.
package enum ScheduleChange: Equatable, Sendable {
    case created(Schedule)
    /// For good: the id never comes back.
    case removed(id: String)

    package var id: String {
        switch self {
        case .created(let schedule): schedule.id
        case .removed(let id): id
        }
    }
}

/// Everything that the cluster knows of one schedule's id: a lattice, in which a removal is the last word, and the earliest
/// of two creations counts.
package struct ScheduleEntry: Equatable, Sendable {
    /// nil once it is removed.
    package private(set) var schedule: Schedule?
    /// Of the creation, or of the earliest removal.
    package private(set) var stamp: Stamp

    package init(_ change: ScheduleChange, stamp: Stamp) {
        if case .created(let schedule) = change { self.schedule = schedule }
        self.stamp = stamp
    }

    /// Merges a change of the same id; says whether it is news.
    package mutating func merge(_ change: ScheduleChange, stamp other: Stamp) -> Bool {
        let isNews =
            switch (change, schedule) {
            case (.created, nil): false
            case (.created, _?), (.removed, nil): other < stamp
            case (.removed, _?): true
            }
        if isNews { self = ScheduleEntry(change, stamp: other) }
        return isNews
    }

    /// The change that makes a fresh entry equal to this one.
    package func retold(id: String) -> ScheduleChange { schedule.map { .created($0) } ?? .removed(id: id) }
}
