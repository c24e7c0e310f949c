import Journal
import Model
import Testing

@Suite("A sequencer")
struct SequencerTests {
    private let topic: TopicName
    private let wall = WallTime(milliseconds: 1_000_000)
    private let own = Origin(node: NodeID(rawValue: 1), epoch: Epoch(rawValue: 10))
    private let peer = Origin(node: NodeID(rawValue: 2), epoch: Epoch(rawValue: 20))

    init() throws {
        topic = try TopicName("news")
    }

    private func draft(_ id: String? = nil, needsOwnRecord: Bool = false) -> Draft {
        Draft(
            topic: topic, event: "new-message", key: nil, publisher: "ada", source: "s", messageID: id, timeToLive: nil,
            payload: [49], needsOwnRecord: needsOwnRecord)
    }

    private func sequencer(_ durability: TopicDefinition.Durability = .disk) throws -> (Sequencer, [Sequenced]) {
        var sequencer = Sequencer(start: SequencerStart(origin: own))
        var batch: [Sequenced] = []
        _ = try sequencer.create(
            topic, kind: .stream, durability: durability, owner: "", groups: [], settings: TopicSettings(), at: wall,
            into: &batch
        ).get()
        return (sequencer, batch)
    }

    private func message(
        _ offset: UInt64, position: UInt64, seen: UInt64 = 0, id: String? = nil, generation: UInt32 = 1
    ) -> Record {
        Record(
            origin: peer, slot: Slot(of: topic), position: position,
            time: HybridTime(milliseconds: 1_000_000, counter: UInt16(offset)),
            seen: seen,
            body: .message(
                Message(
                    topic: topic, generation: generation, offset: offset, event: "new-message", key: nil,
                    publisher: "ada",
                    source: "p", messageID: id, expiry: nil, payload: [50])))
    }

    @Test("gives dense positions, offsets and sequences, and times that increase")
    func density() throws {
        var (sequencer, batch) = try sequencer()
        for _ in 0..<5 { _ = try sequencer.publish(draft(), at: wall, into: &batch).get() }
        #expect(batch.map(\.sequence) == [1, 2, 3, 4, 5, 6])
        #expect(batch.dropFirst().map(\.record.position) == [1, 2, 3, 4, 5])
        #expect(batch.compactMap(\.record.message?.offset) == [1, 2, 3, 4, 5])
        #expect(zip(batch, batch.dropFirst()).allSatisfy { $0.record.time < $1.record.time })
        #expect(batch.last?.record.seen == 1)
    }

    @Test("refuses a publish to a topic nobody created")
    func unknownTopic() {
        var sequencer = Sequencer(start: SequencerStart(origin: own))
        var batch: [Sequenced] = []
        let outcome1 = sequencer.publish(draft(), at: wall, into: &batch)
        #expect(outcome1 == .failure(.topicUnknown))
        #expect(batch.isEmpty)
    }

    @Test("answers a repeat with the first one's place, and writes nothing")
    func repeats() throws {
        var (sequencer, batch) = try sequencer()
        let first = try sequencer.publish(draft("a"), at: wall, into: &batch).get()
        let count = batch.count
        let again = try sequencer.publish(draft("a"), at: wall, into: &batch).get()
        #expect(batch.count == count)
        #expect(again.isRepeat && again.offset == first.offset && again.sequence == first.sequence)
        let later = WallTime(milliseconds: wall.milliseconds + 300_002)
        let new = try sequencer.publish(draft("a"), at: later, into: &batch).get()
        #expect(!new.isRepeat)
    }

    @Test("writes a repeat of a peer's message once more, silently, for who waits for replicated")
    func ownTwin() throws {
        var (sequencer, batch) = try sequencer()
        let outcome2 = sequencer.admit(message(1, position: 1, id: "a"), at: wall, into: &batch)
        #expect(outcome2 == .taken)
        let count = batch.count
        let receipt = try sequencer.publish(draft("a", needsOwnRecord: true), at: wall, into: &batch).get()
        #expect(receipt.partition.origin == peer && receipt.offset == 1 && receipt.isRepeat)
        #expect(batch.count == count + 1)
        #expect(batch.last?.isSilent == true && batch.last?.record.origin == own)
        #expect(receipt.sequence == batch.last?.sequence)
        let again = try sequencer.publish(draft("a", needsOwnRecord: true), at: wall, into: &batch).get()
        #expect(batch.count == count + 1 && again.sequence == receipt.sequence)
    }

