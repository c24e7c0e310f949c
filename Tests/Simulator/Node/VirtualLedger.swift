import Broker
import Clustering
import Journal
import Model

/// A node's one sequencer without its lock, as replication sees it; ``LoopLedger`` is the loops' view of it.
final class VirtualLedger: ReplicaLedger {
    var sequencer: Sequencer
    var mailboxes: LoopMailboxes
    /// Why nothing is taken at present.
    var trouble: String?
    /// Shown every batch, in local sequence.
    var onBatch: ([Sequenced], _ woken: [Int]) -> Void = { _, _ in }
    /// Shown every run of positions that was passed over.
    var onSkip: (AbsentRun) -> Void = { _ in }
    private let wall: () -> WallTime

    init(sequencer: Sequencer, loops: Int, wall: @escaping () -> WallTime) {
        self.sequencer = sequencer
        mailboxes = LoopMailboxes(loops: loops)
        self.wall = wall
    }

    var origin: Origin { sequencer.origin }
    var vector: VersionVector { sequencer.vector }
    var registry: Registry { sequencer.registry }

    func admit(_ records: [Record]) -> (taken: [Bool], sequence: UInt64) {
        let taken = sequence { sequencer, wall, batch in
            records.map { sequencer.admit($0, at: wall, into: &batch) == .taken }
        }
        return (taken, sequencer.sequence)
    }

    func skip(_ run: AbsentRun) -> Bool {
        let isSkipped = sequencer.skip(run)
        if isSkipped { onSkip(run) }
        return isSkipped
    }

    func raise(_ heads: [MemoryHead]) {
        sequence { sequencer, _, batch in
            for head in heads { sequencer.raiseHead(of: head.topic, head.partition, to: head.offset, into: &batch) }
        }
    }

    func memoryHead(of place: MemoryPlace) -> UInt64? { sequencer.memoryHead(of: place.topic, place.partition) }

    func memoryHeads(matching filters: [TopicFilter]) -> [MemoryHead] {
        sequencer.registry.entries.keys.sorted().compactMap { name in
            guard let topic = sequencer.registry.topic(name), topic.durability == .memory,
                filters.contains(where: { $0.matches(name) })
            else { return nil }
            let partition = Partition(origin: sequencer.origin, generation: topic.generation)
            let offset = sequencer.heads(of: name)[partition]
            return offset > 0 ? MemoryHead(topic: name, partition: partition, offset: offset) : nil
        }
    }

    /// Lets `body` sequence something, and passes on what came of it.
    func sequence<Result>(_ body: (inout Sequencer, WallTime, inout [Sequenced]) -> Result) -> Result {
        var batch: [Sequenced] = []
        let result = body(&sequencer, wall(), &batch)
        if !batch.isEmpty { onBatch(batch, mailboxes.post(batch)) }
        return result
    }
}
