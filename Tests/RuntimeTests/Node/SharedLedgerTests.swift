import Broker
import Journal
import Model
import Runtime
import Testing

@Suite("The ledger that loops share")
struct SharedLedgerTests {
    @Test("refuses publishes while a loop is too far behind, with a sentence that says so, and takes them again after")
    func behind() throws {
        let origin = Origin(node: NodeID(rawValue: 1), epoch: Epoch(rawValue: 1))
        let shared = SharedLedger(
            sequencer: Sequencer(start: SequencerStart(origin: origin)), loops: 2, clock: { WallTime(milliseconds: 1) },
            post: { _ in }, posted: {}, hasRoom: { true })
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