    @Test("takes a peer's records in their order only, and none before what its origin had seen of the registry")
    func order() throws {
        var (sequencer, batch) = try sequencer()
        let outcome3 = sequencer.admit(message(2, position: 2), at: wall, into: &batch)
        #expect(outcome3 == .early)
        let outcome4 = sequencer.admit(message(1, position: 1, seen: 1), at: wall, into: &batch)
        #expect(outcome4 == .early)
        let outcome5 = sequencer.skip(AbsentRun(origin: peer, slot: .system, from: 1, to: 1))
        #expect(outcome5)
        let outcome6 = sequencer.admit(message(1, position: 1, seen: 1), at: wall, into: &batch)
        #expect(outcome6 == .taken)
        let outcome7 = sequencer.admit(message(1, position: 1, seen: 1), at: wall, into: &batch)
        #expect(outcome7 == .known)
        let outcome8 = sequencer.admit(message(2, position: 2), at: wall, into: &batch)
        #expect(outcome8 == .taken)
        #expect(sequencer.heads(of: topic)[Partition(origin: peer, generation: 1)] == 2)
    }

    @Test("passes over a run that is gone, but not over what is missing before it")
    func absence() throws {
        var (sequencer, _) = try sequencer()
        let slot = Slot(of: topic)
        let outcome9 = sequencer.skip(AbsentRun(origin: peer, slot: slot, from: 3, to: 5))
        #expect(outcome9 == false)
        let outcome10 = sequencer.skip(AbsentRun(origin: peer, slot: slot, from: 1, to: 5))
        #expect(outcome10)
        #expect(sequencer.vector[peer, slot] == 5)
        let outcome11 = sequencer.skip(AbsentRun(origin: own, slot: .system, from: 1, to: 9))
        #expect(outcome11 == false)
    }

    @Test("keeps a message silent that it has under the same id, but not one of a later generation")
    func silence() throws {
        var (sequencer, batch) = try sequencer()
        _ = try sequencer.publish(draft("a"), at: wall, into: &batch).get()
        _ = sequencer.admit(message(1, position: 1, id: "a"), at: wall, into: &batch)
        #expect(batch.last?.isSilent == true)
        _ = try sequencer.destroy(topic, at: wall, into: &batch).get()
        _ = try sequencer.create(
            topic, kind: .stream, durability: .disk, owner: "", groups: [], settings: TopicSettings(), at: wall,
            into: &batch
        ).get()
        _ = sequencer.admit(message(1, position: 2, id: "a", generation: 2), at: wall, into: &batch)
        #expect(batch.last?.record.message?.generation == 2 && batch.last?.isSilent == false)
    }

    @Test("tells loops and log when a memory topic's partition jumps ahead, and takes its messages one after the other")
    func raisedHead() throws {
        var (sequencer, batch) = try sequencer(.memory)
        let partition = Partition(origin: peer, generation: 1)
        sequencer.raiseHead(of: topic, partition, to: 4, into: &batch)
        #expect(batch.last?.isLost == true && batch.last?.record.message?.offset == 4)
        let count = batch.count
        sequencer.raiseHead(of: topic, partition, to: 3, into: &batch)
        #expect(batch.count == count)
        let outcome12 = sequencer.admit(message(4, position: 0), at: wall, into: &batch)
        #expect(outcome12 == .known)
        let early = sequencer.admit(message(6, position: 0), at: wall, into: &batch)
        #expect(early == .early && sequencer.memoryHead(of: topic, partition) == 4)
        let outcome13 = sequencer.admit(message(5, position: 0), at: wall, into: &batch)
        #expect(outcome13 == .taken)
    }

    @Test("says how far messages had come that were here before the word of their topic")
    func overtaken() throws {
        var sequencer = Sequencer(start: SequencerStart(origin: own))
        var batch: [Sequenced] = []
        let outcome14 = sequencer.admit(message(1, position: 1), at: wall, into: &batch)
        #expect(outcome14 == .taken)
        let third = Origin(node: NodeID(rawValue: 3), epoch: Epoch(rawValue: 30))
        let creation = Record(
            origin: third, slot: .system, position: 1, time: HybridTime(milliseconds: 1), seen: 0,
            body: .topic(
                .created(
                    topic, generation: 1, kind: .stream, durability: .disk, owner: "", groups: [],
                    settings: TopicSettings())))
        let outcome15 = sequencer.admit(creation, at: wall, into: &batch)
        #expect(outcome15 == .taken)
        #expect(batch.last?.transition?.heads == Cursor([Partition(origin: peer, generation: 1): 1]))
    }
}

@Suite("A sequencer's memory of message ids")
struct MessageIDTests {
    private let topic: TopicName
    private let own = Origin(node: NodeID(rawValue: 1), epoch: Epoch(rawValue: 10))
    private let peer = Origin(node: NodeID(rawValue: 2), epoch: Epoch(rawValue: 20))
    private let start: Int64 = 10_000_000
    private let hour: Int64 = 3_600_000

    init() throws {
        topic = try TopicName("news")
    }

    private func wall(_ milliseconds: Int64) -> WallTime { WallTime(milliseconds: start + milliseconds) }

