import Broker
import Journal
import Model
import Runtime
import Synchronization
import Testing

@Suite("The ledger that loops share")
struct SharedLedgerTests {
    @Test("leaves the log's thread asleep until the turn's end for what nobody waits for, and for nothing else")
    func patience() throws {
        let origin = Origin(node: NodeID(rawValue: 1), epoch: Epoch(rawValue: 1))
        let spared = Mutex<[Bool]>([])
        let shared = SharedLedger(
            sequencer: Sequencer(start: SequencerStart(origin: origin)), loops: 1, clock: { WallTime(milliseconds: 1) },
            post: { _ in }, posted: { sparesLog in spared.withLock { $0.append(sparesLog) } }, hasRoom: { true })
        let ledger = LoopLedger(shared: shared, loop: 0)
        let topic = try TopicName("news")
        _ = try ledger.createTopic(
            TopicCreation(
                name: topic, kind: .stream, durability: .disk, owner: "", groups: [], settings: TopicSettings())
        ).get()
        func draft(isAwaited: Bool) -> Draft {
            Draft(
                topic: topic, event: "e", key: nil, publisher: "", source: "", messageID: nil, timeToLive: nil,
                payload: [49], isAwaited: isAwaited)
        }
        ledger.endTurn()
        #expect(spared.withLock { $0 } == [false], "the creation's")
        _ = ledger.publish([draft(isAwaited: false)])
        #expect(spared.withLock { $0 } == [false, true])
        ledger.endTurn()
        ledger.endTurn()
        #expect(spared.withLock { $0 } == [false, true, false], "once, at the end of its turn")
        _ = ledger.publish([draft(isAwaited: false), draft(isAwaited: true)])
        ledger.endTurn()
        #expect(spared.withLock { $0 } == [false, true, false, false], "somebody waits for one of them")
    }

    @Test("refuses publishes while a loop is too far behind, with a sentence that says so, and takes them again after")
    func behind() throws {
        let origin = Origin(node: NodeID(rawValue: 1), epoch: Epoch(rawValue: 1))
        let shared = SharedLedger(
            sequencer: Sequencer(start: SequencerStart(origin: origin)), loops: 2, clock: { WallTime(milliseconds: 1) },
            post: { _ in }, posted: { _ in }, hasRoom: { true })
        let (fast, slow) = (LoopLedger(shared: shared, loop: 0), LoopLedger(shared: shared, loop: 1))
        let topic = try TopicName("news")
        let creation = TopicCreation(
            name: topic, kind: .stream, durability: .disk, owner: "", groups: [], settings: TopicSettings())
        _ = try fast.createTopic(creation).get()
        let draft = Draft(
            topic: topic, event: "e", key: nil, publisher: "", source: "", messageID: nil, timeToLive: nil,
            payload: [UInt8](repeating: 49, count: 1 << 20))
        var published = 0
        var refusal: Refusal?
        while refusal == nil, published < 1_000 {
            switch fast.publish([draft])[0] {
            case .success: published += 1
            case .failure(let refused): refusal = refused
            }
            _ = fast.take()
        }
        #expect(published == 64)
        let sentence = "more messages wait to be delivered here than may: try again soon"
        #expect(try #require(refusal).sentence.contains(sentence))
        #expect(shared.trouble == sentence)
        #expect(slow.take(atMost: 512).batch.count == published + 1)
        #expect(throws: Never.self) { try fast.publish([draft])[0].get() }
    }
}
