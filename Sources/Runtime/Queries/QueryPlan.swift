import Broker
import Dialects
import Model

/// A query made ready: its tables, its statement, and what its columns are called.
final class QueryPlan {
    let tables: [TopicTable]
    let cursor: QueryCursor
    let columns: [QueryColumn]
    /// Whether each row stands for one message, and its last columns say which.
    let hasOrigin: Bool
    /// Whether what comes later can be read by itself, without what came before.
    let isIncremental: Bool
    private let database: QueryDatabase
    private let source: QuerySource

    /// What is added to the columns where rows stand for messages.
    private static let originColumns = ["_offset", "_partition", "_timestamp", "__keysize", "__valuesize"]

    init(
        _ task: QueryTask, source: QuerySource, guardian: QueryGuard, settings: QuerySettings, tick: @escaping () -> Bool
    ) throws(QueryStop) {
        let (query, statement) = (task.query, task.statement)
        self.source = source
        let through = source.sequence()
        var tables: [TopicTable] = []
        for (number, topic) in task.topics.enumerated() {
            tables.append(
                try TopicTable(
                    topic, number: number, source: source, guardian: guardian, through: through, columns: query.columns,
                    lookupBytes: settings.lookupBytes, viewer: task.viewer))
        }
        try Self.refuseLikeNames(task.topics)
        try Self.define(tables, statement, query.columns)
        self.tables = tables
        database = try QueryDatabase(tables, guardian: guardian, settings: settings)
        database.watch(tick)
        let plain = statement.text()
        let isAggregate: Bool
        if statement.isSimple, query.columns == .messages || query.isLive {
            let instructions = try database.instructions(of: plain)
            isAggregate = instructions.contains { $0.hasPrefix("Agg") }
            let keeps = ["SorterOpen", "OpenEphemeral", "DecrJumpZero", "IfNotZero", "IfPos"]
            isIncremental = !isAggregate && instructions.isDisjoint(with: keeps)
        } else {
            isAggregate = true
            isIncremental = false
        }
        hasOrigin = query.columns == .messages && !isAggregate
        let alias = statement.tables.first.map { SQLStatement.quote($0.alias ?? $0.name) } ?? ""
        let addition = Self.originColumns.map { ", \(alias).\(SQLStatement.quote($0))" }.joined()
        cursor = try database.prepare(hasOrigin ? statement.text(adding: addition + " ") : plain)
        try cursor.bind(query.parameters)
        let names = cursor.names.dropLast(hasOrigin ? Self.originColumns.count : 0)
        columns = query.columns == .fields ? names.map { QueryColumn(name: $0) } : Self.shortened(Array(names), statement)
    }

    /// SQL does not tell names apart by case, and topics are.
    private static func refuseLikeNames(_ topics: [TopicDefinition]) throws(QueryStop) {
        var seen: [String: String] = [:]
        for topic in topics.map(\.name.text) {
            if let other = seen.updateValue(topic, forKey: topic.uppercased()) {
                throw .refusal(
                    .queryWrong("topics \"\(other)\" and \"\(topic)\" differ only in case, and tables of SQL may not do that"))
            }
        }
    }

    /// Gives every table the columns that the statement wants of it.
    private static func define(
        _ tables: [TopicTable], _ statement: SQLStatement, _ style: Query.Columns
    ) throws(QueryStop) {
        var paths = Array(repeating: [String](), count: tables.count)
        var fields: [Int: [String]] = [:]
        func sampled(_ number: Int) throws(QueryStop) -> [String] {
            if let known = fields[number] { return known }
            let found = try tables[number].sampledFields()
            fields[number] = found
            return found
        }
        for reference in statement.references {
            let owners = Set(
                reference.tables.compactMap { place in
                    tables.firstIndex { $0.definition.name.text == statement.tables[place].name }
                }
            ).sorted()
            var chosen = owners
            if owners.count > 1, !reference.isShared {
                var having: [Int] = []
                for owner in owners {
                    let isThere = try sampled(owner).contains {
                        $0 == reference.path || $0.hasPrefix(reference.path + ".")
                    }
                    if isThere { having.append(owner) }
                }
                chosen = having.isEmpty ? [owners[0]] : having
            }
            for owner in chosen where !paths[owner].contains(reference.path) { paths[owner].append(reference.path) }
        }
        for (number, table) in tables.enumerated() {
            let shown = statement.hasStar && style == .fields ? try sampled(number) : []
            try table.define(fields: shown, paths: paths[number], showsMessage: style == .messages)
        }
    }

    /// Columns by the last part of their path, or by their function.
    private static func shortened(_ names: [String], _ statement: SQLStatement) -> [QueryColumn] {
        var columns: [QueryColumn] = []
        for name in names {
            if statement.hasStar, name == "_key" || name == "_value" {
                columns.append(QueryColumn(name: name, role: name == "_key" ? .key : .message))
                continue
            }
            var short = name
            if let parenthesis = name.firstIndex(of: "("), !name[..<parenthesis].isEmpty {
                short = name[..<parenthesis].trimmingSuffix(while: { $0 == " " }).lowercased()
            } else if statement.references.contains(where: { $0.path == name }), let point = name.lastIndex(of: ".") {
                short = String(name[name.index(after: point)...])
            }
            var (unique, count) = (short, 1)
            while columns.contains(where: { $0.name == unique }) {
                unique = "\(short)_\(count)"
                count += 1
            }
            columns.append(QueryColumn(name: unique))
        }
        return columns
    }

    /// The row at which the cursor stands.
    var row: QueryRow {
        let values = columns.indices.map { cursor.value($0) }
        guard hasOrigin else { return QueryRow(values: values) }
        let rest = Self.originColumns.indices.map { cursor.value(columns.count + $0) }
        guard case .integer(let offset) = rest[0], case .integer(let partition) = rest[1], case .text(let time) = rest[2],
            case .integer(let keySize) = rest[3], case .integer(let valueSize) = rest[4]
        else { return QueryRow(values: values) }
        return QueryRow(
            values: values,
            origin: QueryRow.Origin(
                partition: partition, offset: UInt64(offset), time: QueryPlan.time(time), keySize: Int(keySize),
                valueSize: Int(valueSize)))
    }
}

extension QueryPlan {
    /// What a `_timestamp` says.
    private static func time(_ text: String) -> WallTime { Timestamp.time(text) ?? WallTime(milliseconds: 0) }

    /// Takes note of how far a live query has come.
    func settle() throws(QueryStop) {
        cursor.reset()
        for table in tables { table.reached = try table.end() }
    }

    /// Whether messages have come since.
    func hasNews() throws(QueryStop) -> Bool {
        let now = source.sequence()
        for table in tables {
            if try table.hasNews(through: now) { return true }
        }
        return false
    }

    /// Begins anew over what there is now; an incremental query then sees only what has come.
    func renew() throws(QueryStop) {
        let now = source.sequence()
        for table in tables { table.renew(base: isIncremental ? table.reached : Cursor(), through: now) }
    }
}

extension Substring {
    /// Without the characters at its end that `isDropped` accepts.
    fileprivate func trimmingSuffix(while isDropped: (Character) -> Bool) -> Substring {
        var rest = self
        while let last = rest.last, isDropped(last) { rest.removeLast() }
        return rest
    }
}
