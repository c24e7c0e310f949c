/// A `SELECT` taken apart as far as names go: which topics it reads, and which of their fields.
///
/// SQLite knows no columns before it is told of them, and takes `Position.Latitude` for a column of a table `Position`.
/// So names are found here, and ``text(adding:)`` has dotted paths in quotes.
package struct SQLStatement: Sendable {
    /// A table that stands in a `FROM`.
    package struct Table: Sendable, Equatable {
        /// As it is written, without quotes.
        package let name: String
        package let alias: String?
        /// The number of the `SELECT` that it belongs to.
        package let scope: Int
    }

    /// A field that an expression names.
    package struct Reference: Sendable, Equatable {
        /// The tables that it may belong to, by their place in ``tables``: the one that it says, or all that stand in
        /// its own or an enclosing `SELECT`.
        package let tables: [Int]
        /// The field's path, its levels joined by points.
        package let path: String
        /// Whether all of those tables have it, as with `USING`.
        package let isShared: Bool
    }

    /// In order; one that stands in several places is there several times. Names that `WITH` makes are not among them.
    package let tables: [Table]
    package let references: [Reference]
    /// Whether a `*`, or `NATURAL`, stands for columns that it does not name.
    package let hasStar: Bool
    /// Whether the one `SELECT` there is names one table, and neither groups nor drops rows that are the same: if it
    /// has no aggregate either, each row stands for one message.
    package let isSimple: Bool
    /// The places in the text where something is to be written instead, in order.
    let edits: [(range: Range<Int>, text: String)]
    /// Where further columns of the result may be added.
    let columnsEnd: Int
    private let sql: [UInt8]

    /// The most bytes of a statement.
    package static let limit = 65_536
    /// How deep parentheses may nest.
    static let depthLimit = 100

    /// - Throws: ``Refusal/queryWrong(_:)`` for what is not one `SELECT`.
    package init(_ text: String) throws(Refusal) {
        let sql = Array(text.utf8)
        guard sql.count <= Self.limit else {
            throw .queryWrong("the query has \(sql.count) bytes; it may have at most \(Self.limit)")
        }
        var parser: SQLParser
        do throws(SQLError) {
            parser = try SQLParser(SQLScanner.tokens(of: sql), length: sql.count)
            try parser.parse()
        } catch {
            throw .queryWrong(error.sentence)
        }
        self.sql = Array(sql[..<parser.end])
        let found = parser.finish()
        tables = found.tables
        references = found.references
        edits = found.edits
        hasStar = parser.hasStar
        isSimple = parser.isSimple
        columnsEnd = parser.columnsEnd ?? parser.end
    }

    /// The text for SQLite: paths in quotes, without the `;` at the end.
    ///
    /// - Parameter addition: what is added to the columns of the result, as `, "a", "b"`; it may be empty.
    package func text(adding addition: String = "") -> String {
        var text: [UInt8] = []
        var position = 0
        var edits = edits[...]
        if !addition.isEmpty {
            let place = edits.firstIndex { $0.range.lowerBound >= columnsEnd } ?? edits.endIndex
            edits = (edits[..<place] + [(columnsEnd..<columnsEnd, addition)] + edits[place...])[...]
        }
        for edit in edits {
            text += sql[position..<edit.range.lowerBound]
            text += edit.text.utf8
            position = edit.range.upperBound
        }
        return String(decoding: text + sql[position...], as: UTF8.self)
    }

    /// A name in quotes, as SQL has it.
    package static func quote(_ name: String) -> String {
        var quoted = "\""
        for character in name.unicodeScalars {
            if character == "\"" { quoted += "\"" }
            quoted.unicodeScalars.append(character)
        }
        return quoted + "\""
    }
}
