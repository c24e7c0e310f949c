import Model

extension Shard {
    /// Takes note of what a record changed of a topic's definition.
    mutating func apply(_ transition: TopicTransition, at now: Now, into effects: inout [ShardEffect]) {
        let known = topicIndexes[transition.name].flatMap { topics[$0] }?.definition
        if let known, let after = transition.after, known.generation == after.generation {
            return change(to: after, into: &effects)
        }
        if known != nil { end(transition.name, into: &effects) }
        if let after = transition.after { create(after, heads: transition.heads, at: now, into: &effects) }
    }

    /// A new topic: every wildcard that matches it follows it from its beginning.
    private mutating func create(
        _ definition: TopicDefinition, heads: Cursor, at now: Now, into effects: inout [ShardEffect]
    ) {
        let topic = addTopic(TopicState(definition, heads: heads, lastSequence: deliveredThrough))
        startCrews(of: definition.name, at: now, into: &effects)
        if let name = definition.name.deadLetters, let letters = topicIndexes[name] {
            checkReaders(of: letters, into: &effects)
        }
        joinFollowersOfWildcards(topic, newAt: now, into: &effects)
    }

    /// New settings: whoever may no longer read leaves, and whose wildcard may read now joins.
    private mutating func change(to definition: TopicDefinition, into effects: inout [ShardEffect]) {
        guard let topic = topicIndexes[definition.name], let before = topics[topic]?.definition else { return }
        topics[topic]!.definition = definition
        guard
            before.settings.permission != definition.settings.permission || before.owner != definition.owner
                || before.groups != definition.groups
        else { return }
        checkReaders(of: topic, into: &effects)
        if let name = definition.name.deadLetters, let letters = topicIndexes[name] {
            checkReaders(of: letters, into: &effects)
        }
        joinFollowersOfWildcards(topic, newAt: nil, into: &effects)
    }

    /// Whoever may no longer read a topic leaves it.
    private mutating func checkReaders(of topic: TopicIndex, into effects: inout [ShardEffect]) {
        for slot in sessions.indices where sessions[slot]?.followings[topic] != nil {
            guard let refusal = readRefusal(slot, topic) else { continue }
            dropFollowing(slot, topic, telling: refusal, into: &effects)
        }
    }

    /// The end of a topic: nobody follows it any more, and those who named it are told.
    private mutating func end(_ name: TopicName, into effects: inout [ShardEffect]) {
        guard let topic = topicIndexes[name] else { return }
        topics[topic]!.silent = Cursor()
        dropGroups(of: name)
        for slot in sessions.indices where sessions[slot]?.followings[topic] != nil {
            if sessions[slot]!.subscriptions[TopicFilter(name)] != nil {
                dropFollowing(slot, topic, telling: .topicUnknown(name), into: &effects)
            } else {
                unfollow(slot, topic, into: &effects)
            }
        }
        removeTopic(topic)
    }

    private mutating func joinFollowersOfWildcards(
        _ topic: TopicIndex, newAt now: Now?, into effects: inout [ShardEffect]
    ) {
        guard let name = topics[topic]?.name else { return }
        let filters = wildcards.keys.filter { $0.matches(name) }.sorted()
        for connection in filters.flatMap({ wildcards[$0] ?? [] }) {
            guard let slot = slot(of: connection) else { continue }
            joinByWildcard(slot, topic, newAt: now, into: &effects)
        }
    }
}
