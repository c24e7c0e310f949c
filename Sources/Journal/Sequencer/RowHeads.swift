import Model

/// The newest version of every row of every table, without the values: what a write replaces and what it is held against.
///
/// Ended rows are remembered as the log remembers them, so that an older version which comes late does not bring one back.
struct RowHeads: Sendable {
    private var tables: [TopicGeneration: [String: RowHead]]
    /// How many rows are remembered, ended ones among them.
    private(set) var count: Int

    init(_ tables: [TopicGeneration: [String: RowHead]]) {
        self.tables = tables
        count = tables.values.reduce(0) { $0 + $1.count }
    }

    /// The version that a draft makes of its row, and what becomes of the row by it.
    ///
    /// - Parameter isRepeat: whether another origin's record says the same already: this one must not beat it.
    func version(
        of draft: Draft, in table: TopicGeneration, isRepeat: Bool, capacity: Int
    ) -> Result<(version: RowVersion, event: RowEvent), SequencerRefusal> {
        guard let key = draft.key, let wish = draft.row else { return .failure(.notAStream) }
        let known = tables[table]?[key]
        let isEnd = draft.payload == Self.null
        let event: RowEvent = isEnd ? .delete : known?.isDeleted ?? true ? .create : .update
        if isRepeat { return .success((RowVersion(revision: 0, readers: known?.readers), event)) }
        guard wish.rights.contains(event.right) else { return .failure(.rowForbidden(event)) }
        if let known, !known.isDeleted, let writer = wish.writer, known.readers?.include(writer) == false {
            return .failure(.rowForbidden(event))
        }
        if isEnd, known?.isDeleted ?? true { return .failure(.rowUnknown) }
        guard known != nil || count < capacity else { return .failure(.rowLimit(capacity)) }
        let readers: RowReaders?
        switch wish.readers {
        case .changed(let given): readers = given
        case .kept: readers = event == .create ? nil : known?.readers
        }
        let former = known.map { $0.former.adding($0.readers) } ?? .nobody
        return .success((RowVersion(revision: (known?.rank.revision ?? 0) + 1, readers: readers, former: former), event))
    }

    /// Takes in a version; gives whether it is the row now, and who could read the one that it replaced.
    mutating func merge(_ head: RowHead, key: String, in table: TopicGeneration) -> (isNewest: Bool, replaced: FormerReaders) {
        let known = tables[table]?[key]
        if let known, known.rank >= head.rank { return (false, .nobody) }
        tables[table, default: [:]][key] = head
        guard let known else {
            count += 1
            return (true, .nobody)
        }
        return (true, known.isDeleted ? .nobody : FormerReaders.nobody.adding(known.readers))
    }

    /// Forgets a table.
    mutating func forget(_ table: TopicGeneration) { count -= tables.removeValue(forKey: table)?.count ?? 0 }

    private static let null = Array("null".utf8)
}