    private func draft(_ id: String, needsOwnRecord: Bool = false) -> Draft {
        Draft(
            topic: topic, event: "new-message", key: nil, publisher: "ada", source: "s", messageID: id, timeToLive: nil,
            payload: [49], needsOwnRecord: needsOwnRecord)
    }

    private func sequencer(_ settings: SequencerSettings = SequencerSettings()) throws -> Sequencer {
        var sequencer = Sequencer(start: SequencerStart(origin: own), settings: settings)
        var batch: [Sequenced] = []
        _ = try sequencer.create(
            topic, kind: .stream, durability: .disk, owner: "", groups: [], settings: TopicSettings(), at: wall(0),
            into: &batch
        ).get()
        return sequencer
    }

    /// A message of the peer's, whose clock is ahead by so many milliseconds.
    private func message(_ position: UInt64, id: String, ahead: Int64) -> Record {
        Record(
            origin: peer, slot: Slot(of: topic), position: position,
            time: HybridTime(milliseconds: UInt64(start + ahead), counter: UInt16(position)), seen: 0,
            body: .message(
                Message(
                    topic: topic, generation: 1, offset: position, event: "new-message", key: nil, publisher: "ada",
                    source: "p", messageID: id, expiry: nil, payload: [50])))
    }

    private func isRepeat(_ id: String, in sequencer: inout Sequencer, at wall: WallTime) throws -> Bool {
        var batch: [Sequenced] = []
        return try sequencer.publish(draft(id), at: wall, into: &batch).get().isRepeat
    }

    @Test("forgets no message because of a peer whose clock is an hour ahead")
    func farAhead() throws {
        var sequencer = try sequencer()
        var batch: [Sequenced] = []
        _ = try sequencer.publish(draft("a"), at: wall(0), into: &batch).get()
        #expect(sequencer.admit(message(1, id: "b", ahead: hour), at: wall(10), into: &batch) == .taken)
        #expect(try isRepeat("a", in: &sequencer, at: wall(20)))
    }

    @Test("knows a message of a peer whose clock is an hour ahead when it is published again here")
    func farAheadRepeat() throws {
        var sequencer = try sequencer()
        var batch: [Sequenced] = []
        #expect(sequencer.admit(message(1, id: "b", ahead: hour), at: wall(10), into: &batch) == .taken)
        #expect(try isRepeat("b", in: &sequencer, at: wall(20)))
        #expect(try !isRepeat("b", in: &sequencer, at: wall(301_000)))
    }

    @Test("takes an old message that comes late for no repeat of a new one")
    func late() throws {
        var sequencer = try sequencer()
        var batch: [Sequenced] = []
        #expect(sequencer.admit(message(1, id: "b", ahead: -hour), at: wall(10), into: &batch) == .taken)
        #expect(sequencer.recentCount == 0)
        #expect(try !isRepeat("b", in: &sequencer, at: wall(20)))
    }

    @Test("is bounded, and says how far back it reaches then")
    func bound() throws {
        var settings = SequencerSettings()
        settings.capacity = 3
        var sequencer = try sequencer(settings)
        #expect(sequencer.recentWindow == .seconds(300))
        for number in 1...5 as ClosedRange<Int64> {
            _ = try isRepeat("\(number)", in: &sequencer, at: wall(number * 1_000))
        }
        #expect(sequencer.recentCount == 3)
        #expect(sequencer.recentWindow == .seconds(3))
        #expect(try isRepeat("3", in: &sequencer, at: wall(6_000)))
        #expect(try !isRepeat("2", in: &sequencer, at: wall(6_000)))
    }

    @Test("starts with what the log held, whatever times from the future are among it")
    func restart() throws {
        func recent(_ id: String, _ milliseconds: Int64) -> RecentMessage {
            RecentMessage(
                topic: topic, publisher: "ada", messageID: id, partition: Partition(origin: peer, generation: 1),
                offset: 1, time: HybridTime(milliseconds: UInt64(start + milliseconds)))
        }
        var recovered = Recovered()
        recovered.registry = try sequencer().registry
        recovered.recent = [recent("a", 0), recent("ahead", hour), recent("b", 1_000)]
        recovered.lastTimes = [peer.node: HybridTime(milliseconds: UInt64(start + hour))]
        var sequencer = Sequencer(start: SequencerStart(origin: own, recovered: recovered))
        for id in ["a", "b", "ahead"] {
            let isKnown = try isRepeat(id, in: &sequencer, at: wall(2_000))
            #expect(isKnown, "\(id)")
        }
        var batch: [Sequenced] = []
        let receipt = try sequencer.publish(draft("new"), at: wall(2_001), into: &batch).get()
        #expect(receipt.time.wall == wall(2_001), "a peer's time from the future must not become this node's")
    }
}
