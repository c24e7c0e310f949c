import Model

/// What this node's own subscribers want of memory topics, as it is announced: a set of filters with a version.
struct LocalInterest {
    private var counts: [TopicFilter: Int] = [:]
    /// The version with which each filter came.
    private var since: [TopicFilter: UInt64] = [:]
    private var wildcards: Set<TopicFilter> = []
    /// Counts the changes of the set, from 1.
    private(set) var version: UInt64 = 1
    /// Changes that a subscriber waits for every reachable member to take.
    var unconfirmed: [(loop: Int, id: UInt64, version: UInt64)] = []

    /// The filters, in order.
    var filters: [TopicFilter] { counts.keys.sorted() }

    /// Counts filters in and out; gives what the set gained and lost.
    mutating func change(added: [TopicFilter], removed: [TopicFilter]) -> (added: [TopicFilter], removed: [TopicFilter])
    {
        var gained: [TopicFilter] = []
        var lost: [TopicFilter] = []
        for filter in added {
            counts[filter, default: 0] += 1
            if counts[filter] == 1 { gained.append(filter) }
        }
        for filter in removed {
            guard let count = counts[filter] else { continue }
            counts[filter] = count == 1 ? nil : count - 1
            if count == 1 { lost.append(filter) }
        }
        lost.removeAll { counts[$0] != nil }
        if !gained.isEmpty || !lost.isEmpty { version += 1 }
        for filter in lost {
            since[filter] = nil
            wildcards.remove(filter)
        }
        for filter in gained where counts[filter] != nil && since[filter] == nil {
            since[filter] = version
            if filter.exact == nil { wildcards.insert(filter) }
        }
        return (gained, lost)
    }

    /// The version from which on a topic has been wanted without a break; nil where it is not wanted.
    func version(since topic: TopicName) -> UInt64? {
        let exact = since[TopicFilter(topic)]
        return wildcards.filter { $0.matches(topic) }.compactMap { since[$0] }.reduce(exact) { min($0 ?? .max, $1) }
    }
}
