import JSON
import Model

// What no member of a group has acknowledged in as many attempts as there are goes to a topic of its own, which whoever
// may read the one that it comes from may read, too.

extension Shard {
    mutating func writeDeadLetters(ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]) {
        let letters = deadLetters
        deadLetters = []
        for (key, work) in letters {
            guard dispatchers[key] != nil else { continue }
            guard let name = deadLetterTopic(of: key.topic, ledger: ledger, at: now, into: &effects),
                let message = work.item.record.message
            else {
                deadLetters.append((key, work))
                continue
            }
            // A repeat, from before a crash or of another node that took over, is known by its id.
            let draft = Draft(
                topic: name, event: "dead-letter", key: message.key, publisher: "", source: "",
                messageID: "\(key.name)/\(work.partition)/\(work.offset)".utf8.count <= settings.textBytes
                    ? "\(key.name)/\(work.partition)/\(work.offset)" : nil, timeToLive: nil,
                payload: Self.letter(key, work, message), isAwaited: false)
            if case .failure? = ledger.publish([draft]).first {
                deadLetters.append((key, work))
            } else {
                noteProgress(of: key, at: now)
            }
        }
    }

    private mutating func deadLetterTopic(
        of topic: TopicName, ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]
    ) -> TopicName? {
        guard let name = topic.deadLetters else {
            preconditionFailure("a group acknowledges only where its dead letters have a name")
        }
        if find(name, ledger: ledger, at: now, into: &effects) != nil { return name }
        guard let index = topicIndexes[topic], let definition = topics[index]?.definition else { return nil }
        let creation = TopicCreation(
            name: name, kind: .stream, durability: .disk, owner: definition.owner, groups: definition.groups,
            settings: TopicSettings(
                retention: settings.defaultRetention, permission: definition.settings.permission))
        switch ledger.createTopic(creation) {
        case .success, .failure(.topicExists): return name
        case .failure: return nil
        }
    }

    private static func letter(_ key: GroupKey, _ work: GroupDispatcher.Work, _ message: Message) -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: message.payload.count + 320)
        writer.beginObject()
        writer.key("reason")
        writer.string("given to a member \(work.attempts) times, and the last time \(work.trouble)")
        writer.key("attempts")
        writer.integer(Int64(work.attempts))
        for (name, value): (StaticString, String) in [
            ("group", key.name), ("topic", key.topic.text), ("partition", work.partition.description),
        ] {
            writer.key(name)
            writer.string(value)
        }
        writer.key("offset")
        writer.unsigned(work.offset)
        writer.key("event")
        writer.string(message.event)
        if !message.publisher.isEmpty {
            writer.key("user")
            writer.string(message.publisher)
        }
        writer.key("data")
        writer.raw(message.payload)
        writer.endObject()
        return writer.bytes
    }
}
