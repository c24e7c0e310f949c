import Model

extension Shard {
    /// Counts one more subscription that needs members to forward; gives the announcement to wait for, if there is one.
    mutating func holdInterest(
        _ filter: TopicFilter, at now: Now, into effects: inout [ShardEffect]
    ) -> InterestID? {
        if let interest = interests[filter] {
            interests[filter]?.count += 1
            return interest.isConfirmed ? nil : interest.id
        }
        let id = InterestID(rawValue: nextNumber())
        interests[filter] = Interest(count: 1, id: id)
        announcements[id] = (filter, [])
        effects.append(.interest(id, added: [filter], removed: []))
        deadlines.schedule(.interest(id), at: now.monotonic + settings.interestLimit)
        return id
    }

    /// Counts one less; the last one is taken back from the members.
    mutating func releaseInterest(_ filter: TopicFilter, into effects: inout [ShardEffect]) {
        guard let interest = interests[filter] else { return }
        if interest.count > 1 {
            interests[filter]?.count -= 1
            return
        }
        interests[filter] = nil
        announcements[interest.id] = nil
        effects.append(.interest(InterestID(rawValue: nextNumber()), added: [], removed: [filter]))
    }
}
