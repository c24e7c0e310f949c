import Clustering
import Journal
import Model
import Testing

@Suite("A lane")
struct LaneTests {
    private let topic: TopicName

    init() throws {
        topic = try TopicName("news")
    }

    private func draft(_ size: Int = 10) -> Draft {
        Draft(
            topic: topic, event: "new-message", key: nil, publisher: "", source: "", messageID: nil, timeToLive: nil,
            payload: [UInt8](repeating: 49, count: size))
    }

    private func bench(_ settings: ReplicationSettings = ReplicationSettings()) -> LaneBench {
        var bench = LaneBench(settings)
        bench.settle()
        bench.left.write { [topic] sequencer, wall, batch in
            _ = sequencer.create(
                topic, kind: .stream, durability: .disk, owner: "", groups: [], settings: TopicSettings(), at: wall,
                into: &batch)
        }
        bench.settle()
        return bench
    }

    private func publish(_ count: Int, size: Int = 10, on end: inout LaneEnd) {
        for _ in 0..<count {
            end.write { [draft = draft(size)] sequencer, wall, batch in
                _ = sequencer.publish(draft, at: wall, into: &batch)
            }
        }
    }

    private func vectorsAreEqual(_ bench: LaneBench) -> Bool { bench.left.ledger.vector == bench.right.ledger.vector }

    @Test("sends again what was lost, from the first lost frame on, and nothing is taken twice")
    func goBackN() {
        for lost in 0..<5 {
            var bench = bench()
            publish(5, on: &bench.left)
            #expect(bench.left.frames.count == 5)
            bench.deliverRight { $0 == lost }
            bench.settle()
            #expect(bench.right.ledger.vector[bench.left.ledger.origin, Slot(of: topic)] == UInt64(lost))
            let later = MonotonicTime.zero + .milliseconds(300)
            bench.left.advance(to: later)
            bench.settle(at: later)
            #expect(vectorsAreEqual(bench), "frame \(lost) was lost")
            #expect(bench.right.replication.counters.recordsReceived == 6)
        }
    }

    @Test("says replicated only when both have synced, whichever comes first")
    func replicated() {
        for isPeerFirst in [true, false] {
            var bench = bench()
            publish(3, on: &bench.left)
            bench.settle()
            #expect(bench.left.replicatedThrough == 0)
            if isPeerFirst { bench.right.sync() } else { bench.left.sync() }
            bench.settle()
            #expect(bench.left.replicatedThrough == 0)
            if isPeerFirst { bench.left.sync() } else { bench.right.sync() }
            bench.settle()
            #expect(bench.left.replicatedThrough == bench.left.ledger.sequencer.sequence)
        }
    }

    @Test("keeps what is not received within its window")
    func window() throws {
        var settings = ReplicationSettings()
        settings.windowBytes = 100_000
        var bench = bench(settings)
        publish(40, size: 10_000, on: &bench.left)
        let lag = try #require(bench.left.replication.lag(of: bench.right.id, at: .zero))
        #expect(lag.unreceivedBytes <= settings.windowBytes + LaneFrame.targetBytes)
        #expect(lag.unreceivedBytes >= settings.windowBytes)
        bench.settle()
        #expect(vectorsAreEqual(bench))
    }

    @Test("sends nothing to a node whose disk takes nothing, and goes on when it does")
    func credit() {
        var bench = bench()
        bench.right.replication.isAccepting = false
        bench.right.advance(to: .zero + .milliseconds(300))
        bench.settle()
        publish(3, on: &bench.left)
        #expect(bench.left.frames.isEmpty)
        bench.right.replication.isAccepting = true
        bench.right.advance(to: .zero + .milliseconds(600))
        bench.settle()
        #expect(vectorsAreEqual(bench))
    }

    @Test("gives no credit while too much waits for the disk")
    func backlog() {
        var settings = ReplicationSettings()
        settings.unsyncedBytes = 20_000
        var bench = bench(settings)
        publish(10, size: 10_000, on: &bench.left)
        bench.settle()
        #expect(!vectorsAreEqual(bench))
        for round in 1...20 {
            bench.right.sync()
            let now = MonotonicTime.zero + .milliseconds(300 * round)
            bench.right.advance(to: now)
            bench.settle(at: now)
        }
        #expect(vectorsAreEqual(bench))
    }

