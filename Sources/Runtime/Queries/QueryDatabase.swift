import Broker
import CSQLite
import Glibc
import Model

/// An empty database in memory whose tables are topics, for one query: it can read those and do nothing else.
final class QueryDatabase {
    private var handle: OpaquePointer?
    private let module: UnsafeMutablePointer<sqlite3_module>
    private let tables = TopicModule.Tables()
    private let guardian: QueryGuard
    private var onProgress: () -> Bool = { false }

    /// After so many of SQLite's instructions it asks whether to go on.
    private static let progressInterval: CInt = 2_000

    /// - Parameter topics: their columns are defined.
    init(_ topics: [TopicTable], guardian: QueryGuard, settings: QuerySettings) throws(QueryStop) {
        self.guardian = guardian
        tables.all = topics
        module = .allocate(capacity: 1)
        module.initialize(to: TopicModule.make())
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE
        guard sqlite3_open_v2(":memory:", &handle, flags, nil) == SQLITE_OK else {
            throw .refusal(.internal("SQLite could not be opened"))
        }
        limit(settings)
        sqlite3_create_module_v2(handle, TopicModule.name, module, Unmanaged.passUnretained(tables).toOpaque(), nil)
        try run("PRAGMA temp_store = MEMORY")
        for (number, topic) in topics.enumerated() {
            let name = SQLStatement.quote(topic.definition.name.text)
            try run("CREATE VIRTUAL TABLE temp.\(name) USING \(TopicModule.name)(\(number))")
        }
        sqlite3_set_authorizer(handle, { _, action, _, function, _, _ in
            switch action {
            case SQLITE_SELECT, SQLITE_READ, SQLITE_RECURSIVE: return SQLITE_OK
            case SQLITE_FUNCTION:
                return function.map { String(cString: $0).lowercased() } == "load_extension" ? SQLITE_DENY : SQLITE_OK
            default: return SQLITE_DENY
            }
        }, nil)
    }

    deinit {
        sqlite3_close_v2(handle)
        module.deallocate()
    }

    private func limit(_ settings: QuerySettings) {
        for (option, value) in [
            (SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0), (SQLITE_DBCONFIG_DEFENSIVE, 1),
            (SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0), (SQLITE_DBCONFIG_DQS_DML, 0), (SQLITE_DBCONFIG_DQS_DDL, 0),
        ] as [(CInt, CInt)] { _ = roost_sqlite_switch(handle, option, value) }
        for (limit, value) in [
            (SQLITE_LIMIT_LENGTH, CInt(settings.valueBytes)), (SQLITE_LIMIT_ATTACHED, 0),
            (SQLITE_LIMIT_COMPOUND_SELECT, 100), (SQLITE_LIMIT_EXPR_DEPTH, 200), (SQLITE_LIMIT_VARIABLE_NUMBER, 1_000),
            (SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000), (SQLITE_LIMIT_WORKER_THREADS, 0),
        ] as [(CInt, CInt)] { sqlite3_limit(handle, limit, value) }
    }

    /// Calls `body` every few thousand instructions; true ends the query.
    func watch(_ body: @escaping () -> Bool) {
        onProgress = body
        sqlite3_progress_handler(
            handle, Self.progressInterval,
            { Unmanaged<QueryDatabase>.fromOpaque($0!).takeUnretainedValue().onProgress() ? 1 : 0 },
            Unmanaged.passUnretained(self).toOpaque())
    }

    private func run(_ sql: String) throws(QueryStop) {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw failure(sqlite3_errcode(handle)) }
    }

    func prepare(_ sql: String) throws(QueryStop) -> QueryCursor {
        var statement: OpaquePointer?
        var code = SQLITE_OK
        var rest: CInt = 0
        sql.withCString { text in
            var tail: UnsafePointer<CChar>?
            code = sqlite3_prepare_v3(handle, text, -1, 0, &statement, &tail)
            rest = tail.map { CInt(strlen($0)) } ?? 0
        }
        guard code == SQLITE_OK, let statement else { throw failure(code) }
        let cursor = QueryCursor(statement, database: self)
        guard rest == 0, sqlite3_stmt_readonly(statement) != 0 else {
            throw .refusal(.queryWrong("a query must be one SELECT: nothing can be changed by SQL"))
        }
        return cursor
    }

    /// The instructions that SQLite makes of a query.
    func instructions(of sql: String) throws(QueryStop) -> Set<String> {
        let cursor = try prepare("EXPLAIN " + sql)
        var instructions: Set<String> = []
        while try cursor.step() {
            if case .text(let name) = cursor.value(1) { instructions.insert(name) }
        }
        return instructions
    }

    /// What a code of SQLite's means for the query.
    func failure(_ code: CInt) -> QueryStop {
        if let stop = guardian.stop { return stop }
        let words = String(cString: sqlite3_errmsg(handle))
        switch code & 0xFF {
        case SQLITE_NOMEM: return .refusal(.queryWrong("the query needs more memory than it may"))
        case SQLITE_TOOBIG: return .refusal(.queryWrong("a value of the query is larger than it may be"))
        case SQLITE_AUTH: return .refusal(.queryWrong("a query may only read topics: \(words)"))
        default: return .refusal(.queryWrong(words))
        }
    }
}

