import Model

extension Shard {
    /// How many connections of this loop follow each topic; topics that nobody follows are left out.
    package var subscriberCounts: [TopicName: UInt64] {
        var counts: [TopicName: UInt64] = [:]
        for case let topic? in topics where topic.followerCount > 0 { counts[topic.name] = UInt64(topic.followerCount) }
        return counts
    }
}
