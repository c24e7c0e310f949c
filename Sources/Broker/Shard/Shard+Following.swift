import Model

extension Shard {
    /// The place in the log of a session that reads a topic there.
    func reader(_ slot: Int, _ topic: TopicIndex) -> Following.Reading? {
        sessions[slot]?.followings[topic]?.reading
    }

    /// Puts a new following on the books.
    mutating func begin(
        _ following: Following, _ slot: Int, _ topic: TopicIndex, into effects: inout [ShardEffect]
    ) {
        sessions[slot]!.followings[topic] = following
        enter(following.stage, slot, topic, into: &effects)
    }

    /// Changes where a following's messages come from.
    mutating func move(
        _ slot: Int, _ topic: TopicIndex, to stage: Following.Stage, into effects: inout [ShardEffect]
    ) {
        guard let following = sessions[slot]!.followings[topic] else { return }
        exit(following.stage, slot, topic, into: &effects)
        sessions[slot]!.followings[topic]!.stage = stage
        enter(stage, slot, topic, into: &effects)
    }

    /// Takes a following off the books.
    mutating func unfollow(_ slot: Int, _ topic: TopicIndex, into effects: inout [ShardEffect]) {
        guard let following = sessions[slot]!.followings.removeValue(forKey: topic) else { return }
        exit(following.stage, slot, topic, into: &effects)
    }

    /// Ends a following against its client's will, and an exact subscription with it.
    mutating func dropFollowing(
        _ slot: Int, _ topic: TopicIndex, telling refusal: Refusal, into effects: inout [ShardEffect]
    ) {
        guard let name = topics[topic]?.name else { return }
        unfollow(slot, topic, into: &effects)
        removeSubscription(slot, TopicFilter(name), into: &effects)
        effects.append(.notify(sessions[slot]!.connection, .subscriptionEnded(name, refusal)))
    }

    /// Takes note of subscriptions that came or went.
    mutating func refresh(_ slot: Int, _ topic: TopicIndex, at now: Now, into effects: inout [ShardEffect]) {
        guard let name = topics[topic]?.name, let following = sessions[slot]!.followings[topic] else { return }
        let selectors = sessions[slot]!.selectors(for: name)
        if selectors?.isEmpty == true { return unfollow(slot, topic, into: &effects) }
        sessions[slot]!.followings[topic]!.selectors = selectors
        switch following.stage {
        case .reading: break
        case .listed:
            if selectors != nil {
                let heads = topics[topic]!.heads
                move(slot, topic, to: .selective(seen: heads, after: deliveredThrough), into: &effects)
            }
        case .selective(let seen, let after):
            goLive(slot, topic, seen: seen, after: after, into: &effects)
        }
    }

    /// Joins the live stream at a place that it has reached: the list, or one by one while conditions choose, or while
    /// this loop has not yet delivered everything that the client has.
    mutating func goLive(
        _ slot: Int, _ topic: TopicIndex, seen: Cursor, after: UInt64, into effects: inout [ShardEffect]
    ) {
        guard let following = sessions[slot]!.followings[topic] else { return }
        let isLevel = deliveredThrough >= after && topics[topic]!.covers(seen)
        if following.selectors == nil, isLevel, !topics[topic]!.isRestricted {
            tellUnseen(slot, topic, into: &effects)
            move(slot, topic, to: .listed, into: &effects)
        } else if case .selective = following.stage {
            sessions[slot]!.followings[topic]!.stage = .selective(seen: seen, after: after)
        } else {
            move(slot, topic, to: .selective(seen: seen, after: after), into: &effects)
        }
    }

    private mutating func enter(
        _ stage: Following.Stage, _ slot: Int, _ topic: TopicIndex, into effects: inout [ShardEffect]
    ) {
        let connection = sessions[slot]!.connection
        switch stage {
        case .listed:
            topics[topic]!.listedCount += 1
            effects.append(.join(list(of: topic), connection))
        case .selective: topics[topic]!.selective.append(connection)
        case .reading:
            if topics[topic]!.readerCount == 0 { topics[topic]!.recent.begin(after: deliveredThrough) }
            topics[topic]!.readerCount += 1
        }
    }

    private mutating func exit(
        _ stage: Following.Stage, _ slot: Int, _ topic: TopicIndex, into effects: inout [ShardEffect]
    ) {
        let connection = sessions[slot]!.connection
        switch stage {
        case .listed:
            let list = list(of: topic)
            effects.append(.leave(list, connection))
            topics[topic]!.listedCount -= 1
            guard topics[topic]!.listedCount == 0 else { return }
            topics[topic]!.list = nil
            freeLists.append(list)
            effects.append(.dropList(list))
        case .selective: topics[topic]!.selective.removeAll { $0 == connection }
        case .reading:
            topics[topic]!.readerCount -= 1
            if topics[topic]!.readerCount == 0 { topics[topic]!.recent.end() }
        }
    }

    private mutating func list(of topic: TopicIndex) -> ListID {
        if let list = topics[topic]!.list { return list }
        let list: ListID
        if let free = freeLists.popLast() {
            list = free
        } else {
            list = ListID(index: listCount)
            listCount += 1
        }
        topics[topic]!.list = list
        return list
    }
}
