import Clustering
import Model
import Testing

@Suite("What a node's log has lost")
struct WantTests {
    private let topic: TopicName

    init() throws {
        topic = try TopicName("orders")
    }

    /// Two members that hold three messages of the left's.
    private func bench(_ settings: ReplicationSettings = ReplicationSettings()) -> LaneBench {
        var bench = LaneBench(settings)
        bench.left.write { $0.introduce(name: "left", at: $1, into: &$2) }
        bench.right.write { $0.introduce(name: "right", at: $1, into: &$2) }
        bench.left.write { [topic] sequencer, wall, batch in
            _ = sequencer.create(
                topic, kind: .stream, durability: .disk, owner: "", groups: [], settings: TopicSettings(), at: wall,
                into: &batch)
            for number in 0..<3 {
                _ = sequencer.publish(
                    Draft(
                        topic: topic, event: "new-message", key: nil, publisher: "", source: "", messageID: nil,
                        timeToLive: nil, payload: Array("\(number)".utf8)), at: wall, into: &batch)
            }
        }
        bench.settle()
        return bench
    }

    private func run(_ bench: LaneBench, _ positions: ClosedRange<UInt64>) -> AbsentRun {
        AbsentRun(
            origin: bench.left.ledger.origin, slot: Slot(of: topic), from: positions.lowerBound,
            to: positions.upperBound)
    }

    private func record(_ bench: LaneBench, _ position: UInt64) -> Record {
        let message = Message(
            topic: topic, generation: 1, offset: position, event: "new-message", key: nil, publisher: "", source: "",
            messageID: nil, expiry: nil, payload: Array("\(position)".utf8))
        return Record(
            origin: bench.left.ledger.origin, slot: Slot(of: topic), position: position,
            time: HybridTime(milliseconds: 1_000, counter: UInt16(position)), seen: 2, body: .message(message))
    }

    @Test("is asked of a holder, and handed to the log alone; what the holder lacks as well is gone")
    func asked() throws {
        var bench = bench()
        let lost = run(bench, 2...3)
        let held = bench.right.ledger.vector
        bench.right.act { $0.want([lost], at: .zero, ledger: $1, into: &$2) }
        #expect(bench.right.resolved.isEmpty)
        bench.settle()
        let (purpose, read) = try #require(bench.left.reads.last)
        #expect(purpose == .mend(bench.right.id, boot: bench.right.boot) && read.run == lost)
        let chunk = JournalChunk(items: [.record(record(bench, 2))], next: 9, isAtEnd: true, needsSnapshot: false)
        bench.left.act { $0.chunk(chunk, for: purpose, at: .zero, ledger: $1, into: &$2) }
        bench.settle()
        #expect(bench.right.mended.map(\.position) == [2])
        #expect(bench.right.resolved.map(\.run) == [lost] && bench.right.resolved.map(\.outcome) == [.settled])
        #expect(bench.right.ledger.vector == held && bench.right.replication.wantCount == 0)
    }

    @Test("is told as unavailable when a member that may have it does not answer, and asked for when it does again")
    func unavailable() {
        let settings = ReplicationSettings()
        var bench = bench(settings)
        let lost = run(bench, 1...3)
        let (peer, boot) = (bench.left.id, bench.left.boot)
        bench.right.act { replication, _, effects in
            replication.reachable(peer, false, at: .zero, into: &effects)
        }
        bench.right.act { $0.want([lost], at: .zero, ledger: $1, into: &$2) }
        bench.right.advance(to: .zero + (settings.wantPatience - .milliseconds(1)))
        #expect(bench.right.resolved.isEmpty)
        bench.right.advance(to: .zero + settings.wantPatience)
        #expect(bench.right.resolved.map(\.outcome) == [.unavailable] && bench.right.replication.wantCount == 1)
        bench.right.act { replication, _, effects in
            replication.reachable(peer, true, at: .zero + settings.wantPatience, into: &effects)
            replication.opened(peer, boot: boot, at: .zero + settings.wantPatience, into: &effects)
        }
        bench.right.advance(to: .zero + settings.wantPatience + .milliseconds(200))
        #expect(bench.right.replication.counters.mendsAsked == 1)
    }

    @Test("is gone at once on a node that is alone")
    func alone() {
        var end = LaneEnd(node: 7)
        end.write { $0.introduce(name: "alone", at: $1, into: &$2) }
        let lost = AbsentRun(origin: end.ledger.origin, slot: .system, from: 1, to: 1)
        end.act { $0.want([lost], at: .zero, ledger: $1, into: &$2) }
        #expect(end.resolved.map(\.outcome) == [.settled])
    }
}
