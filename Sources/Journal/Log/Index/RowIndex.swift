import Model

/// Which retained message of a table is the newest version of each row.
///
/// What is beaten is hidden from every reader at once, and dropped when the version that beat it is durable here: until then
/// a power cut could take that one alone.
struct RowIndex: Sendable {
    /// Where a version of a row stands.
    struct Place: Sendable {
        var partition: Int
        let sequence: UInt64
    }

    private struct Row: Sendable {
        let head: RowHead
        var place: Place
    }

    private var rows: [String: Row] = [:]
    /// Versions that were beaten and are still retained, with the local sequence of what beat them.
    private var beaten: [UInt64: (partition: Int, by: UInt64)] = [:]

    var isEmpty: Bool { rows.isEmpty }

    /// The newest version of every row, ended ones among them.
    var heads: [String: RowHead] { rows.mapValues(\.head) }

    /// Where the newest version of a row stands; nil where there is no such row.
    func place(of key: String) -> Place? { rows[key].flatMap { $0.head.isDeleted ? nil : $0.place } }

    /// Takes in a version; gives the one that is beaten now: itself, or the one before.
    mutating func merge(_ head: RowHead, key: String, at place: Place) -> Place? {
        guard let known = rows.updateValue(Row(head: head, place: place), forKey: key) else { return nil }
        if known.head.rank < head.rank {
            beaten[known.place.sequence] = (known.place.partition, place.sequence)
            return known.place
        }
        rows[key] = known
        beaten[place.sequence] = (place.partition, max(known.place.sequence, place.sequence))
        return place
    }

    /// The beaten versions that need not be retained any more, once they are worth a pass; they are then forgotten here.
    mutating func takeBeaten(durable through: UInt64, of count: Int) -> [Place] {
        guard beaten.count * 16 > count else { return [] }
        let ready = beaten.filter { $0.value.by <= through }
        for sequence in ready.keys { beaten[sequence] = nil }
        return ready.map { Place(partition: $0.value.partition, sequence: $0.key) }
    }

    /// Whether a version that is retained had been beaten when this node had sequenced so much.
    func isBeaten(_ sequence: UInt64, by through: UInt64) -> Bool { beaten[sequence].map { $0.by <= through } ?? false }

    /// Gives the partitions other numbers, and forgets rows in those that have none any more.
    mutating func renumber(_ numbers: [Int: Int]) {
        for (key, row) in rows {
            if let number = numbers[row.place.partition] { rows[key]!.place.partition = number } else { rows[key] = nil }
        }
        for (sequence, item) in beaten { beaten[sequence] = numbers[item.partition].map { ($0, item.by) } }
    }
}
