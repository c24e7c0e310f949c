import Model

/// How a row looks to somebody.
enum RowSight {
    case shown
    /// They could read an earlier version: to them the row has ended.
    case ended
    case hidden
}

extension Shard {
    /// What a publish to a table becomes, and what its session may do with the row.
    func draftRow(
        _ publish: Command.Publish, _ definition: TopicDefinition, _ principal: Principal
    ) throws(Refusal) -> (message: RowMessage, draft: RowDraft) {
        let message = try RowMessage(publish)
        if let refusal = checkLength(of: "key", message.key) { throw refusal }
        let draft = RowDraft(
            readers: publish.readers, rights: access.rowRights(on: definition, for: principal),
            writer: access.isAdmin(principal) ? nil : principal)
        return (message, draft)
    }

    /// How a message looks to a session: of a stream's all are shown.
    func sight(of item: Sequenced, _ message: Message, _ slot: Int) -> RowSight {
        guard let row = message.row, let readers = row.readers else { return .shown }
        let principal = sessions[slot]!.principal
        if readers.include(principal) || access.isAdmin(principal) { return .shown }
        return (item.replacedReaders ?? row.former).include(principal) ? .ended : .hidden
    }

    /// What those are told to whom a row has ended because they may not read it any more.
    static func ending(_ item: Sequenced, _ message: Message) -> Sequenced {
        let record = item.record
        let end = Message(
            topic: message.topic, generation: message.generation, offset: message.offset,
            event: RowEvent.delete.rawValue, key: message.key, publisher: "", source: message.source, messageID: nil,
            expiry: nil, payload: Array("null".utf8), row: message.row)
        return Sequenced(
            sequence: item.sequence,
            record: Record(
                origin: record.origin, slot: record.slot, position: record.position, time: record.time, seen: record.seen,
                body: .message(end)))
    }

    /// Takes a table's live receivers off the list that gets everything, once a row is not for everybody: from then on
    /// its messages are given one by one.
    mutating func restrict(_ topic: TopicIndex, into effects: inout [ShardEffect]) {
        guard !topics[topic]!.isRestricted else { return }
        topics[topic]!.isRestricted = true
        tellSilent(topic, into: &effects)
        let heads = topics[topic]!.heads
        for slot in sessions.indices {
            guard case .listed = sessions[slot]?.followings[topic]?.stage else { continue }
            move(slot, topic, to: .selective(seen: heads, after: 0), into: &effects)
        }
    }

    mutating func readRow(
        _ name: TopicName, _ key: String, _ reference: RequestReference, _ slot: Int, ledger: any Ledger, at now: Now,
        into effects: inout [ShardEffect]
    ) {
        guard let topic = authorize(.read, name, reference, slot, ledger: ledger, at: now, into: &effects) else { return }
        let connection = sessions[slot]!.connection
        let definition = topics[topic]!.definition
        guard definition.kind == .table else {
            return refuse(.notATable(name), connection, reference, into: &effects)
        }
        // What this session has written is in it.
        deliver(ledger.take(), at: now, into: &effects)
        let id = ReadID(rawValue: nextNumber())
        sessions[slot]!.pendingCount += 1
        reads[id] = .row(connection, reference, name, key: key)
        effects.append(
            .read(
                id,
                TopicRead(
                    topic: name, generation: definition.generation, mode: .row(key, through: deliveredThrough),
                    messageLimit: 1, byteLimit: settings.historyBytes)))
    }

    /// Answers with a row, where there is one that the session may read.
    mutating func take(
        _ result: Result<TopicPage, Refusal>, ofRow key: String, _ name: TopicName, _ slot: Int,
        _ reference: RequestReference, into effects: inout [ShardEffect]
    ) {
        let connection = sessions[slot]!.connection
        switch result {
        case .failure(let refusal): refuse(refusal, connection, reference, into: &effects)
        case .success(let page):
            guard let item = page.messages.first, let message = item.record.message, isReadable(item, message, slot)
            else { return refuse(.rowUnknown(name, key), connection, reference, into: &effects) }
            answer(.row(name, item), connection, reference, into: &effects)
        }
    }

    /// A page without what the session may not read.
    func readable(_ page: TopicPage, rowsOnly: Bool, _ slot: Int) -> TopicPage {
        var page = page
        page.messages.removeAll { item in
            guard let message = item.record.message else { return true }
            return !isReadable(item, message, slot) || (rowsOnly && (message.row == nil || message.isRowEnd))
        }
        return page
    }

    private func isReadable(_ item: Sequenced, _ message: Message, _ slot: Int) -> Bool {
        if case .shown = sight(of: item, message, slot) { true } else { false }
    }
}
