import Journal
import Model
import Simulator
import Testing

@Suite("A scan of a journal")
struct ScanTests {
    private var author = Author()
    private let storage = MemoryStorage()

    private func scan(_ log: Log, _ origin: Origin = .first, bytes: Int = 1 << 20) throws -> [ScanChunk.Item] {
        var log = log
        var items: [ScanChunk.Item] = []
        var expected = [UInt64](repeating: 0, count: Slot.count)
        var next: UInt64 = 1
        for _ in 0..<10_000 {
            let chunk = try log.scan(JournalScan(origin: origin, from: next, expected: expected, byteLimit: bytes))
            items += chunk.items
            (expected, next) = (chunk.expected, chunk.nextSequence)
            if chunk.reachedEnd { break }
        }
        // Whatever is given, a peer's position of each journal advances by one, or by the run that is told.
        var held = [UInt64](repeating: 0, count: Slot.count)
        for item in items {
            switch item {
            case .record(let record):
                #expect(record.position == held[Int(record.slot.index)] + 1)
                held[Int(record.slot.index)] = record.position
            case .absent(let run):
                #expect(run.from == held[Int(run.slot.index)] + 1)
                held[Int(run.slot.index)] = run.to
            }
        }
        #expect(held == log.vector.positions(of: origin))
        return items
    }

    private func positions(_ items: [ScanChunk.Item]) -> [UInt64] {
        items.compactMap { if case .record(let record) = $0, record.slot != .system { record.position } else { nil } }
    }

    private func absent(_ items: [ScanChunk.Item]) -> [AbsentRun] {
        items.compactMap { if case .absent(let run) = $0 { run } else { nil } }
    }

    @Test(
        "gives one origin's records in log order, from disk and from memory", arguments: [1, 500, 100_000],
        [1, 1 << 20])
    mutating func order(cacheBytes: Int, bytes: Int) throws {
        var settings = LogSettings.small
        settings.cacheBytes = cacheBytes
        var log = try Log.open(storage, settings: settings).log
        try log.keep([author.creation()])
        for _ in 0..<20 { try log.keep([author.message(.first), author.message(.second), author.message(.first)]) }
        let items = try scan(log, bytes: bytes)
        #expect(positions(items) == Array(1...40) && absent(items).isEmpty)
        #expect(positions(try scan(log, .second, bytes: bytes)) == Array(1...20))
        let reopened = try Log.open(storage, settings: settings).log
        #expect(positions(try scan(reopened, bytes: bytes)) == Array(1...40))
    }

    @Test("leaves out what the peer has", arguments: [1, 1 << 20])
    mutating func known(cacheBytes: Int) throws {
        var settings = LogSettings.small
        settings.cacheBytes = cacheBytes
        var log = try Log.open(storage, settings: settings).log
        try log.keep([author.creation()])
        for _ in 0..<10 { try log.keep([author.message()]) }
        var held = log.vector.positions(of: .first)
        held[Int(Slot(of: .news).index)] = 7
        let chunk = try log.scan(JournalScan(origin: .first, from: 1, expected: held, byteLimit: 1 << 20))
        #expect(positions(chunk.items) == [8, 9, 10] && chunk.items.count == 3 && !chunk.needsSnapshot)
    }

    @Test("goes on where the last one ended")
    mutating func tail() throws {
        var log = try Log.open(storage).log
        try log.keep([author.creation(), author.message()])
        let none = [UInt64](repeating: 0, count: Slot.count)
        let first = try log.scan(JournalScan(origin: .first, from: 1, expected: none, byteLimit: 1_000))
        #expect(first.reachedEnd && first.nextSequence == 3)
        try log.append([author.message()])
        let second = try log.scan(
            JournalScan(origin: .first, from: first.nextSequence, expected: first.expected, byteLimit: 1_000))
        #expect(second.items.count == 1 && second.nextSequence == 4)
    }

    @Test("says which positions are gone, and asks for the registry where its records are")
    mutating func absent() throws {
        var log = try Log.open(storage, settings: .small).log
        try log.keep([author.creation(retention: Retention(messages: 2))])
        for _ in 0..<30 { try log.keep([author.message()]) }
        _ = try log.keepHouse(at: .at(2_000))
        let items = try scan(log)
        #expect(positions(items) == [29, 30])
        let none = [UInt64](repeating: 0, count: Slot.count)
        #expect(try log.scan(JournalScan(origin: .first, from: 1, expected: none, byteLimit: 1 << 20)).needsSnapshot)
        #expect(absent(items).contains(AbsentRun(origin: .first, slot: Slot(of: .news), from: 1, to: 28)))
        #expect(absent(items).contains(AbsentRun(origin: .first, slot: .system, from: 1, to: 1)))
    }

    @Test("says that the end of a journal is gone when it is")
    mutating func absentTail() throws {
        var log = try Log.open(storage).log
        try log.keep([author.creation(), author.message()])
        log.skip(AbsentRun(origin: .first, slot: Slot(of: .news), from: 2, to: 7))
        #expect(absent(try scan(log)) == [AbsentRun(origin: .first, slot: Slot(of: .news), from: 2, to: 7)])
    }
}
