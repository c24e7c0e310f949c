import Model
import Testing

@Suite("A cursor")
struct CursorTests {
    private let partition = Partition(
        origin: Origin(node: NodeID(rawValue: 0x0102), epoch: Epoch(rawValue: 0xFF00_0000_0000_0001)),
        generation: 4_000_000_000)

    @Test("comes back from its compact text")
    func compactText() throws {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = RandomSource(seed: seed)
            var cursor = Cursor()
            for _ in 0..<Int.random(in: 0...20, using: &random) {
                let origin = Origin(node: NodeID(rawValue: random.next()), epoch: Epoch(rawValue: random.next()))
                cursor.advance(
                    Partition(origin: origin, generation: .random(in: 1...9, using: &random)), to: random.next())
            }
            #expect(try Cursor(compactText: cursor.compactText) == cursor, "seed \(seed)")
        }
    }

    @Test("never goes back")
    func monotonic() {
        var cursor = Cursor()
        cursor.advance(partition, to: 5)
        cursor.advance(partition, to: 3)
        #expect(cursor[partition] == 5)
    }

    @Test("refuses text that is cut, padded or names a partition twice")
    func refusals() throws {
        let text = Cursor([partition: 7]).compactText
        for wrong in [String(text.dropLast()), text + "A", text + "=", "", "!"] {
            #expect(throws: FormatError.self, "\(wrong)") { try Cursor(compactText: wrong) }
        }
        var writer = ByteWriter()
        writer.u8(Cursor.formatVersion)
        writer.varint(2)
        for _ in 0..<2 {
            writer.u64(1)
            writer.u64(1)
            writer.varint(1)
            writer.varint(1)
        }
        let twice = base64URLEncode(writer.bytes)
        #expect(throws: FormatError.invalid("cursor")) { try Cursor(compactText: twice) }
    }

    @Test("writes a partition so that it can be read back, and reads nothing else")
    func partitions() {
        #expect(Partition(partition.description) == partition)
        for wrong in ["", ".1", "AAAA.1", partition.description + "0", "\(partition.description.dropLast(11))-1"] {
            #expect(Partition(wrong) == nil, "\(wrong)")
        }
    }
}

@Suite("A hybrid clock")
struct HybridClockTests {
    @Test("gives times that always increase, whatever the calendar and peers do")
    func increases() {
        var random = RandomSource(seed: 5)
        var clock = HybridClock()
        var last = HybridTime.zero
        for _ in 0..<10_000 {
            let wall = WallTime(milliseconds: .random(in: 1_000...1_010, using: &random))
            clock.observe(HybridTime(milliseconds: .random(in: 900...2_000, using: &random), counter: .max), at: wall)
            let next = clock.next(at: wall)
            #expect(next > last)
            last = next
        }
        #expect(last.wall.milliseconds <= 1_010 + HybridClock.maximumDrag.milliseconds)
    }

    @Test("carries a full counter into the milliseconds")
    func carry() {
        var clock = HybridClock(last: HybridTime(milliseconds: 8, counter: .max))
        #expect(clock.next(at: WallTime(milliseconds: 8)) == HybridTime(milliseconds: 9))
    }
}

@Suite("A version vector")
struct VersionVectorTests {
    @Test("has one digest whatever the order of its journals, and another for every other content")
    func digest() {
        var random = RandomSource(seed: 3)
        for _ in 0..<200 {
            let entries = (0..<6).map { _ in
                (
                    Origin(
                        node: NodeID(rawValue: .random(in: 1...3, using: &random)),
                        epoch: Epoch(rawValue: .random(in: 1...3, using: &random))),
                    Slot(index: .random(in: 0...64, using: &random))!, UInt64.random(in: 1...5, using: &random)
                )
            }
            var (one, other) = (VersionVector(), VersionVector())
            for entry in entries { one.advance(entry.0, entry.1, to: entry.2) }
            for entry in entries.reversed() { other.advance(entry.0, entry.1, to: entry.2) }
            #expect(one == other)
            #expect(one.digest { _ in true } == other.digest { _ in true })
            other.advance(entries[0].0, entries[0].1, to: 6)
            #expect(one.digest { _ in true } != other.digest { _ in true })
        }
    }

    @Test("comes back from its encoded form")
    func codec() throws {
        var vector = VersionVector()
        vector.advance(Origin(node: NodeID(rawValue: 1), epoch: Epoch(rawValue: 2)), .system, to: .max)
        vector.advance(Origin(node: NodeID(rawValue: 3), epoch: Epoch(rawValue: 4)), Slot(index: 0)!, to: 1)
        var writer = ByteWriter()
        vector.encode(into: &writer)
        var reader = ByteReader(writer.bytes)
        #expect(try VersionVector.decode(from: &reader) == vector)
        #expect(reader.isAtEnd)
    }
}
