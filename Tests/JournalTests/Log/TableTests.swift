import Journal
import Model
import Simulator
import Testing

@Suite("A log of rows")
struct TableTests {
    private var author = Author()
    private let storage = MemoryStorage()

    /// A log with three rows, one of which was changed by two origins.
    private mutating func table(settings: LogSettings = LogSettings()) throws -> Log {
        var log = try Log.open(storage, settings: settings).log
        try log.keep([author.creation(kind: .table)])
        try log.keep([
            author.row("a", 1, payload: "1"), author.row("b", 1, payload: "2"), author.row("c", 1, payload: "3"),
            author.row("a", 2, .second, payload: "4"), author.row("a", 2, time: 900, payload: "5"),
            author.row("c", 2, payload: "null"),
        ])
        return log
    }

    private func payloads(_ page: TopicPage) -> [String] {
        page.messages.compactMap { $0.record.message.map { String(decoding: $0.payload, as: UTF8.self) } }
    }

    @Test("shows the newest version of each row alone, to every reader, and without gaps")
    mutating func newest() throws {
        var log = try table()
        for _ in 0..<2 {
            #expect(payloads(try log.follow()) == ["2", "4", "null"])
            #expect(payloads(try log.history(since: .beginning)) == ["4", "2", "null"])
            let page = try log.follow(cursor: Cursor([Origin.first.partition: 2]))
            #expect(payloads(page) == ["4", "null"] && page.gaps.isEmpty)
            #expect(page.cursor == Cursor([Origin.first.partition: 5, Origin.second.partition: 1]))
            let resolved = try log.resolve(.cursor(Cursor()))
            #expect(resolved.gaps.isEmpty && resolved.count == 3)
            // What was beaten is dropped, and all is as before.
            _ = try log.keepHouse(at: .at(2_000))
            #expect(log.statistics(of: .news, generation: 1, at: .at(2_000)).messages == 3)
        }
    }

    @Test("gives a row by its key, and none that has ended")
    mutating func byKey() throws {
        var log = try table()
        func row(_ key: String) throws -> [String] {
            let read = TopicRead(
                topic: .news, generation: 1, mode: .row(key, through: 0), messageLimit: 1, byteLimit: 1)
            return payloads(try log.read(read, at: .at(2_000)).found())
        }
        #expect(try row("a") == ["4"])
        #expect(try row("b") == ["2"])
        #expect(try row("c") == [])
        #expect(try row("d") == [])
    }

    @Test("holds back what was beaten while a power cut could take what beat it")
    mutating func durability() throws {
        var log = try Log.open(storage).log
        try log.keep([author.creation(kind: .table), author.row("a", 1, payload: "1")])
        try log.append([author.row("a", 2, .second, payload: "2")])
        _ = try log.keepHouse(at: .at(2_000))
        let scan = JournalScan(
            origin: .first, from: 1, expected: [UInt64](repeating: 0, count: Slot.count), byteLimit: 1 << 20)
        func rows(_ chunk: ScanChunk) -> Int {
            chunk.items.count { if case .record(let record) = $0 { record.message != nil } else { false } }
        }
        #expect(rows(try log.scan(scan)) == 1)
        try log.syncNow()
        _ = try log.keepHouse(at: .at(2_000))
        let chunk = try log.scan(scan)
        #expect(rows(chunk) == 0)
        #expect(chunk.expected[Int(Slot(of: .news).index)] == 1)
    }

    @Test("is the same after a restart, with segments dropped and rewritten")
    mutating func restart() throws {
        var log = try Log.open(storage, settings: .small).log
        try log.keep([author.creation(kind: .table)])
        for number in 0..<400 {
            try log.keep([author.row("\(number % 7)", UInt64(number / 7 + 1), payload: "\(number)")])
            if number % 40 == 0 { _ = try log.keepHouse(at: .at(2_000)) }
        }
        let segments = log.segmentCount
        for _ in 0..<100 { _ = try log.keepHouse(at: .at(2_000)) }
        #expect(log.segmentCount < segments)
        let expected = (393..<400).map { "\($0)" }
        #expect(payloads(try log.follow()) == expected)
        var (again, recovered) = try Log.open(storage, settings: .small)
        #expect(payloads(try again.follow()) == expected)
        let rows = recovered.rows[TopicGeneration(name: .news, generation: 1)] ?? [:]
        #expect(rows.count == 7 && rows["0"]?.rank.revision == 58 && rows["6"]?.rank.revision == 57)
        #expect(try again.follow(cursor: Cursor()).gaps.isEmpty)
    }
}
