import Broker
import CSQLite
import Dialects
import Model

/// SQLite's virtual tables, with a topic behind each (sqlite.org/vtab.html).
///
/// A table's plan is a number: the lowest bits say which arguments come, in this order, and the bits from the eighth on
/// which column is looked up.
enum TopicModule {
    static let name = "topic"
    private static let looksUp: CInt = 1
    private static let hasFrom: CInt = 2
    private static let hasUntil: CInt = 4

    /// The tables of one query, which its connection creates by their number.
    final class Tables {
        var all: [TopicTable] = []
    }

    static func make() -> sqlite3_module {
        var module = sqlite3_module()
        module.iVersion = 1
        module.xCreate = { database, tables, _, arguments, table, error in
            TopicModule.connect(database, tables, arguments, table, error)
        }
        module.xConnect = module.xCreate
        module.xBestIndex = { TopicModule.plan($0!, $1!) }
        module.xDisconnect = { table in
            UnsafeMutableRawPointer(table!).assumingMemoryBound(to: roost_sqlite_table.self).deallocate()
            return SQLITE_OK
        }
        module.xDestroy = module.xDisconnect
        module.xOpen = { table, cursor in
            let pointer = UnsafeMutablePointer<roost_sqlite_cursor>.allocate(capacity: 1)
            pointer.initialize(to: roost_sqlite_cursor())
            pointer.pointee.object = Unmanaged.passRetained(TopicCursor(TopicModule.table(table!))).toOpaque()
            cursor!.pointee = UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: sqlite3_vtab_cursor.self)
            return SQLITE_OK
        }
        module.xClose = { cursor in
            let pointer = UnsafeMutableRawPointer(cursor!).assumingMemoryBound(to: roost_sqlite_cursor.self)
            Unmanaged<TopicCursor>.fromOpaque(pointer.pointee.object).release()
            pointer.deallocate()
            return SQLITE_OK
        }
        module.xFilter = { TopicModule.filter($0!, $1, $3, $4) }
        module.xNext = { cursor in
            let cursor = TopicModule.cursor(cursor!)
            return TopicModule.run(cursor.table) { () throws(QueryStop) in try cursor.advance() }
        }
        module.xEof = { TopicModule.cursor($0!).row == nil ? 1 : 0 }
        module.xColumn = { cursor, context, column in
            TopicModule.give(TopicModule.cursor(cursor!).value(of: Int(column)), to: context!)
            return SQLITE_OK
        }
        module.xRowid = { cursor, number in
            number!.pointee = TopicModule.cursor(cursor!).number
            return SQLITE_OK
        }
        return module
    }

    private static func table(_ table: UnsafeMutablePointer<sqlite3_vtab>) -> TopicTable {
        let pointer = UnsafeMutableRawPointer(table).assumingMemoryBound(to: roost_sqlite_table.self)
        return Unmanaged<TopicTable>.fromOpaque(pointer.pointee.object).takeUnretainedValue()
    }

    private static func cursor(_ cursor: UnsafeMutablePointer<sqlite3_vtab_cursor>) -> TopicCursor {
        let pointer = UnsafeMutableRawPointer(cursor).assumingMemoryBound(to: roost_sqlite_cursor.self)
        return Unmanaged<TopicCursor>.fromOpaque(pointer.pointee.object).takeUnretainedValue()
    }

    /// Lets what stops a query stop SQLite, too; the guard keeps the reason.
    private static func run(_ table: TopicTable, _ body: () throws(QueryStop) -> Void) -> CInt {
        do throws(QueryStop) {
            try body()
            return SQLITE_OK
        } catch {
            table.guardian.stop = error
            return SQLITE_INTERRUPT
        }
    }

    private static func connect(
        _ database: OpaquePointer?, _ tables: UnsafeMutableRawPointer?,
        _ arguments: UnsafePointer<UnsafePointer<CChar>?>?,
        _ table: UnsafeMutablePointer<UnsafeMutablePointer<sqlite3_vtab>?>?,
        _ error: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    ) -> CInt {
        let all = Unmanaged<Tables>.fromOpaque(tables!).takeUnretainedValue().all
        guard let text = arguments?[3], let number = Int(String(cString: text)), all.indices.contains(number) else {
            return SQLITE_ERROR
        }
        let code = sqlite3_declare_vtab(database, all[number].declaration)
        guard code == SQLITE_OK else {
            error?.pointee = roost_sqlite_copy(sqlite3_errmsg(database))
            return code
        }
        let pointer = UnsafeMutablePointer<roost_sqlite_table>.allocate(capacity: 1)
        pointer.initialize(to: roost_sqlite_table())
        pointer.pointee.object = Unmanaged.passUnretained(all[number]).toOpaque()
        table?.pointee = UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: sqlite3_vtab.self)
        return SQLITE_OK
    }

    // MARK: Plans

    /// Offers to look up a column that a join compares, to read a span of time, and to give rows in order of time.
    private static func plan(
        _ table: UnsafeMutablePointer<sqlite3_vtab>, _ info: UnsafeMutablePointer<sqlite3_index_info>
    ) -> CInt {
        let topic = Self.table(table)
        let rows = Double(max(1, topic.total))
        var (plan, arguments): (CInt, CInt) = (0, 0)
        if let (place, column) = lookup(info, topic) {
            info.pointee.aConstraintUsage[place].argvIndex = 1
            info.pointee.idxNum = looksUp | column << 8
            // An index is made once and read often; it costs more memory the larger the topic is.
            info.pointee.estimatedCost = 10 + rows * rows.squareRoot() / 1_000
            info.pointee.estimatedRows = sqlite3_int64(max(1, rows / 1_000))
            return SQLITE_OK
        }
        for (flag, operators) in [
            (hasFrom, [SQLITE_INDEX_CONSTRAINT_GE, SQLITE_INDEX_CONSTRAINT_GT]),
            (hasUntil, [SQLITE_INDEX_CONSTRAINT_LE, SQLITE_INDEX_CONSTRAINT_LT]),
        ] {
            for place in 0..<Int(info.pointee.nConstraint) {
                let constraint = info.pointee.aConstraint[place]
                guard constraint.usable != 0, constraint.iColumn >= 0,
                    topic.columns[Int(constraint.iColumn)].column == .timestamp, isBinary(info, place),
                    operators.contains(CInt(constraint.op))
                else { continue }
                arguments += 1
                info.pointee.aConstraintUsage[place].argvIndex = arguments
                plan |= flag
                break
            }
        }
        info.pointee.idxNum = plan
        let share = arguments == 0 ? 1 : 0.25
        info.pointee.estimatedCost = rows * share
        info.pointee.estimatedRows = sqlite3_int64(max(1, rows * share))
        if info.pointee.nOrderBy == 1, info.pointee.aOrderBy[0].desc == 0, info.pointee.aOrderBy[0].iColumn >= 0,
            topic.columns[Int(info.pointee.aOrderBy[0].iColumn)].column == .timestamp
        {
            info.pointee.orderByConsumed = 1
        }
        return SQLITE_OK
    }

    /// A column that is compared with something which is not known beforehand, as in a join.
    private static func lookup(
        _ info: UnsafeMutablePointer<sqlite3_index_info>, _ topic: TopicTable
    ) -> (place: Int, column: CInt)? {
        for place in 0..<Int(info.pointee.nConstraint) {
            let constraint = info.pointee.aConstraint[place]
            var value: OpaquePointer?
            guard constraint.usable != 0, constraint.iColumn >= 0,
                CInt(constraint.op) == SQLITE_INDEX_CONSTRAINT_EQ, isBinary(info, place),
                sqlite3_vtab_rhs_value(info, CInt(place), &value) != SQLITE_OK
            else { continue }
            return (place, constraint.iColumn)
        }
        return nil
    }

    private static func isBinary(_ info: UnsafeMutablePointer<sqlite3_index_info>, _ place: Int) -> Bool {
        sqlite3_vtab_collation(info, CInt(place)).map { String(cString: $0) == "BINARY" } ?? false
    }

    private static func filter(
        _ cursor: UnsafeMutablePointer<sqlite3_vtab_cursor>, _ plan: CInt, _ count: CInt,
        _ arguments: UnsafeMutablePointer<OpaquePointer?>?
    ) -> CInt {
        let cursor = Self.cursor(cursor)
        return run(cursor.table) { () throws(QueryStop) in
            if plan & looksUp != 0 {
                return try cursor.begin(Self.value(arguments?[0]), in: Int(plan >> 8))
            }
            var place = 0
            var times: [CInt: WallTime] = [:]
            for flag in [hasFrom, hasUntil] where plan & flag != 0 && place < count {
                if let time = Self.time(arguments?[place]) { times[flag] = time }
                place += 1
            }
            try cursor.begin(from: times[hasFrom], until: times[hasUntil])
        }
    }

    /// The time that a text stands for, where texts order as times do: in the one form that `_timestamp` has.
    private static func time(_ value: OpaquePointer?) -> WallTime? {
        guard case .text(let bytes) = Self.value(value) else { return nil }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let time = Timestamp.time(text), Timestamp.text(time) == text else { return nil }
        return time
    }

    // MARK: Values

    private static func value(_ value: OpaquePointer?) -> ColumnValue {
        switch sqlite3_value_type(value) {
        case SQLITE_INTEGER: return .integer(sqlite3_value_int64(value))
        case SQLITE_FLOAT: return .real(sqlite3_value_double(value))
        case SQLITE_TEXT:
            guard let text = sqlite3_value_text(value) else { return .null }
            return .text(Array(UnsafeBufferPointer(start: text, count: Int(sqlite3_value_bytes(value))))[...])
        default: return .null
        }
    }

    private static func give(_ value: ColumnValue, to context: OpaquePointer) {
        switch value {
        case .null: sqlite3_result_null(context)
        case .integer(let integer): sqlite3_result_int64(context, integer)
        case .real(let real): sqlite3_result_double(context, real)
        case .text(let bytes): give(bytes, to: context)
        case .json(let bytes):
            give(bytes, to: context)
            sqlite3_result_subtype(context, jsonSubtype)
        }
    }

    /// What SQLite's own JSON functions mark their results with.
    static let jsonSubtype: CUnsignedInt = 74

    private static func give(_ bytes: ArraySlice<UInt8>, to context: OpaquePointer) {
        bytes.withUnsafeBytes { buffer in
            buffer.withMemoryRebound(to: CChar.self) { text in
                roost_sqlite_result_text(context, text.baseAddress ?? emptyText, CInt(text.count))
            }
        }
    }

    nonisolated(unsafe) private static let emptyText: UnsafePointer<CChar> = {
        let text = UnsafeMutablePointer<CChar>.allocate(capacity: 1)
        text.initialize(to: 0)
        return UnsafePointer(text)
    }()
}
