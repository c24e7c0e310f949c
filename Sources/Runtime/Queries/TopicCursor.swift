import JSON
import Model

/// Where SQLite stands in one pass over a topic.
final class TopicCursor {
    let table: TopicTable
    private var scan: TopicScan?
    private var index: LookupIndex?
    private var place: Int32 = -1
    private(set) var row: MessageRow?
    private(set) var number: Int64 = 0
    private var parsed: JSONView??

    init(_ table: TopicTable) {
        self.table = table
    }

    /// Begins a pass over everything, or over a span of time.
    func begin(from: WallTime?, until: WallTime?) throws(QueryStop) {
        (index, number) = (nil, 0)
        scan = try TopicScan(table, from: from, until: until)
        try advance()
    }

    /// Begins a pass over the rows that may have a value in a column.
    func begin(_ value: ColumnValue, in column: Int) throws(QueryStop) {
        guard let index = try table.index(over: column) else { return try begin(from: nil, until: nil) }
        scan = nil
        self.index = index
        number = 0
        place = index.first(value.hash)
        take()
    }

    func advance() throws(QueryStop) {
        number += 1
        if let index {
            place = index.next(place)
            take()
        } else {
            parsed = nil
            row = try scan?.next()
        }
    }

    private func take() {
        parsed = nil
        row = place < 0 ? nil : index?.row(place)
    }

    func value(of column: Int) -> ColumnValue {
        row?.value(of: table.columns[column].column, parsed: &parsed, numbersPartitions: table.numbersPartitions) ?? .null
    }
}
