import Broker
import Model

/// The subscriptions of one conversation.
struct RustyDBSubscriptions {
    private var subscriptions: [BranchID: Subscription] = [:]
    private var lastNumber: UInt32 = 0

    /// One of them, each a branch.
    struct Subscription {
        /// The client's id of it, as it was sent; nil for none.
        let id: [UInt8]?
        let topics: [TopicFilter]
        /// How many of its topics are not live yet.
        var waiting: Int
        /// Where each topic begins.
        var cursors: [(topic: TopicName, cursor: Cursor)] = []
    }

    subscript(branch: BranchID) -> Subscription? { subscriptions[branch] }

    /// Takes a new one into account.
    mutating func begin(_ id: [UInt8]?, _ topics: [TopicFilter]) throws(Refusal) -> BranchID {
        guard subscriptions.count < BranchID.limit else { throw .subscriptionLimit(BranchID.limit) }
        if let id, subscriptions.values.contains(where: { $0.id == id }) {
            throw .invalidMessage("a subscription has the id \(String(decoding: id, as: UTF8.self)) already")
        }
        lastNumber &+= 1
        let branch = BranchID(rawValue: lastNumber)
        subscriptions[branch] = Subscription(id: id, topics: topics, waiting: topics.count)
        return branch
    }

    /// Notes that a topic is live; gives the subscription when it was the last.
    mutating func isLive(
        _ branch: BranchID, _ cursors: [(topic: TopicName, cursor: Cursor)]
    ) -> Subscription? {
        guard subscriptions[branch] != nil else { return nil }
        subscriptions[branch]!.waiting -= 1
        subscriptions[branch]!.cursors += cursors
        guard subscriptions[branch]!.waiting == 0 else { return nil }
        defer { subscriptions[branch]!.cursors = [] }
        return subscriptions[branch]
    }

    /// Forgets one; says whether it was there.
    @discardableResult
    mutating func end(_ branch: BranchID) -> Bool { subscriptions.removeValue(forKey: branch) != nil }

    /// Forgets the one with an id, or, where that is nil, the first without one that has the same topics.
    mutating func end(_ id: [UInt8]?, _ topics: [TopicFilter]) -> BranchID? {
        let branch = subscriptions.keys.sorted().first { branch in
            guard let subscription = subscriptions[branch], subscription.id == id else { return false }
            return id != nil || (!topics.isEmpty && subscription.topics.sorted() == topics.sorted())
        }
        if let branch { end(branch) }
        return branch
    }
}