    @Test("counts a part of what was read from the log as a part, however much was read at once")
    func partOfAChunk() throws {
        var settings = ReplicationSettings()
        settings.tailBytes = 1
        settings.windowBytes = LaneFrame.targetBytes
        var left = LaneEnd(node: 1, settings)
        left.write { [topic] sequencer, wall, batch in
            _ = sequencer.create(
                topic, kind: .stream, durability: .disk, owner: "", groups: [], settings: TopicSettings(), at: wall,
                into: &batch)
        }
        publish(30, size: 10_000, on: &left)
        left.sync()
        // The peer starts with nothing, so that it is fed from the log.
        let peer = NodeID(rawValue: 2)
        let boot = Boot(high: 2, low: 2)
        left.act { $0.opened(peer, boot: boot, at: .zero, into: &$2) }
        func frame(_ sequence: UInt64, _ acknowledged: UInt64, _ items: [LaneItem]) -> [UInt8] {
            LaneFrame(sequence: sequence, received: acknowledged, durable: acknowledged, credit: 1 << 20, items: items)
                .encode()
        }
        left.act {
            $0.receive(
                frame(1, 0, [.start(VersionVector(), epoch: Epoch(rawValue: 200))]), from: peer, boot: boot, at: .zero,
                ledger: $1,
                into: &$2)
        }
        let (purpose, read) = try #require(left.reads.first)
        #expect(read.origin == left.ledger.origin)
        let records = log
        left.frames = []
        left.act { [chunk = chunk(of: left.ledger.origin)] in
            $0.chunk(chunk, for: purpose, at: .zero, ledger: $1, into: &$2)
        }
        let sent = try left.frames.map { try LaneFrame.decode($0) }.filter { $0.sequence > 0 }
        let last = try #require(sent.last)
        left.act { $0.receive(frame(2, last.sequence, []), from: peer, boot: boot, at: .zero, ledger: $1, into: &$2) }
        #expect(left.replicatedThrough < records, "only \(sent.count) frames of the chunk were sent")
    }

    /// How many records the log of ``partOfAChunk()`` has.
    private let log: UInt64 = 31

    private func chunk(of origin: Origin) -> JournalChunk {
        var items: [JournalChunk.Item] = [
            .record(
                Record(
                    origin: origin, slot: .system, position: 1, time: HybridTime(milliseconds: 1), seen: 0,
                    body: .topic(
                        .created(
                            topic, generation: 1, kind: .stream, durability: .disk, owner: "", groups: [],
                            settings: TopicSettings()))))
        ]
        for offset in 1...30 as ClosedRange<UInt64> {
            items.append(
                .record(
                    Record(
                        origin: origin, slot: Slot(of: topic), position: offset,
                        time: HybridTime(milliseconds: 1 + offset), seen: 1,
                        body: .message(
                            Message(
                                topic: topic, generation: 1, offset: offset, event: "", key: nil, publisher: "",
                                source: "", messageID: nil,
                                expiry: nil, payload: [UInt8](repeating: 49, count: 10_000))))))
        }
        return JournalChunk(items: items, next: 32, isAtEnd: true, needsSnapshot: false)
    }

    @Test("asks to be ticked again and again, however much else happens")
    func deadline() {
        var bench = bench()
        bench.left.advance(to: .zero + .seconds(1))
        let deadline = bench.left.replication.nextDeadline(after: .zero + .seconds(1))
        publish(3, on: &bench.left)
        #expect(bench.left.replication.nextDeadline(after: .zero + .seconds(2)) == deadline)
    }

