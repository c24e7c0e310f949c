import Model
import Testing

@Suite("The registry of topics")
struct RegistryTests {
    private static func changes(_ random: inout RandomSource, count: Int) throws -> [(TopicChange, Stamp)] {
        let names = [try TopicName("a"), try TopicName("b")]
        return (0..<count).map { index in
            let name = names.randomElement(using: &random)!
            let generation = UInt32.random(in: 1...3, using: &random)
            let origin = Origin(node: NodeID(rawValue: .random(in: 1...3, using: &random)), epoch: Epoch(rawValue: 7))
            // No two records share a stamp.
            let time = HybridTime(milliseconds: .random(in: 1...5, using: &random), counter: UInt16(index))
            let settings = TopicSettings(retention: Retention(messages: .random(in: 1...9, using: &random)))
            let change: TopicChange
            switch Int.random(in: 0..<4, using: &random) {
            case 0: change = .destroyed(name, generation: generation)
            case 1:
                change = .changed(
                    name, generation: generation, revision: .random(in: 1...4, using: &random), settings: settings)
            default:
                change = .created(
                    name, generation: generation, kind: .stream, durability: .disk, owner: "owner-\(index)", groups: [],
                    settings: settings)
            }
            return (change, Stamp(time: time, origin: origin))
        }
    }

    private static func merged(_ changes: some Sequence<(TopicChange, Stamp)>) -> Registry {
        var registry = Registry()
        for (change, stamp) in changes { registry.merge(change, stamp: stamp) }
        return registry
    }

    @Test("comes out the same in whatever order, however often and in whatever pieces it is merged")
    func lattice() throws {
        for seed in 1...500 as ClosedRange<UInt64> {
            var random = RandomSource(seed: seed)
            let changes = try Self.changes(&random, count: 12)
            let expected = Self.merged(changes)
            #expect(Self.merged(changes.shuffled(using: &random)) == expected, "seed \(seed): not commutative")
            #expect(Self.merged(changes + changes.shuffled(using: &random)) == expected, "seed \(seed): not idempotent")
            let cut = Int.random(in: 0...changes.count, using: &random)
            var left = Self.merged(changes[..<cut])
            for entry in Self.merged(changes[cut...]).sortedEntries { left.merge(entry) }
            #expect(left == expected, "seed \(seed): not associative")
        }
    }

    @Test("is the same after it was retold to a node that knows nothing")
    func retold() throws {
        for seed in 1...500 as ClosedRange<UInt64> {
            var random = RandomSource(seed: seed)
            let registry = Self.merged(try Self.changes(&random, count: 10))
            let retold = registry.sortedEntries.flatMap(\.retold).map { ($0.change, $0.stamp) }
            #expect(Self.merged(retold.shuffled(using: &random)) == registry, "seed \(seed)")
        }
    }

    @Test("is the same after it was written and read back")
    func codec() throws {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = RandomSource(seed: seed)
            var registry = Self.merged(try Self.changes(&random, count: 10))
            let origin = Origin(node: NodeID(rawValue: 3), epoch: Epoch(rawValue: 1))
            registry.merge(
                MemberRecord(node: origin.node, name: "three"),
                stamp: Stamp(time: HybridTime(milliseconds: 4), origin: origin))
            registry.merge(
                DepartureRecord(node: NodeID(rawValue: 2), name: "two", user: "ann"),
                stamp: Stamp(time: HybridTime(milliseconds: 5), origin: origin))
            var writer = ByteWriter()
            registry.encode(into: &writer, withDepartures: true)
            var reader = ByteReader(writer.bytes)
            let read = try Registry.decode(from: &reader, withDepartures: true)
            try reader.finish()
            #expect(read == registry, "seed \(seed)")
        }
    }

    @Test("holds a removed node to be gone, in whatever order its records and those of its removal come")
    func departures() {
        let (one, two) = (NodeID(rawValue: 1), NodeID(rawValue: 2))
        func stamp(_ time: UInt64, by node: NodeID) -> Stamp {
            Stamp(time: HybridTime(milliseconds: time), origin: Origin(node: node, epoch: Epoch(rawValue: 1)))
        }
        let facts: [(inout Registry) -> Void] = [
            { $0.merge(MemberRecord(node: one, name: "one"), stamp: stamp(1, by: one)) },
            { $0.merge(MemberRecord(node: two, name: "two"), stamp: stamp(2, by: two)) },
            { $0.merge(DepartureRecord(node: two, name: "two", user: "ann"), stamp: stamp(5, by: one)) },
            { $0.merge(DepartureRecord(node: two, name: "two", user: "bob"), stamp: stamp(4, by: one)) },
            { $0.merge(MemberRecord(node: two, name: "again"), stamp: stamp(9, by: two)) },
        ]
        var expected: Registry?
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = RandomSource(seed: seed)
            var registry = Registry()
            for fact in (facts + facts).shuffled(using: &random) { fact(&registry) }
            #expect(registry.members.keys.sorted() == [one], "seed \(seed)")
            #expect(registry.departed[two]?.record.user == "bob", "seed \(seed): the earliest word of it counts")
            if let expected { #expect(registry == expected, "seed \(seed)") }
            expected = registry
        }
    }

    @Test("keeps the owner of the earliest of two creations, whichever comes first")
    func rivals() throws {
        let name = try TopicName("shared")
        let (first, second) = (
            Origin(node: NodeID(rawValue: 1), epoch: Epoch(rawValue: 1)),
            Origin(node: NodeID(rawValue: 2), epoch: Epoch(rawValue: 1))
        )
        func creation(_ owner: String) -> TopicChange {
            .created(
                name, generation: 1, kind: .stream, durability: .disk, owner: owner, groups: [],
                settings: TopicSettings())
        }
        let changes = [
            (creation("late"), Stamp(time: HybridTime(milliseconds: 9), origin: first)),
            (creation("early"), Stamp(time: HybridTime(milliseconds: 8), origin: second)),
        ]
        #expect(Self.merged(changes).topic(name)?.owner == "early")
        #expect(Self.merged(changes.reversed()).topic(name)?.owner == "early")
    }

    @Test("says nothing of a destroyed topic until it is created in a later generation")
    func generations() throws {
        let name = try TopicName("again")
        let origin = Origin(node: NodeID(rawValue: 1), epoch: Epoch(rawValue: 1))
        func stamp(_ time: UInt64) -> Stamp { Stamp(time: HybridTime(milliseconds: time), origin: origin) }
        func creation(_ generation: UInt32) -> TopicChange {
            .created(
                name, generation: generation, kind: .stream, durability: .disk, owner: "", groups: [],
                settings: TopicSettings())
        }
        var registry = Registry()
        let early = registry.merge(.destroyed(name, generation: 1), stamp: stamp(3))
        let dead = registry.merge(creation(1), stamp: stamp(1))
        #expect(early == nil && dead == nil)
        #expect(registry.entries[name]?.nextGeneration == 2)
        let created = registry.merge(creation(2), stamp: stamp(4))
        #expect(created?.after?.generation == 2)
        let destroyed = registry.merge(.destroyed(name, generation: 2), stamp: stamp(5))
        #expect(destroyed?.before?.generation == 2)
        #expect(registry.topic(name) == nil)
    }
}
