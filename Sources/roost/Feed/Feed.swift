import Model

/// Follows a database: compares its tables with their topics once, and then publishes what changes.
///
/// What was told is kept nowhere but in the topics: at each start, and when the schema has changed, the rows of both sides are
/// compared and only what differs is published, so that nothing is lost or told twice, whatever happened meanwhile. Changes
/// are removed from the database once the rows that they lead to are acknowledged.
final class Feed {
    private let file: SQLiteFile
    private let changes: ChangeTable
    private let topics: FedTopics
    private let publisher: FeedPublisher
    private let plan: Plan
    private var tables: [String: FedTable] = [:]
    /// The version of the schema that was looked at, and that of the last comparison which came to its end.
    private var (schema, comparedSchema): (Int64, Int64) = (-1, -1)
    private var id = ""
    private var warned: Set<String> = []
    /// The newest change that is in what a table was compared with.
    private var comparedThrough: [String: Int64] = [:]
    /// Rows that were read when later changes of theirs had come already, with the newest change that is in them.
    private var toldThrough: [Place: Int64] = [:]

    /// What the operator wants.
    struct Plan: Sendable {
        /// nil for every table that can be fed.
        var tables: [String]?
        var prefix: String
        var installs: Bool
    }

    /// How many changes one round takes.
    private static let batch = 1_000

    init(file: SQLiteFile, plan: Plan, topics: FedTopics, publisher: FeedPublisher) {
        self.file = file
        self.plan = plan
        self.topics = topics
        self.publisher = publisher
        changes = ChangeTable(file: file)
    }

    /// Brings the topics to where the database is; gives how many rows were published.
    func round() async throws(CommandFailure) -> Int {
        if try changes.schemaVersion != comparedSchema { return try await compare() }
        return try await followChanges()
    }

    // MARK: Comparing

    private func compare() async throws(CommandFailure) -> Int {
        let gone = try prepareTables()
        for table in tables.values.sorted(by: { $0.name < $1.name }) { try await topics.prepare(table.topic) }
        var count = 0
        let newest = try changes.newest
        toldThrough = [:]
        for table in tables.values.sorted(by: { $0.name < $1.name }) { count += try await compare(table) }
        for table in gone {
            writeError("roost: table \"\(table.name)\" is not there any more: its rows end")
            let ended = try await topics.rows(of: table.topic).keys.sorted()
            try await publish(ended.map { row(table.topic, $0, nil, newest) })
            count += ended.count
        }
        // What came up to here is in what was compared.
        try changes.forget(through: newest)
        comparedSchema = schema
        return count
    }

