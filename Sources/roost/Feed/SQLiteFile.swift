import CSQLite
import Glibc

/// A SQLite database that somebody else writes to, opened by its file. Of one task.
final class SQLiteFile {
    let path: String
    private var handle: OpaquePointer?

    /// How long another's lock is waited for.
    private static let patience: CInt = 10_000

    /// Opens a database that exists.
    init(_ path: String) throws(CommandFailure) {
        self.path = path
        guard access(path, F_OK) == 0 else { throw .configuration("\(path): there is no such file") }
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX
        guard sqlite3_open_v2(path, &handle, flags, nil) == SQLITE_OK else {
            let reason = handle.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(handle)
            throw .configuration("\(path) cannot be opened: \(reason)")
        }
        sqlite3_busy_timeout(handle, Self.patience)
        do throws(CommandFailure) {
            _ = try rows("SELECT count(*) FROM sqlite_schema")
        } catch {
            throw .configuration("\(path) is no SQLite database that can be read: \(error.sentence)")
        }
    }

    deinit { sqlite3_close_v2(handle) }

    /// Runs statements that give no rows.
    func run(_ sql: String) throws(CommandFailure) {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw failure() }
    }

    /// Runs `body` in one transaction, which sees one state of the database; what it changes is all kept or, after an error,
    /// not at all.
    func transaction<Result>(
        _ kind: String = "DEFERRED", _ body: () throws(CommandFailure) -> Result
    ) throws(CommandFailure) -> Result {
        try run("BEGIN \(kind)")
        do throws(CommandFailure) {
            let result = try body()
            try run("COMMIT")
            return result
        } catch {
            // The first error is the one to tell.
            sqlite3_exec(handle, "ROLLBACK", nil, nil, nil)
            throw error
        }
    }

    /// Every row of a query.
    func rows(_ sql: String, _ values: [SQLiteValue] = []) throws(CommandFailure) -> [[SQLiteValue]] {
        var rows: [[SQLiteValue]] = []
        try each(sql, values) { rows.append($0) }
        return rows
    }

    /// Hands each row of a query to `body`.
    func each(
        _ sql: String, _ values: [SQLiteValue] = [], _ body: ([SQLiteValue]) -> Void
    ) throws(CommandFailure) {
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK else { throw failure() }
        defer { sqlite3_finalize(statement) }
        for (place, value) in values.enumerated() { value.bind(to: statement, at: CInt(place + 1)) }
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW:
                body((0..<sqlite3_column_count(statement)).map { SQLiteValue(statement, $0) })
            case SQLITE_DONE: return
            default: throw failure()
            }
        }
    }

    private func failure() -> CommandFailure {
        let words = String(cString: sqlite3_errmsg(handle))
        return switch sqlite3_errcode(handle) {
        case SQLITE_BUSY, SQLITE_LOCKED: .broken("\(path) is locked by another program for too long: \(words)")
        case SQLITE_READONLY: .configuration("\(path) cannot be written to, and the feed removes changes that it has told: \(words)")
        default: .broken("\(path): \(words)")
        }
    }

    /// A name as SQL has it.
    static func quote(_ name: String) -> String {
        "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }

    /// A text as SQL has it.
    static func literal(_ text: String) -> String {
        "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
    }
}
