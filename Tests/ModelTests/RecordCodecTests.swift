import Model
import Testing

@Suite("The form of a record")
struct RecordCodecTests {
    private static func text(_ random: inout RandomSource) -> String {
        String((0..<Int.random(in: 0...12, using: &random)).map { _ in "abcäß✓\u{0}z".randomElement(using: &random)! })
    }

    private static func row(_ random: inout RandomSource) -> RowVersion {
        func readers() -> RowReaders { RowReaders(users: [text(&random), "ann"], groups: [text(&random)]) }
        return RowVersion(
            revision: random.next() >> 2, readers: random.next() % 2 == 0 ? nil : readers(),
            former: [.nobody, .everybody, .some(readers())].randomElement(using: &random)!)
    }

    private static func record(_ random: inout RandomSource) throws -> Record {
        let origin = Origin(node: NodeID(rawValue: random.next()), epoch: Epoch(rawValue: random.next()))
        let name = try TopicName("topic/\(Int.random(in: 0...99, using: &random))")
        let body: Record.Body
        switch Int.random(in: 0..<6, using: &random) {
        case 0:
            body = .topic(
                .created(
                    name, generation: 3, kind: .table, durability: .memory, owner: text(&random),
                    groups: [text(&random), text(&random)],
                    settings: TopicSettings(
                        retention: Retention(messages: 5, bytes: nil, seconds: 7), permission: .ownerOnly)))
        case 1: body = .topic(.changed(name, generation: 1, revision: random.next() >> 2, settings: TopicSettings()))
        case 2: body = .topic(.destroyed(name, generation: .max))
        case 3: body = .member(MemberRecord(node: origin.node, name: text(&random)))
        case 4: body = .departure(DepartureRecord(node: origin.node, name: text(&random), user: text(&random)))
        default:
            let isRow = random.next() % 2 == 0
            body = .message(
                Message(
                    topic: name, generation: 1, offset: random.next(), event: text(&random),
                    key: isRow || random.next() % 2 == 0 ? text(&random) : nil, publisher: text(&random), source: text(&random),
                    messageID: random.next() % 2 == 0 ? nil : text(&random),
                    expiry: random.next() % 2 == 0 ? nil : WallTime(milliseconds: Int64(bitPattern: random.next())),
                    payload: (0..<Int.random(in: 0...40, using: &random)).map { _ in
                        UInt8.random(in: 0...255, using: &random)
                    }, row: isRow ? row(&random) : nil))
        }
        return Record(
            origin: origin, slot: Slot(index: .random(in: 0...64, using: &random))!, position: random.next(),
            time: HybridTime(rawValue: random.next()), seen: random.next(), body: body)
    }

    private static func encoded(_ record: Record) -> [UInt8] {
        var writer = ByteWriter()
        record.encode(into: &writer)
        return writer.bytes
    }

    @Test("gives back what was written")
    func roundTrip() throws {
        for seed in 1...500 as ClosedRange<UInt64> {
            var random = RandomSource(seed: seed)
            let record = try Self.record(&random)
            var reader = ByteReader(Self.encoded(record))
            let read = try Record.decode(from: &reader)
            try reader.finish()
            #expect(read.body == record.body, "seed \(seed)")
            #expect(read.origin == record.origin && read.slot == record.slot && read.position == record.position)
            #expect(read.time == record.time && read.seen == record.seen)
        }
    }

    @Test("is refused wherever it is cut off, and never crashes on changed bytes")
    func damage() throws {
        for seed in 1...200 as ClosedRange<UInt64> {
            var random = RandomSource(seed: seed)
            let bytes = Self.encoded(try Self.record(&random))
            let cut = Int.random(in: 0..<bytes.count, using: &random)
            #expect(throws: FormatError.self, "seed \(seed), cut at \(cut)") {
                var reader = ByteReader(bytes[..<cut])
                _ = try Record.decode(from: &reader)
            }
            var changed = bytes
            changed[Int.random(in: 1..<bytes.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            var reader = ByteReader(changed)
            // Either is right, as long as it ends.
            do { _ = try Record.decode(from: &reader) } catch {}
        }
    }

    @Test("of a later version is refused by that name")
    func version() throws {
        var random = RandomSource(seed: 1)
        var bytes = Self.encoded(try Self.record(&random))
        bytes[0] = 9
        #expect(throws: FormatError.unknownVersion(found: 9, known: 1)) {
            var reader = ByteReader(bytes)
            _ = try Record.decode(from: &reader)
        }
    }
}
