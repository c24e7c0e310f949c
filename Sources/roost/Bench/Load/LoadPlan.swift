/// Who publishes what to whom: the same for every broker.
struct LoadPlan: Equatable, Sendable {
    /// How many topics there are.
    let topics: Int
    /// How many connections subscribe, each to one topic, the topics in turn.
    let subscribers: Int
    /// How many connections publish.
    let publishers: Int
    /// The messages of one publisher to one topic, numbered from 0, whose order every subscriber checks.
    let streams: [Stream]
    /// How many streams each topic has; those of one topic stand together.
    let streamsPerTopic: Int

    /// One publisher's messages to one topic.
    struct Stream: Equatable, Sendable {
        /// The publishing connection.
        let publisher: Int
        /// The topic's number.
        let topic: Int
    }

    /// One topic: every publisher's messages go to every subscriber.
    static func fanOut(subscribers: Int, publishers: Int) -> LoadPlan {
        LoadPlan(
            topics: 1, subscribers: subscribers, publishers: publishers,
            streams: (0..<publishers).map { Stream(publisher: $0, topic: 0) }, streamsPerTopic: publishers)
    }

    /// Many topics with a few subscribers each; each topic has one publisher, who has many.
    static func rooms(_ topics: Int, subscribersPerTopic: Int, publishers: Int) -> LoadPlan {
        LoadPlan(
            topics: topics, subscribers: topics * subscribersPerTopic, publishers: publishers,
            streams: (0..<topics).map { Stream(publisher: $0 % publishers, topic: $0) }, streamsPerTopic: 1)
    }

    /// The topic of a subscriber.
    func topic(of subscriber: Int) -> Int { subscriber % topics }

    /// How many subscribers a topic has.
    func subscribers(of topic: Int) -> Int { subscribers / topics + (topic < subscribers % topics ? 1 : 0) }

    /// The topics to which a publisher publishes.
    func topics(of publisher: Int) -> [Int] { streams.filter { $0.publisher == publisher }.map(\.topic) }
}
