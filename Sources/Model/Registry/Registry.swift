/// Every topic name that the cluster ever met, every member, every node that is none any more, and every schedule.
///
/// It is merged from records in any order and always comes out the same.
package struct Registry: Equatable, Sendable {
    package private(set) var entries: [TopicName: TopicEntry]
    /// Every node ever met and not removed, by the name that its newest record gave.
    package private(set) var members: [NodeID: Member]
    /// Every node that an operator removed, by the earliest word of it.
    package private(set) var departed: [NodeID: Departure]
    /// Every schedule ever created, the removed ones among them, by id.
    package private(set) var schedules: [String: ScheduleEntry] = [:]

    /// A node as its own records describe it.
    package struct Member: Equatable, Sendable {
        package let name: String
        package let stamp: Stamp
    }

    /// How a node came to be no member any more.
    package struct Departure: Equatable, Sendable {
        package let record: DepartureRecord
        package let stamp: Stamp
    }

    package init() {
        entries = [:]
        members = [:]
        departed = [:]
    }

    /// The topic in use under a name.
    package func topic(_ name: TopicName) -> TopicDefinition? { entries[name]?.live }

    /// Every topic that exists, in the order of their names.
    package var liveTopics: [TopicDefinition] { sortedEntries.compactMap(\.live) }

    /// How many topics exist.
    package var liveCount: Int { entries.values.count { $0.live != nil } }

    /// Merges a change; says what the topic was and is, when that differs.
    @discardableResult
    package mutating func merge(_ change: TopicChange, stamp: Stamp) -> TopicTransition? {
        transition(of: change.name) { $0.merge(change, stamp: stamp) }
    }

    /// Merges another node's knowledge of one name.
    @discardableResult
    package mutating func merge(_ entry: TopicEntry) -> TopicTransition? {
        transition(of: entry.name) { $0.merge(entry) }
    }

    package mutating func merge(_ member: MemberRecord, stamp: Stamp) {
        guard departed[member.node] == nil else { return }
        if let known = members[member.node], known.stamp >= stamp { return }
        members[member.node] = Member(name: member.name, stamp: stamp)
    }

    /// Merges an operator's removal of a member, which nothing takes back; says whether it is news.
    @discardableResult
    package mutating func merge(_ departure: DepartureRecord, stamp: Stamp) -> Bool {
        if let known = departed[departure.node], known.stamp <= stamp { return false }
        departed[departure.node] = Departure(record: departure, stamp: stamp)
        members[departure.node] = nil
        return true
    }

    /// Merges a change of a schedule; says whether it is news.
    @discardableResult
    package mutating func merge(_ change: ScheduleChange, stamp: Stamp) -> Bool {
        if schedules[change.id] != nil { return schedules[change.id]!.merge(change, stamp: stamp) }
        schedules[change.id] = ScheduleEntry(change, stamp: stamp)
        return true
    }

    /// The schedules that exist, in the order of their creation.
    package var liveSchedules: [Schedule] {
        schedules.values.compactMap(\.schedule)
            .sorted { ($0.created.milliseconds, $0.id) < ($1.created.milliseconds, $1.id) }
    }

    /// The limit that keeps one schedule more from being created; nil where there is room.
    ///
    /// - Parameter isOfAdmin: whether its creator may have more than others.
    package func limit(metBy schedule: Schedule, isOfAdmin: Bool) -> Schedule.Limit? {
        let live = liveSchedules
        if live.count >= Schedule.Limit.ofCluster.count { return .ofCluster }
        if schedules.count >= Schedule.Limit.ids.count { return .ids }
        guard !isOfAdmin else { return nil }
        return live.count { $0.creator.user == schedule.creator.user } < Schedule.Limit.ofUser.count ? nil : .ofUser
    }

    /// The entries in the order of their names.
    package var sortedEntries: [TopicEntry] { entries.values.sorted { $0.name < $1.name } }

    private mutating func transition(of name: TopicName, _ change: (inout TopicEntry) -> Void) -> TopicTransition? {
        var entry = entries[name] ?? TopicEntry(name: name)
        let before = entry.live
        change(&entry)
        entries[name] = entry
        let after = entry.live
        return before == after ? nil : TopicTransition(name: name, before: before, after: after)
    }
}

/// What became of a topic's definition.
package struct TopicTransition: Equatable, Sendable {
    package let name: TopicName
    package let before: TopicDefinition?
    package let after: TopicDefinition?
    /// How far the messages of a new generation had come before the word of its creation did, which came from another
    /// origin.
    package let heads: Cursor

    package init(name: TopicName, before: TopicDefinition?, after: TopicDefinition?, heads: Cursor = Cursor()) {
        self.name = name
        self.before = before
        self.after = after
        self.heads = heads
    }
}
