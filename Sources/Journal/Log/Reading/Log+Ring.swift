import Model

extension Log {
    /// What the ring of a memory topic has of one partition after an offset: records, and between them the offsets
    /// that it has no more. Empty where nothing came after.
    package func ring(
        of topic: TopicName, _ partition: Partition, after offset: UInt64, byteLimit: Int
    ) -> [RingItem] {
        guard let index = topics[TopicGeneration(name: topic, generation: partition.generation)], let ring = index.ring,
            let number = index.number(known: partition)
        else { return [] }
        let entries = index.partitions[number]
        var items: [RingItem] = []
        var (last, bytes) = (offset, 0)
        for place in entries.firstIndex(where: { $0.offset > offset })..<entries.count {
            guard bytes < byteLimit else { return items }
            guard let record = ring.record(at: entries[place].sequence)?.record else { continue }
            if entries[place].offset > last + 1 { items.append(.lost(last + 1...entries[place].offset - 1)) }
            last = entries[place].offset
            bytes += RecordRun.cost(of: record)
            items.append(.record(record))
        }
        if entries.head > last { items.append(.lost(last + 1...entries.head)) }
        return items
    }
}

/// What a ring gives.
package enum RingItem: Sendable {
    case record(Record)
    /// Offsets that it has no more.
    case lost(ClosedRange<UInt64>)
}