    /// Looks at the schema, and installs what is missing where that was allowed; gives tables that were fed and are gone.
    private func prepareTables() throws(CommandFailure) -> [FedTable] {
        let found = try FedTable.all(in: file, wanted: plan.tables, prefix: plan.prefix)
        for (name, reason) in found.refused {
            let words = "table \"\(name)\" cannot be fed: \(reason)"
            if plan.tables != nil { throw .configuration(words) }
            if warned.insert(words).inserted { writeError("roost: \(words)") }
        }
        let gone = tables.values.filter { table in !found.tables.contains { $0.name == table.name } }
        if let missing = plan.tables?.first(where: { name in !found.tables.contains { $0.name == name } }), gone.isEmpty {
            throw .configuration("\(file.path) has no table \"\(missing)\"")
        }
        let isInstalled = try changes.isInstalled
        let bare = isInstalled ? try changes.tablesWithoutTriggers(found.tables) : found.tables
        if !bare.isEmpty || !isInstalled {
            guard plan.installs else {
                throw .configuration(
                    "the feed has no triggers on \(bare.map { "\"\($0.name)\"" }.joined(separator: ", ")) of \(file.path): run it "
                        + "with --install, which adds tables _roost_changes and _roost_feed, and three triggers for each "
                        + "table; --uninstall removes them")
            }
            try changes.install(on: bare)
        }
        id = try changes.id
        tables = Dictionary(uniqueKeysWithValues: found.tables.map { ($0.name, $0) })
        schema = try changes.schemaVersion
        return gone.sorted { $0.name < $1.name }
    }

    /// Publishes the rows in which a table and its topic differ; they are held in memory meanwhile.
    private func compare(_ table: FedTable) async throws(CommandFailure) -> Int {
        var known = try await topics.rows(of: table.topic)
        let (newest, rows) = try file.transaction { () throws(CommandFailure) -> (Int64, [FedRow]) in
            let newest = try changes.newest
            var rows: [FedRow] = []
            try table.rows(in: file) { key, value in
                if known.removeValue(forKey: key) == value.hashValue { return }
                rows.append(row(table.topic, key, value, newest))
            }
            return (newest, rows + known.keys.sorted().map { row(table.topic, $0, nil, newest) })
        }
        var count = 0
        for start in stride(from: 0, to: rows.count, by: Self.batch) {
            count += try await publish(Array(rows[start..<min(start + Self.batch, rows.count)]))
        }
        comparedThrough[table.name] = newest
        return count
    }

    // MARK: Following

    private func followChanges() async throws(CommandFailure) -> Int {
        // Changes and rows are read from one state of the database: each row is what the last of its changes has made it.
        let (last, newest, read, rows) = try file.transaction {
            () throws(CommandFailure) -> (Int64, Int64, [Place], [FedRow]) in
            let batch = try changes.changes(atMost: Self.batch)
            var lastOf: [Place: Int64] = [:]
            for change in batch { lastOf[Place(change)] = change.number }
            var (rows, read): ([FedRow], [Place]) = ([], [])
            for change in batch where lastOf[Place(change)] == change.number {
                guard let table = tables[change.table], change.number > comparedThrough[change.table] ?? 0,
                    change.number > toldThrough[Place(change)] ?? 0
                else { continue }
                let key = Array(change.key[..<table.keyColumns.count])
                read.append(Place(change))
                rows.append(row(table.topic, FedTable.key(key), try table.row(key, in: file), change.number))
            }
            return (batch.last?.number ?? 0, try changes.newest, read, rows)
        }
        guard last > 0 else { return 0 }
        let count = try await publish(rows)
        try changes.forget(through: last)
        if last < newest { for place in read { toldThrough[place] = newest } } else { toldThrough = [:] }
        return count
    }

    private struct Place: Hashable {
        let table: String
        let key: [SQLiteValue]

        init(_ change: ChangeTable.Change) {
            (table, key) = (change.table, change.key)
        }
    }

    private func row(_ topic: TopicName, _ key: String, _ value: [UInt8]?, _ number: Int64) -> FedRow {
        let content = (Array(key.utf8) + [0] + (value ?? [])).hashed
        return FedRow(topic: topic, key: key, value: value, messageID: "\(id)-\(schema)-\(number)-\(content)")
    }

    @discardableResult
    private func publish(_ rows: [FedRow]) async throws(CommandFailure) -> Int {
        var fit: [FedRow] = []
        for row in rows {
            let trouble =
                row.key.isEmpty ? "its key is empty"
                : row.key.utf8.count > 255 ? "its key has \(row.key.utf8.count) bytes; at most 255 are possible"
                : row.value?.count ?? 0 > FeedPublisher.rowLimit
                    ? "it has \(row.value?.count ?? 0) bytes as JSON; at most \(FeedPublisher.rowLimit) are possible" : nil
            if let trouble {
                writeError("roost: a row of \(row.topic) is left out: \(trouble) (\(row.key.prefix(64)))")
            } else {
                fit.append(row)
            }
        }
        if !fit.isEmpty { try await publisher.publish(fit) }
        return fit.count
    }
}

extension Array<UInt8> {
    /// The same in every process, unlike `hashValue`: FNV-1a of 64 bits.
    fileprivate var hashed: String {
        String(reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }, radix: 16)
    }
}