    @Test("tells interest once the window has room, in one item whatever came and went meanwhile")
    func interest() throws {
        var bench = bench()
        bench.right.replication.isAccepting = false
        bench.right.advance(to: .zero + .milliseconds(300))
        bench.settle()
        for round in 0..<100 {
            let filter = try TopicFilter("room/\(round % 7)")
            bench.left.act {
                let change = InterestChange(
                    loop: 0, id: UInt64(round), added: round % 2 == 0 ? [filter] : [],
                    removed: round % 2 == 0 ? [] : [filter])
                $0.interested([change], at: .zero, into: &$2)
            }
        }
        #expect(bench.left.frames.isEmpty)
        bench.right.replication.isAccepting = true
        bench.right.advance(to: .zero + .milliseconds(600))
        bench.deliverLeft()
        let items = try bench.left.frames.flatMap { try LaneFrame.decode($0).items }
        let told = items.filter { if case .interest = $0 { true } else { false } }
        #expect(told.count == 1)
    }

    @Test("passes a malformed frame over, and says so")
    func malformed() {
        var bench = bench()
        let before = bench.right.replication.counters.framesMalformed
        let boot = bench.left.boot
        bench.right.act {
            $0.receive([9, 9, 9], from: NodeID(rawValue: 1), boot: boot, at: .zero, ledger: $1, into: &$2)
        }
        #expect(bench.right.replication.counters.framesMalformed == before + 1)
        publish(1, on: &bench.left)
        bench.settle()
        #expect(vectorsAreEqual(bench))
    }

    @Test("to a peer of the version before carries messages both ways, in that version")
    func adjacentVersion() throws {
        var bench = LaneBench(rightVersions: WireVersions(2...2))
        bench.settle()
        bench.left.write { [topic] sequencer, wall, batch in
            _ = sequencer.create(
                topic, kind: .stream, durability: .disk, owner: "", groups: [], settings: TopicSettings(), at: wall,
                into: &batch)
        }
        let old = WireVersions(2...2)
        #expect(try bench.left.frames.allSatisfy { try LaneFrame.decode($0, versions: old).version == 2 })
        bench.settle()
        publish(3, on: &bench.left)
        bench.settle()
        publish(3, on: &bench.right)
        bench.settle()
        #expect(vectorsAreEqual(bench))
        #expect(bench.left.replication.lag(of: bench.right.id, at: .zero)?.version == 2)
        #expect(bench.left.replication.counters.framesMalformed + bench.right.replication.counters.framesMalformed == 0)
    }

    @Test("stops before a removal that the peer's version cannot say, says so once, and brings it to a later build")
    func removalToOldPeer() {
        var bench = LaneBench(rightVersions: WireVersions(2...2))
        bench.settle()
        func remove(_ bench: inout LaneBench) {
            bench.left.write { sequencer, wall, batch in
                sequencer.remove(
                    DepartureRecord(node: NodeID(rawValue: 7), name: "seven", user: ""), at: wall, into: &batch)
            }
        }
        remove(&bench)
        bench.settle()
        bench.left.advance(to: .zero + .milliseconds(300))
        bench.settle(at: .zero + .milliseconds(300))
        #expect(bench.right.ledger.registry.departed.isEmpty && !vectorsAreEqual(bench))
        #expect(bench.left.outdated.count == 1 && bench.left.outdated[0] == (bench.right.id, 2))
        #expect(bench.right.replication.counters.framesMalformed == 0)
        bench.upgradeRight()
        bench.settle()
        #expect(bench.right.ledger.registry.departed.keys.sorted() == [NodeID(rawValue: 7)])
    }

    @Test("to a node that was removed is closed, and what that node holds does not count")
    func departed() {
        var bench = bench()
        bench.left.sync()
        bench.right.sync()
        bench.settle()
        let before = bench.left.replicatedThrough
        bench.left.write { sequencer, wall, batch in
            sequencer.introduce(name: "one", at: wall, into: &batch)
            sequencer.remove(DepartureRecord(node: NodeID(rawValue: 2), name: "two", user: ""), at: wall, into: &batch)
        }
        // The registry counts one member now, and that is enough; before, two would have been needed.
        bench.left.advance(to: .zero + .milliseconds(300))
        #expect(bench.left.replicatedThrough == before)
        bench.left.sync()
        #expect(bench.left.replicatedThrough == bench.left.ledger.sequencer.sequence)
        bench.left.act { $0.depart([NodeID(rawValue: 2)], at: .zero, into: &$2) }
        #expect(bench.left.replication.lag(of: bench.right.id, at: .zero) == nil)
        publish(1, on: &bench.right)
        bench.deliverLeft()
        #expect(bench.left.ledger.vector[bench.right.ledger.origin, Slot(of: topic)] == 0)
    }
}