/// A statement that is being run.
final class QueryCursor {
    private let statement: OpaquePointer
    private let database: QueryDatabase

    init(_ statement: OpaquePointer, database: QueryDatabase) {
        self.statement = statement
        self.database = database
    }

    deinit { sqlite3_finalize(statement) }

    /// Goes to the next row; false at the end.
    func step() throws(QueryStop) -> Bool {
        switch sqlite3_step(statement) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code: throw database.failure(code)
        }
    }

    /// Begins anew, with the same values of parameters.
    func reset() { sqlite3_reset(statement) }

    var names: [String] {
        (0..<sqlite3_column_count(statement)).map { column in
            sqlite3_column_name(statement, column).map { String(cString: $0) } ?? ""
        }
    }

    func value(_ column: Int) -> QueryValue {
        let column = CInt(column)
        switch sqlite3_column_type(statement, column) {
        case SQLITE_INTEGER: return .integer(sqlite3_column_int64(statement, column))
        case SQLITE_FLOAT: return .real(sqlite3_column_double(statement, column))
        case SQLITE_TEXT:
            let isJSON = sqlite3_value_subtype(sqlite3_column_value(statement, column)) == TopicModule.jsonSubtype
            guard let text = sqlite3_column_text(statement, column) else { return .null }
            let bytes = UnsafeBufferPointer(start: text, count: Int(sqlite3_column_bytes(statement, column)))
            return isJSON ? .json(Array(bytes)) : .text(String(decoding: bytes, as: UTF8.self))
        case SQLITE_BLOB:
            guard let bytes = sqlite3_column_blob(statement, column) else { return .blob([]) }
            let count = Int(sqlite3_column_bytes(statement, column))
            return .blob(Array(UnsafeRawBufferPointer(start: bytes, count: count)))
        default: return .null
        }
    }

    /// Gives values to parameters; every one must have exactly one.
    func bind(_ parameters: QueryParameters) throws(QueryStop) {
        let count = Int(sqlite3_bind_parameter_count(statement))
        switch parameters {
        case .none:
            guard count == 0 else { throw wrong("the query has \(count) parameters and no values for them") }
        case .positional(let values):
            guard values.count == count else {
                throw wrong("the query has \(count) parameters, and \(values.count) values are given")
            }
            for (place, value) in values.enumerated() { bind(value, CInt(place + 1)) }
        case .named(let values):
            for place in 1..<CInt(count + 1) {
                guard let pointer = sqlite3_bind_parameter_name(statement, place) else {
                    throw wrong("the query has a \"?\" without a name, and its values have names")
                }
                let name = String(String(cString: pointer).dropFirst())
                guard let value = values.last(where: { $0.name == name })?.value else {
                    throw wrong("the query's parameter \"\(name)\" has no value")
                }
                bind(value, place)
            }
        }
    }

    private func bind(_ value: QueryValue, _ place: CInt) {
        switch value {
        case .null: sqlite3_bind_null(statement, place)
        case .integer(let integer): sqlite3_bind_int64(statement, place, integer)
        case .real(let real): sqlite3_bind_double(statement, place, real)
        case .text(let text): bind(Array(text.utf8), place)
        case .json(let bytes): bind(bytes, place)
        case .blob(let bytes):
            _ = bytes.withUnsafeBytes { roost_sqlite_bind_blob(statement, place, $0.baseAddress, CInt($0.count)) }
        }
    }

    private func bind(_ text: [UInt8], _ place: CInt) {
        // One more byte, so that an empty text has a place, too.
        _ = (text + [0]).withUnsafeBytes { buffer in
            buffer.withMemoryRebound(to: CChar.self) {
                roost_sqlite_bind_text(statement, place, $0.baseAddress, CInt(text.count))
            }
        }
    }

    private func wrong(_ sentence: String) -> QueryStop { .refusal(.queryWrong(sentence)) }
}
