import Model

/// Records in local sequence, the oldest of which can be dropped.
struct RecordRun: Sendable {
    /// What one record costs beside its payload, about.
    static let overhead = 256

    // A `Sequenced` has room for a transition, twenty times the size of these.
    private var storage: [(sequence: UInt64, record: Record)] = []
    private var first = 0
    private(set) var bytes = 0

    var count: Int { storage.count - first }
    var oldest: UInt64? { count == 0 ? nil : storage[first].sequence }

    subscript(index: Int) -> Sequenced {
        Sequenced(sequence: storage[first + index].sequence, record: storage[first + index].record)
    }

    static func cost(of record: Record) -> Int { overhead + record.payloadCount }

    mutating func append(_ record: Sequenced) {
        storage.append((record.sequence, record.record))
        bytes += Self.cost(of: record.record)
    }

    /// Drops the oldest; gives its sequence and what it cost.
    mutating func removeFirst() -> (sequence: UInt64, cost: Int) {
        let (sequence, record) = storage[first]
        let cost = Self.cost(of: record)
        first += 1
        bytes -= cost
        if first > 64, first * 2 > storage.count {
            storage.removeFirst(first)
            first = 0
        }
        return (sequence, cost)
    }

    /// The index of the first record at `sequence` or later.
    func firstIndex(from sequence: UInt64) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if storage[first + middle].sequence >= sequence { high = middle } else { low = middle + 1 }
        }
        return low
    }

    func record(at sequence: UInt64) -> Sequenced? {
        let index = firstIndex(from: sequence)
        return index < count && storage[first + index].sequence == sequence ? self[index] : nil
    }
}