@Suite("The form of a lane's frame")
struct LaneFrameTests {
    private func frame() throws -> LaneFrame {
        let origin = Origin(node: NodeID(rawValue: 1), epoch: Epoch(rawValue: 2))
        let topic = try TopicName("news")
        var vector = VersionVector()
        vector.advance(origin, Slot(of: topic), to: 7)
        let place = MemoryPlace(topic: topic, partition: Partition(origin: origin, generation: 1))
        let there = PresenceKey(.member, in: topic, connection: "s1")
        let ann = PresenceEntry(user: "ann", since: WallTime(milliseconds: 5), state: [49])
        return LaneFrame(
            sequence: 3, received: 2, durable: 1, credit: 4_096,
            items: [
                .start(vector, epoch: Epoch(rawValue: 5)),
                .record(
                    Record(
                        origin: origin, slot: .system, position: 1, time: .zero, seen: 0,
                        body: .member(MemberRecord(node: origin.node, name: "one")))),
                .record(
                    Record(
                        origin: origin, slot: .system, position: 2, time: .zero, seen: 1,
                        body: .departure(DepartureRecord(node: origin.node, name: "one", user: "ann")))),
                .absent(AbsentRun(origin: origin, slot: .system, from: 2, to: 3)),
                .vector(vector), .pull(origin, after: vector.positions(of: origin)), .pulled(origin),
                .pulse(digest: .max, interest: 1, presence: 2),
                .interest(base: 1, version: 2, added: [TopicFilter(topic)], removed: [.everything]),
                .interestTaken(
                    version: 2,
                    heads: [MemoryHead(topic: topic, partition: Partition(origin: origin, generation: 1), offset: 9)]),
                .subscribers([topic: 4]), .heads([MemoryHead(topic: topic, partition: place.partition, offset: 9)]),
                .fetch(place, after: 8), .lost(place, 3...5), .fetched(place),
                .presence(base: 3, [.set(there, ann), .remove(there)]),
                .presenceSet(version: 4, isFirst: true, isLast: false, [(there, ann)]),
            ])
    }

    @Test("gives back every kind of item")
    func roundTrip() throws {
        let frame = try frame()
        let read = try LaneFrame.decode(frame.encode())
        #expect(read.items.count == frame.items.count)
        #expect(read.encode() == frame.encode())
    }

    @Test("is refused with both versions named where another version wrote it")
    func otherVersion() throws {
        var bytes = try frame().encode()
        bytes[0] = 1
        #expect(throws: FormatError.unknownVersion(found: 1, known: LaneFrame.formatVersion)) {
            try LaneFrame.decode(bytes)
        }
    }

    @Test("is refused where it says what its version has no words for")
    func tooNew() throws {
        var frame = try frame()
        frame.version = 2
        #expect(throws: FormatError.self) { try LaneFrame.decode(frame.encode()) }
        frame.items.removeAll { item in
            switch item {
            case .record(let record): record.isDeparture
            case .presence, .presenceSet: true
            default: false
            }
        }
        #expect(try LaneFrame.decode(frame.encode()).version == 2)
        #expect(throws: FormatError.unknownVersion(found: LaneFrame.formatVersion, known: 2)) {
            try LaneFrame.decode(self.frame().encode(), versions: WireVersions(2...2))
        }
    }

    @Test("is refused where it is cut inside an item, and never crashes on changed bytes")
    func damage() throws {
        let bytes = try frame().encode()
        for seed in 1...2_000 as ClosedRange<UInt64> {
            var random = RandomSource(seed: seed)
            var changed = Array(bytes.prefix(Int.random(in: 1...bytes.count, using: &random)))
            changed[Int.random(in: 0..<changed.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            // Either is right, as long as it ends.
            do { _ = try LaneFrame.decode(changed) } catch {}
        }
        #expect(throws: FormatError.self) { try LaneFrame.decode(Array(bytes.dropLast())) }
    }
}
