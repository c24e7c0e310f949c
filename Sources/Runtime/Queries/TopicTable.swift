import Broker
import Journal
import JSON
import Model

/// A topic as a table of one query: its columns, and what of it the query sees. Of the thread that runs the query.
final class TopicTable {
    /// How many of the newest messages say which fields there are.
    static let sample = 1_000
    /// The most fields that are taken from them, and how deep they may lie.
    private static let fieldLimit = 500
    private static let depthLimit = 8

    let definition: TopicDefinition
    /// The place of the topic's figures.
    let number: Int
    let source: QuerySource
    let guardian: QueryGuard
    let numbersPartitions: Bool
    let lookupBytes: Int
    /// Who sees only the rows that they may read; nil for one who sees all.
    let viewer: Principal?
    private(set) var columns: [(name: String, column: TopicColumn, isVisible: Bool)] = []
    /// Only what is after it is seen, and only what was sequenced by `through`: the same for every pass.
    var base = Cursor()
    var through: UInt64
    /// How far a live query has come.
    var reached = Cursor()
    private(set) var total = 0
    private(set) var wantsEverything = true
    private var indexes: [Int: LookupIndex] = [:]
    private var lookups: [Int: Int] = [:]

    init(
        _ definition: TopicDefinition, number: Int, source: QuerySource, guardian: QueryGuard, through: UInt64,
        columns: Query.Columns, lookupBytes: Int, viewer: Principal?
    ) throws(QueryStop) {
        self.definition = definition
        self.number = number
        self.source = source
        self.guardian = guardian
        self.through = through
        self.lookupBytes = lookupBytes
        self.viewer = viewer
        numbersPartitions = columns == .messages
        total = try survey(Cursor(), limit: 0).total
    }

    func survey(
        _ cursor: Cursor, from: WallTime? = nil, until: WallTime? = nil, limit: Int
    ) throws(QueryStop) -> SurveyPage {
        let page = try source.survey(
            SurveyRead(
                topic: definition.name, generation: definition.generation, cursor: cursor, through: through, from: from,
                until: until, limit: limit), guardian)
        guardian.figures.sources[number].total = UInt64(page.total)
        return page
    }

    /// Sees what came since, and only that where `base` says so; what was looked up is forgotten.
    func renew(base: Cursor, through: UInt64) {
        self.base = base
        self.through = through
        indexes = [:]
        lookups = [:]
    }

    /// Whether something was sequenced by `sequence` that the query has not seen.
    func hasNews(through sequence: UInt64) throws(QueryStop) -> Bool {
        let kept = through
        through = sequence
        defer { through = kept }
        return try !survey(reached, limit: 1).places.isEmpty
    }

    /// The place after everything that was sequenced by `through`.
    func end() throws(QueryStop) -> Cursor {
        var cursor = reached
        while true {
            let page = try survey(cursor, limit: 65_536)
            cursor = page.cursor
            if page.isAtEnd { return cursor }
        }
    }

    // MARK: Columns

    /// Decides on the columns: `fields` are those that `*` stands for, `paths` those that the query names.
    func define(fields: [String], paths: [String], showsMessage: Bool) throws(QueryStop) {
        var known: [String: String] = [:]
        for path in fields where known[path.uppercased()] == nil && !Self.isCommon(path) {
            known[path.uppercased()] = path
            columns.append((path, TopicColumn(path: path), true))
        }
        for path in paths where !Self.isCommon(path) {
            if let other = known[path.uppercased()] {
                guard other == path || fields.contains(other) else {
                    throw .refusal(
                        .queryWrong("\"\(other)\" and \"\(path)\" differ only in case, and columns of SQL may not do that"))
                }
                continue
            }
            known[path.uppercased()] = path
            columns.append((path, TopicColumn(path: path), false))
        }
        for (name, column) in TopicColumn.common {
            let isVisible =
                showsMessage ? column == .key || column == .value : column == .value && !columns.contains { $0.isVisible }
            columns.append((name, column, isVisible))
        }
    }

    private static func isCommon(_ name: String) -> Bool {
        TopicColumn.common.contains { $0.name.uppercased() == name.uppercased() }
    }

    /// The columns as SQLite wants to be told of them.
    var declaration: String {
        "CREATE TABLE topic("
            + columns.map { SQLStatement.quote($0.name) + ($0.isVisible ? "" : " HIDDEN") }.joined(separator: ", ") + ")"
    }

    /// The paths of the fields of the newest messages, in the order in which they were met.
    func sampledFields() throws(QueryStop) -> [String] {
        let start = try source.start(
            ofLast: Self.sample, definition.name, generation: definition.generation, guardian)
        let kept = base
        base = start
        defer { base = kept }
        var scan = try TopicScan(self)
        var paths: [String] = []
        var seen: Set<String> = []
        while let row = try scan.next() {
            guard let view = try? JSONView(parsing: row.payload) else { continue }
            Self.collect(view, under: "", depth: 0, into: &paths, &seen)
        }
        return paths
    }

    private static func collect(
        _ view: JSONView, under prefix: String, depth: Int, into paths: inout [String], _ seen: inout Set<String>
    ) {
        guard view.kind == .object, depth < depthLimit else { return }
        for (key, value) in view.members() where !key.isEmpty && !key.utf8.contains(0) {
            let path = prefix + key
            if value.kind == .object {
                collect(value, under: path + ".", depth: depth + 1, into: &paths, &seen)
            } else if paths.count < fieldLimit, seen.insert(path).inserted {
                paths.append(path)
            }
        }
    }

    // MARK: Lookups

    /// The index over a column, once the column was asked for more than once; nil at first.
    func index(over column: Int) throws(QueryStop) -> LookupIndex? {
        if let index = indexes[column] { return index }
        lookups[column, default: 0] += 1
        guard lookups[column]! > 1 else { return nil }
        let index = try LookupIndex(self, column: columns[column].column)
        indexes[column] = index
        return index
    }
}
