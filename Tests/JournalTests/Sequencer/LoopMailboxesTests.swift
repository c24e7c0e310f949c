import Journal
import Model
import Testing

@Suite("The mailboxes of loops")
struct LoopMailboxesTests {
    private func records(_ sequences: ClosedRange<UInt64>, payload: Int = 1) throws -> [Sequenced] {
        let topic = try TopicName("news")
        let origin = Origin(node: NodeID(rawValue: 1), epoch: Epoch(rawValue: 1))
        return sequences.map { sequence in
            let message = Message(
                topic: topic, generation: 1, offset: sequence, event: "e", key: nil, publisher: "", source: "",
                messageID: nil, expiry: nil, payload: [UInt8](repeating: 49, count: payload))
            let record = Record(
                origin: origin, slot: Slot(of: topic), position: sequence, time: .zero, seen: 0,
                body: .message(message))
            return Sequenced(sequence: sequence, record: record)
        }
    }

    @Test("are taken in slices, in order and nothing twice, while more comes in behind", arguments: [1, 7, 100, 1_000])
    func slices(count: Int) throws {
        var mailboxes = LoopMailboxes(loops: 2)
        var taken: [UInt64] = []
        var next: UInt64 = 1
        for _ in 0..<20 {
            _ = mailboxes.post(try records(next...next + 49))
            next += 50
            let (batch, hasMore) = mailboxes.take(0, atMost: count)
            #expect(batch.count <= count)
            taken += batch.map(\.sequence)
            #expect(hasMore == (taken.count < Int(next) - 1))
        }
        taken += mailboxes.take(0).map(\.sequence)
        #expect(taken == Array(1..<next))
        #expect(mailboxes.take(1).map(\.sequence) == Array(1..<next), "the other loop's box is its own")
        #expect(mailboxes.take(0, atMost: count) == ([], false))
    }

    @Test("wake a loop when its box was empty, and not while it has left something there")
    func wakes() throws {
        var mailboxes = LoopMailboxes(loops: 2)
        #expect(mailboxes.post(try records(1...10)) == [0, 1])
        #expect(mailboxes.take(0, atMost: 9).hasMore)
        #expect(mailboxes.post(try records(11...11)) == [])
        #expect(!mailboxes.take(0, atMost: 2).hasMore)
        #expect(mailboxes.post(try records(12...12)) == [0])
        _ = mailboxes.take(1)
        #expect(mailboxes.post(try records(13...13)) == [1])
    }

    @Test("are full when one of them holds more than its limit, until that has been taken")
    func full() throws {
        var mailboxes = LoopMailboxes(loops: 2)
        for sequence: UInt64 in 1...64 { _ = mailboxes.post(try records(sequence...sequence, payload: 1 << 20)) }
        #expect(mailboxes.isFull)
        _ = mailboxes.take(0)
        #expect(mailboxes.isFull)
        _ = mailboxes.take(1, atMost: 1)
        #expect(!mailboxes.isFull)
    }
}

private func == (left: (batch: [Sequenced], hasMore: Bool), right: ([UInt64], Bool)) -> Bool {
    left.batch.map(\.sequence) == right.0 && left.hasMore == right.1
}
