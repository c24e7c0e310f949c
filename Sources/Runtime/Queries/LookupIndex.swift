import JSON

/// The rows of a topic by the value of one column, so that a join need not read the topic for each row of another.
struct LookupIndex {
    private var rows: [MessageRow] = []
    /// The first row of each hash, and the next row of the same hash; −1 for none.
    private var firsts: [Int: Int32] = [:]
    private var nexts: [Int32] = []

    /// About how many bytes a row costs beside its message.
    private static let overhead = 160

    /// Reads the whole topic.
    init(_ table: TopicTable, column: TopicColumn) throws(QueryStop) {
        var scan = try TopicScan(table)
        var hashes: [Int?] = []
        var bytes = 0
        while let row = try scan.next() {
            bytes += Self.overhead + row.payload.count
            guard bytes <= table.lookupBytes, rows.count < Int(Int32.max) else {
                throw .refusal(
                    .queryWrong(
                        "the join needs more than \(table.lookupBytes) bytes to look up rows of \"\(table.definition.name)\": "
                            + "join with fewer of them, as by a subquery with WHERE"))
            }
            var parsed: JSONView??
            hashes.append(
                row.value(of: column, parsed: &parsed, numbersPartitions: table.numbersPartitions).hash)
            rows.append(row)
        }
        nexts = Array(repeating: -1, count: rows.count)
        // From the end, so that rows of one hash are found in their order.
        for place in rows.indices.reversed() {
            guard let hash = hashes[place] else { continue }
            nexts[place] = firsts[hash] ?? -1
            firsts[hash] = Int32(place)
        }
    }

    /// The place of the first row that may have the value.
    func first(_ hash: Int?) -> Int32 { hash.flatMap { firsts[$0] } ?? -1 }

    func next(_ place: Int32) -> Int32 { nexts[Int(place)] }

    func row(_ place: Int32) -> MessageRow { rows[Int(place)] }
}
