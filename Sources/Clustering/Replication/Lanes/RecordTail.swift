import Model

/// A node's own recent records in memory, for lanes that are nearly up to date. Bounded in bytes; the oldest go first.
struct RecordTail {
    private var records: [Sequenced] = []
    private var first = 0
    private var bytes = 0
    private let limit: Int
    /// How many records have left.
    private(set) var base = 0
    /// From this local sequence on, every own record is here.
    private(set) var coveredFrom: UInt64
    /// The own positions before the oldest record here, indexed by slot.
    private(set) var positionsBefore: [UInt64]

    init(limit: Int, coveredFrom: UInt64, positions: [UInt64]) {
        self.limit = limit
        self.coveredFrom = coveredFrom
        positionsBefore = positions.isEmpty ? [UInt64](repeating: 0, count: Slot.count) : positions
    }

    /// The index that the next record will have.
    var end: Int { base + records.count - first }

    subscript(index: Int) -> Sequenced { records[first + index - base] }

    mutating func append(_ record: Sequenced) {
        records.append(record)
        bytes += Self.cost(of: record.record)
        while bytes > limit, records.count - first > 1 { dropFirst() }
    }

    /// The first index whose local sequence is at least `sequence`; nil where records before it have left.
    func index(from sequence: UInt64) -> Int? {
        guard sequence >= coveredFrom else { return nil }
        var low = first
        var high = records.count
        while low < high {
            let middle = (low + high) / 2
            if records[middle].sequence < sequence { low = middle + 1 } else { high = middle }
        }
        return base + low - first
    }

    private mutating func dropFirst() {
        let record = records[first]
        bytes -= Self.cost(of: record.record)
        coveredFrom = record.sequence + 1
        let slot = Int(record.record.slot.index)
        positionsBefore[slot] = max(positionsBefore[slot], record.record.position)
        first += 1
        base += 1
        if first > 4_096, first > records.count / 2 {
            records.removeFirst(first)
            first = 0
        }
    }

    /// What a record costs in memory, about.
    static func cost(of record: Record) -> Int { 200 + record.payloadCount }
}
