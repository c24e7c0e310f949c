import JSON
import Model

/// A table of a database whose rows are published, as its schema has it now.
struct FedTable: Equatable, Sendable {
    let name: String
    /// The columns that make the key, in the key's order.
    let keyColumns: [String]
    let topic: TopicName

    /// The most columns of a key.
    static let keyLimit = 8

    /// The tables that can be fed, and why others cannot.
    ///
    /// - Parameter wanted: only these, each of which must be there; nil for all.
    static func all(
        in file: SQLiteFile, wanted: [String]?, prefix: String
    ) throws(CommandFailure) -> (tables: [FedTable], refused: [(name: String, reason: String)]) {
        let found = try file.rows(
            """
            SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
            AND name NOT LIKE '\\_roost\\_%' ESCAPE '\\' ORDER BY name
            """)
        var tables: [FedTable] = []
        var refused: [(name: String, reason: String)] = []
        for row in found {
            guard let name = row[0].text, wanted?.contains(name) ?? true else { continue }
            do throws(Unfit) {
                tables.append(try FedTable(name, definition: row[1].text ?? "", in: file, prefix: prefix))
            } catch {
                switch error {
                case .reason(let reason): refused.append((name, reason))
                case .failure(let failure): throw failure
                }
            }
        }
        return (tables, refused)
    }

    /// Why a table cannot be fed, or could not be looked at.
    private enum Unfit: Error {
        case reason(String)
        case failure(CommandFailure)
    }

    private init(_ name: String, definition: String, in file: SQLiteFile, prefix: String) throws(Unfit) {
        self.name = name
        guard !definition.uppercased().hasPrefix("CREATE VIRTUAL") else {
            throw .reason("it is a virtual table, on which there can be no triggers")
        }
        let columns: [[SQLiteValue]]
        do throws(CommandFailure) {
            columns = try file.rows("SELECT name, pk FROM pragma_table_xinfo(?) WHERE hidden IN (0, 2, 3)", [.text(name)])
        } catch { throw .failure(error) }
        let keys = columns.filter { $0[1].integer ?? 0 > 0 }.sorted { $0[1].integer ?? 0 < $1[1].integer ?? 0 }
        keyColumns = keys.compactMap(\.[0].text)
        guard !keyColumns.isEmpty else {
            throw .reason("it has no primary key, by which a row could be told from others")
        }
        guard keyColumns.count <= Self.keyLimit else {
            throw .reason("its primary key has \(keyColumns.count) columns; at most \(Self.keyLimit) are possible")
        }
        do throws(TopicNameError) { topic = try TopicName(prefix + name) } catch {
            throw .reason("\"\(prefix + name)\" can be no topic: \(error.description)")
        }
    }

    /// The row's key as text: a number or a text of a key of one column as it is, any other as a JSON array.
    static func key(_ values: [SQLiteValue]) -> String {
        if values.count == 1, let key = values[0].key { return key }
        var writer = JSONWriter()
        writer.beginArray()
        for value in values { value.write(to: &writer) }
        writer.endArray()
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// The columns as the table has them now, generated ones among them.
    func columns(in file: SQLiteFile) throws(CommandFailure) -> [String] {
        try file.rows("SELECT name FROM pragma_table_xinfo(?) WHERE hidden IN (0, 2, 3)", [.text(name)]).compactMap(\.[0].text)
    }

    /// Every row, as key and JSON.
    func rows(in file: SQLiteFile, _ body: (_ key: String, _ value: [UInt8]) -> Void) throws(CommandFailure) {
        let names = try columns(in: file)
        try file.each("SELECT \(selection(names)) FROM \(SQLiteFile.quote(name))") { row in
            body(Self.key(Array(row[..<keyColumns.count])), Self.json(names, row[keyColumns.count...]))
        }
    }

    /// One row as JSON; nil where there is none.
    func row(_ key: [SQLiteValue], in file: SQLiteFile) throws(CommandFailure) -> [UInt8]? {
        let names = try columns(in: file)
        let condition = keyColumns.enumerated().map { "\(SQLiteFile.quote($0.element)) IS ?\($0.offset + 1)" }
        let found = try file.rows(
            "SELECT \(selection(names)) FROM \(SQLiteFile.quote(name)) WHERE \(condition.joined(separator: " AND "))",
            Array(key[..<keyColumns.count]))
        return found.first.map { Self.json(names, $0[keyColumns.count...]) }
    }

    private func selection(_ names: [String]) -> String {
        (keyColumns + names).map(SQLiteFile.quote).joined(separator: ", ")
    }

    private static func json(_ names: [String], _ values: ArraySlice<SQLiteValue>) -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: 256)
        writer.beginObject()
        for (name, value) in zip(names, values) {
            writer.key(name)
            value.write(to: &writer)
        }
        writer.endObject()
        return writer.bytes
    }
}
