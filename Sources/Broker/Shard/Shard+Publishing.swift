import Model

/// Publishes that follow one another, on their way to the sequencer; the refused ones keep their places.
struct PublishBatch {
    var drafts: [Draft] = []
    var entries: [Entry] = []

    struct Entry {
        let connection: ConnectionID
        let reference: RequestReference
        let topic: TopicName
        let acknowledgement: Acknowledgement
        /// Why the message is not in `drafts`.
        let refusal: Refusal?
    }
}

extension Shard {
    /// Checks a publish and puts it into the batch.
    mutating func stage(
        _ publish: Command.Publish, _ reference: RequestReference, _ slot: Int, _ batch: inout PublishBatch,
        ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]
    ) {
        var refusal = check(publish, slot, ledger: ledger, at: now, into: &effects)
        var (key, payload, row): (String?, [UInt8], RowDraft?) = (publish.key, publish.payload, nil)
        if refusal == nil, let topic = topicIndexes[publish.topic], topics[topic]!.definition.kind == .table {
            do throws(Refusal) {
                let (message, draft) = try draftRow(publish, topics[topic]!.definition, sessions[slot]!.principal)
                (key, payload, row) = (message.key, message.payload, draft)
            } catch { refusal = error }
        }
        if refusal == nil {
            batch.drafts.append(
                Draft(
                    topic: publish.topic, event: publish.event, key: key,
                    publisher: publish.publisher ?? sessions[slot]!.principal.user,
                    source: publish.isFromDatabase ? "database" : sessions[slot]!.name, messageID: publish.messageID,
                    timeToLive: publish.timeToLive, payload: payload,
                    needsOwnRecord: publish.acknowledgement == .replicated, isAwaited: publish.acknowledgement.waits,
                    row: row))
            if publish.acknowledgement.waits { sessions[slot]!.pendingCount += 1 }
        }
        batch.entries.append(
            PublishBatch.Entry(
                connection: sessions[slot]!.connection, reference: reference, topic: publish.topic,
                acknowledgement: publish.acknowledgement, refusal: refusal))
    }

    /// Sequences the batch, answers what can be answered, and delivers what came of it.
    mutating func sequence(
        _ batch: inout PublishBatch, ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]
    ) {
        guard !batch.entries.isEmpty else { return }
        let results = batch.drafts.isEmpty ? [] : ledger.publish(batch.drafts)
        precondition(results.count == batch.drafts.count, "a sequencer answers every draft")
        var next = 0
        for entry in batch.entries {
            if let refusal = entry.refusal {
                refuse(refusal, entry.connection, entry.reference, into: &effects)
                continue
            }
            finish(entry, results[next], at: now, into: &effects)
            next += 1
        }
        batch = PublishBatch()
        if next > 0 { deliver(ledger.take(), at: now, into: &effects) }
    }

    private mutating func finish(
        _ entry: PublishBatch.Entry, _ result: Result<Receipt, Refusal>, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        switch result {
        case .failure(let refusal):
            if entry.acknowledgement.waits { settlePending(entry.connection) }
            refuse(refusal, entry.connection, entry.reference, into: &effects)
        case .success(let receipt):
            counters.published += 1
            // Who has said it types no longer.
            if let slot = slot(of: entry.connection), !sessions[slot]!.typing.isEmpty {
                stopTyping(entry.topic, slot, into: &effects)
            }
            let reply = Reply.published(entry.topic, receipt, entry.acknowledgement)
            switch entry.acknowledgement {
            case .none: break
            case .accepted: answer(reply, entry.connection, entry.reference, into: &effects)
            case .stored, .replicated:
                awaitDurability(
                    entry.acknowledgement, receipt.sequence, reply, entry.connection, entry.reference, at: now,
                    into: &effects)
            }
        }
    }

    /// Why a message is not taken.
    private mutating func check(
        _ publish: Command.Publish, _ slot: Int, ledger: any Ledger, at now: Now, into effects: inout [ShardEffect]
    ) -> Refusal? {
        if let refusal = admit(.publish(publish), slot, at: now) { return refusal }
        if let refusal = checkLength(of: "event", publish.event) ?? checkLength(of: "key", publish.key)
            ?? checkLength(of: "messageId", publish.messageID)
        {
            return refusal
        }
        if let timeToLive = publish.timeToLive, timeToLive <= .zero {
            return .invalidMessage("\"ttl\" must be 1 millisecond or more")
        }
        guard let topic = find(publish.topic, ledger: ledger, at: now, into: &effects) else {
            return .topicUnknown(publish.topic)
        }
        let definition = topics[topic]!.definition
        if let refusal = access.decides(.write, on: publish.topic, definition, for: sessions[slot]!.principal) { return refusal }
        if publish.isFromDatabase, definition.kind == .stream {
            return .invalidMessage("topic \"\(publish.topic)\" is a stream: only a table's rows have the \"source\" database")
        }
        if case .changed(_?) = publish.readers, definition.kind == .stream {
            return .invalidMessage("topic \"\(publish.topic)\" is a stream: only rows of a table have \"readers\"")
        }
        if definition.durability == .memory, publish.acknowledgement.waits {
            return .notSupported(
                "topic \"\(publish.topic)\" is kept in memory: \"ack\" may be \"none\" or \"accepted\"")
        }
        return nil
    }

    func checkLength(of field: StaticString, _ text: String?) -> Refusal? {
        guard let count = text?.utf8.count, count > settings.textBytes else { return nil }
        return .invalidMessage("\"\(field)\" has \(count) bytes; at most \(settings.textBytes) are allowed")
    }
}

extension Acknowledgement {
    /// Whether the reply comes later than the sequencing.
    var waits: Bool { self == .stored || self == .replicated }
}
