import Clustering
import Journal
import Model
import Testing

@Suite("What a node lacks of a peer's memory topics")
struct MissingTailTests {
    private let topic: TopicName

    init() throws {
        topic = try TopicName("cursors")
    }

    /// Two nodes with a memory topic, of whose first message the right has just learnt that it exists.
    private func bench(_ settings: ReplicationSettings) -> LaneBench {
        var bench = LaneBench(settings)
        bench.settle()
        bench.left.write { [topic] sequencer, wall, batch in
            _ = sequencer.create(
                topic, kind: .stream, durability: .memory, owner: "", groups: [], settings: TopicSettings(), at: wall,
                into: &batch)
        }
        bench.settle()
        return bench
    }

    private func place(_ bench: LaneBench) -> MemoryPlace {
        MemoryPlace(topic: topic, partition: Partition(origin: bench.left.ledger.origin, generation: 1))
    }

    /// A frame of the left's that only says how far its topics go.
    private func tell(_ offset: UInt64, _ bench: inout LaneBench) {
        let head = MemoryHead(topic: topic, partition: place(bench).partition, offset: offset)
        let frame = LaneFrame(sequence: 0, received: 0, durable: 0, credit: 1 << 20, items: [.heads([head])])
        bench.right.act { [left = bench.left] in
            $0.receive(frame.encode(), from: left.id, boot: left.boot, at: .zero, ledger: $1, into: &$2)
        }
    }

    @Test("is asked for, and told as lost when no answer came in time")
    func patience() {
        let settings = ReplicationSettings()
        var bench = bench(settings)
        tell(3, &bench)
        #expect(bench.right.replication.counters.fetches == 1)
        #expect(bench.right.ledger.memoryHead(of: place(bench)) == 0)
        bench.right.advance(to: .zero + settings.fetchPatience)
        #expect(bench.right.ledger.memoryHead(of: place(bench)) == 3)
        #expect(bench.right.replication.counters.fetchesGivenUp == 1)
    }

    @Test("is told as lost at once where its origin is dead")
    func dead() {
        var bench = bench(ReplicationSettings())
        tell(3, &bench)
        bench.right.act { [id = bench.left.id] replication, _, effects in
            replication.reachable(id, false, at: .zero, into: &effects)
        }
        bench.right.advance(to: .zero + .milliseconds(200))
        #expect(bench.right.ledger.memoryHead(of: place(bench)) == 3)
    }

    @Test("keeps no more than so many bytes of what comes early from an origin, whatever head it was told")
    func earlyBound() {
        var settings = ReplicationSettings()
        settings.earlyBytes = 10_000
        var bench = bench(settings)
        tell(1_000_000, &bench)
        let place = place(bench)
        for offset in 2...200 as ClosedRange<UInt64> {
            let message = Message(
                topic: topic, generation: 1, offset: offset, event: "new-message", key: nil, publisher: "", source: "",
                messageID: nil, expiry: nil, payload: [UInt8](repeating: 48, count: 1_000))
            let record = Record(
                origin: place.partition.origin, slot: Slot(of: topic), position: 0,
                time: HybridTime(milliseconds: 1_000, counter: UInt16(offset)), seen: 0, body: .message(message))
            let frame = LaneFrame(sequence: 0, received: 0, durable: 0, credit: 1 << 20, items: [.record(record)])
            bench.right.act { [left = bench.left] in
                $0.receive(frame.encode(), from: left.id, boot: left.boot, at: .zero, ledger: $1, into: &$2)
            }
        }
        let kept = bench.right.replication.earlyBytes(of: bench.left.id)
        #expect(kept > 5_000 && kept <= settings.earlyBytes)
        #expect(bench.right.ledger.memoryHead(of: place) == 0)
        // Given up, it is told as lost, and what was kept is let go.
        bench.right.advance(to: .zero + settings.fetchPatience)
        #expect(bench.right.replication.earlyBytes(of: bench.left.id) == 0)
        #expect(bench.right.ledger.memoryHead(of: place) == 1_000_000)
    }

    @Test("is told as lost at once where more topics miss something than may")
    func bound() {
        var settings = ReplicationSettings()
        settings.maximumMissingTails = 0
        var bench = bench(settings)
        tell(3, &bench)
        #expect(bench.right.replication.counters.fetches == 0)
        #expect(bench.right.ledger.memoryHead(of: place(bench)) == 3)
    }
}
