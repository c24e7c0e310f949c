import Broker
import Model

/// The event types that one conversation follows.
///
/// `schedule_executed` is what the system says in `$schedules`, and comes from nowhere else; `query_completed` is what the
/// conversation says of its own queries; every other type is looked for in all topics that the user may read, later ones
/// too.
struct SQLatteSubscriptions {
    static let scheduleExecuted = "schedule_executed"
    static let queryCompleted = "query_completed"

    /// In the order of asking.
    private(set) var events: [String] = []
    private var lastNumber: UInt32 = 0
    /// What is not answered yet: how many replies are missing, and what to say then.
    private var waiting: [UInt32: (missing: Int, text: [UInt8])] = [:]
    /// The most changes that may be under way.
    private static let waitingLimit = 100

    var tellsCompletions: Bool { events.contains(Self.queryCompleted) }

    /// `$schedules` by a wildcard, so that it may be followed before there is one.
    private static let schedules: TopicFilter = {
        guard let filter = try? TopicFilter("$schedules/#") else { preconditionFailure("$schedules/# is a filter") }
        return filter
    }()

    /// Follows more.
    mutating func add(_ names: [String]) throws(Refusal) -> [DialectStep] {
        let wanted = events + names.filter { !events.contains($0) }
        guard wanted.count <= SQLatteRequests.eventLimit else { throw .subscriptionLimit(SQLatteRequests.eventLimit) }
        return try change(to: wanted, "subscribe", saying: SQLatteReplies.followed("subscribed", wanted))
    }

    /// Follows less.
    mutating func remove(_ names: [String]) throws(Refusal) -> [DialectStep] {
        if let unknown = names.first(where: { !events.contains($0) }) {
            throw .invalidMessage("events \"\(unknown)\" are not followed")
        }
        let wanted = events.filter { !names.contains($0) }
        return try change(to: wanted, "unsubscribe", saying: SQLatteReplies.followed("unsubscribed", wanted))
    }

    private mutating func change(
        to wanted: [String], _ method: String, saying text: [UInt8]
    ) throws(Refusal) -> [DialectStep] {
        guard waiting.count < Self.waitingLimit else { throw .rateLimited }
        var commands: [Command] = []
        for filter in [TopicFilter.everything, Self.schedules] {
            let (before, after) = (Self.names(events, filter), Self.names(wanted, filter))
            guard before != after else { continue }
            commands.append(
                after.isEmpty
                    ? .unsubscribe([filter])
                    : .subscribe(Command.Subscribe(filters: [filter], conditions: [.anyEvent(after)])))
        }
        events = wanted
        lastNumber &+= 1
        guard !commands.isEmpty else { return [.send(text)] }
        waiting[lastNumber] = (commands.count, text)
        let reference = RequestReference(id: nil, method: method, batch: lastNumber)
        return commands.map { .request(Request(reference: reference, command: $0)) }
    }

    private static func names(_ events: [String], _ filter: TopicFilter) -> [String] {
        events.filter { name in
            name != queryCompleted && (name == scheduleExecuted) == (filter == schedules)
        }
    }

    /// Takes the answer to a part of a change; gives what is to be said of the whole.
    mutating func take(_ number: UInt32, _ reply: Reply, to method: String) -> [UInt8]? {
        guard var change = waiting[number] else { return nil }
        if case .refused(let refusal) = reply {
            waiting[number] = nil
            // Which of the types are followed is no longer known: the client asks anew for what it wants.
            events = []
            return SQLatteReplies.refusal(refusal, to: method)
        }
        change.missing -= 1
        waiting[number] = change.missing > 0 ? change : nil
        return change.missing > 0 ? nil : change.text
    }
}
