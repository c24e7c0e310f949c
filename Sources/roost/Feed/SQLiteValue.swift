import CSQLite
import JSON
import Model

/// A value of SQLite's.
enum SQLiteValue: Hashable, Sendable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])

    init(_ statement: OpaquePointer?, _ column: CInt) {
        switch sqlite3_column_type(statement, column) {
        case SQLITE_INTEGER: self = .integer(sqlite3_column_int64(statement, column))
        case SQLITE_FLOAT: self = .real(sqlite3_column_double(statement, column))
        case SQLITE_TEXT:
            guard let text = sqlite3_column_text(statement, column) else {
                self = .null
                return
            }
            // What is no UTF-8 is mended, since JSON has no place for it.
            let bytes = UnsafeBufferPointer(start: text, count: Int(sqlite3_column_bytes(statement, column)))
            self = .text(String(decoding: bytes, as: UTF8.self))
        case SQLITE_BLOB:
            let count = Int(sqlite3_column_bytes(statement, column))
            self = .blob(sqlite3_column_blob(statement, column).map { Array(UnsafeRawBufferPointer(start: $0, count: count)) } ?? [])
        default: self = .null
        }
    }

    func bind(to statement: OpaquePointer?, at place: CInt) {
        switch self {
        case .null: sqlite3_bind_null(statement, place)
        case .integer(let value): sqlite3_bind_int64(statement, place, value)
        case .real(let value): sqlite3_bind_double(statement, place, value)
        case .text(let text):
            var text = text
            _ = text.withUTF8 { bytes in
                bytes.withMemoryRebound(to: CChar.self) {
                    roost_sqlite_bind_text(statement, place, $0.baseAddress, CInt($0.count))
                }
            }
        case .blob(let bytes):
            _ = bytes.withUnsafeBytes { roost_sqlite_bind_blob(statement, place, $0.baseAddress, CInt($0.count)) }
        }
    }

    var text: String? { if case .text(let text) = self { text } else { nil } }

    var integer: Int64? { if case .integer(let value) = self { value } else { nil } }

    /// The value as it stands in a row's JSON: bytes as `{"base64": …}`, numbers that JSON has not as their names.
    func write(to writer: inout JSONWriter) {
        switch self {
        case .null: writer.null()
        case .integer(let value): writer.integer(value)
        case .real(let value):
            if value.isFinite { writer.double(value) } else { writer.string(value > 0 ? "Infinity" : "-Infinity") }
        case .text(let text): writer.string(text)
        case .blob(let bytes):
            writer.beginObject()
            writer.key("base64")
            writer.string(base64Encode(bytes))
            writer.endObject()
        }
    }

    /// The value as the key of a row.
    var key: String? {
        switch self {
        case .integer(let value): String(value)
        case .text(let text): text
        case .null, .real, .blob: nil
        }
    }
}
