/// What the feed has in the database that it follows: a table of the keys of rows that were changed, three triggers on each
/// table that put them there, and an id of the feed's own. Nothing is added without the operator's word.
struct ChangeTable {
    let file: SQLiteFile

    private static let name = "_roost_changes"
    private static let identity = "_roost_feed"
    private static let triggerPrefix = "_roost_"
    private static let events = ["insert", "update", "delete"]

    /// A row that was changed.
    struct Change: Sendable {
        let number: Int64
        let table: String
        let key: [SQLiteValue]
    }

    /// Adds what is missing, in one transaction.
    func install(on tables: [FedTable]) throws(CommandFailure) {
        let keys = (1...FedTable.keyLimit).map { "k\($0)" }.joined(separator: ", ")
        try file.transaction("IMMEDIATE") { () throws(CommandFailure) in
            // Key columns have no type, so that every value stays as it is.
            try file.run(
                """
                CREATE TABLE IF NOT EXISTS \(Self.name) (number INTEGER PRIMARY KEY AUTOINCREMENT, "table" TEXT NOT NULL, \(keys));
                CREATE TABLE IF NOT EXISTS \(Self.identity) (id TEXT NOT NULL);
                INSERT INTO \(Self.identity) SELECT lower(hex(randomblob(8)))
                WHERE NOT EXISTS (SELECT 1 FROM \(Self.identity));
                """)
            for table in tables {
                for event in Self.events { try file.run(trigger(event, on: table)) }
            }
        }
    }

    private func trigger(_ event: String, on table: FedTable) -> String {
        let names = (1...table.keyColumns.count).map { "k\($0)" }.joined(separator: ", ")
        let keys = table.keyColumns.map(SQLiteFile.quote)
        func insertion(_ row: String, _ condition: String = "") -> String {
            let values = keys.map { "\(row).\($0)" }.joined(separator: ", ")
            return "INSERT INTO \(Self.name) (\"table\", \(names)) SELECT \(SQLiteFile.literal(table.name)), \(values)\(condition);"
        }
        // A changed key is the end of one row and the beginning of another.
        let hasMoved = " WHERE NOT (" + keys.map { "OLD.\($0) IS NEW.\($0)" }.joined(separator: " AND ") + ")"
        let body =
            switch event {
            case "insert": insertion("NEW")
            case "delete": insertion("OLD")
            default: insertion("OLD", hasMoved) + " " + insertion("NEW")
            }
        let name = SQLiteFile.quote(triggerName(event, table.name))
        return "DROP TRIGGER IF EXISTS \(name); CREATE TRIGGER \(name) AFTER \(event.uppercased()) ON "
            + "\(SQLiteFile.quote(table.name)) BEGIN \(body) END;"
    }

    private func triggerName(_ event: String, _ table: String) -> String { "\(Self.triggerPrefix)\(event)_\(table)" }

    /// The tables that lack a trigger, or have one that was made for another key.
    func tablesWithoutTriggers(_ tables: [FedTable]) throws(CommandFailure) -> [FedTable] {
        var missing: [FedTable] = []
        for table in tables {
            for event in Self.events {
                let found = try file.rows(
                    "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND name = ? AND tbl_name = ?",
                    [.text(triggerName(event, table.name)), .text(table.name)])
                let wanted = trigger(event, on: table)
                guard let sql = found.first?[0].text, wanted.hasSuffix(sql + ";") else {
                    missing.append(table)
                    break
                }
            }
        }
        return missing
    }

    /// Removes everything that was installed; gives how many triggers there were.
    func uninstall() throws(CommandFailure) -> Int {
        try file.transaction("IMMEDIATE") { () throws(CommandFailure) in
            let triggers = try file.rows(
                "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '\\_roost\\_%' ESCAPE '\\'")
            for name in triggers.compactMap(\.[0].text) { try file.run("DROP TRIGGER \(SQLiteFile.quote(name))") }
            for table in [Self.name, Self.identity] { try file.run("DROP TABLE IF EXISTS \(table)") }
            return triggers.count
        }
    }

    var isInstalled: Bool {
        get throws(CommandFailure) {
            try !file.rows("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", [.text(Self.name)]).isEmpty
        }
    }

    /// The feed's own id in this database.
    var id: String {
        get throws(CommandFailure) { try file.rows("SELECT id FROM \(Self.identity)").first?[0].text ?? "" }
    }

    /// The number of the newest change, also of one that was forgotten; 0 for none.
    var newest: Int64 {
        get throws(CommandFailure) {
            try file.rows("SELECT seq FROM sqlite_sequence WHERE name = ?", [.text(Self.name)]).first?[0].integer ?? 0
        }
    }

    /// The oldest changes that have not been told, at most so many.
    func changes(atMost limit: Int) throws(CommandFailure) -> [Change] {
        let keys = (1...FedTable.keyLimit).map { "k\($0)" }.joined(separator: ", ")
        let rows = try file.rows(
            "SELECT number, \"table\", \(keys) FROM \(Self.name) ORDER BY number LIMIT ?", [.integer(Int64(limit))])
        return rows.compactMap { row in
            guard let number = row[0].integer, let table = row[1].text else { return nil }
            return Change(number: number, table: table, key: Array(row[2...]))
        }
    }

    /// Forgets changes that have been told.
    func forget(through number: Int64) throws(CommandFailure) {
        _ = try file.rows("DELETE FROM \(Self.name) WHERE number <= ?", [.integer(number)])
    }

    /// Counts changes of the schema.
    var schemaVersion: Int64 {
        get throws(CommandFailure) { try file.rows("PRAGMA schema_version").first?[0].integer ?? 0 }
    }
}
