import Journal
import Model
import Simulator
import Testing

@Suite("A log that is damaged")
struct RepairTests {
    private var author = Author()
    private let storage = MemoryStorage()

    /// Six closed segments of a few messages of two origins each, and one that is written to.
    private mutating func filled() throws -> Log {
        var log = try Log.open(storage, settings: .small).log
        try log.keep([author.creation()])
        for number in 0..<40 {
            try log.keep([
                author.message(number % 3 == 0 ? .second : .first, time: UInt64(1_000 + number), id: "m\(number)")
            ])
        }
        return log
    }

    private var segments: [String] { storage.contents.keys.filter { $0.hasPrefix("log-") }.sorted() }

    /// What another holder has of what was asked for.
    private func answer(_ found: FoundDamage, from healthy: [String: [UInt8]], to log: inout Log) throws {
        var holder = try Log.open(MemoryStorage(healthy), settings: .small).log
        for run in found.wanted {
            var from: UInt64 = 0
            while true {
                let chunk = try holder.scan(JournalScan(run, from: from, byteLimit: 200))
                log.mend(chunk.items.compactMap { item in if case .record(let record) = item { record } else { nil } })
                if chunk.reachedEnd { break }
                from = chunk.nextSequence
            }
            log.resolve(run, .settled)
        }
        while try log.writeRepairs() != nil {}
    }

    private func shown(_ page: TopicPage) -> [String] {
        page.messages.map { "\($0.record.origin) \($0.record.position) \($0.record.time)" }
            + page.gaps.map { "gap \($0.from) \($0.to)" }
    }

    private func scrubbed(_ log: inout Log) throws -> FoundDamage {
        while try !log.scrub().isEndOfPass {}
        return try log.examineSuspects()
    }

    @Test("finds a bit that turned over in a closed segment, wherever it is, and is whole again with what a holder has")
    mutating func everyBit() throws {
        _ = try filled()
        let healthy = storage.contents
        let file = segments[2]
        let size = try #require(healthy[file]?.count)
        for position in stride(from: 0, to: size, by: 7) {
            let damaged = MemoryStorage(healthy)
            var log = try Log.open(damaged, settings: .small).log
            let whole = shown(try log.history())
            _ = try log.beginRepairs()
            damaged.flip(bit: position % 8, ofByte: position, in: file)
            let found = try scrubbed(&log)
            #expect(found.holes.map(\.file) == [file], "byte \(position)")
            #expect(log.pendingRepairs == found.wanted.count)
            try answer(found, from: healthy, to: &log)
            #expect(log.pendingRepairs == 0)
            #expect(shown(try log.history()) == whole, "byte \(position)")
            #expect(try scrubbed(&log).isEmpty, "byte \(position)")
            var (again, recovered) = try Log.open(damaged, settings: .small)
            #expect(recovered.holes.isEmpty && recovered.cut == nil)
            #expect(shown(try again.history()) == whole, "byte \(position)")
        }
    }

    @Test("finds at the start that a closed segment was cut to any length, and is whole again")
    mutating func everyLength() throws {
        var first = try filled()
        let whole = shown(try first.history())
        let healthy = storage.contents
        for file in [segments[1], segments[3]] {
            let size = try #require(healthy[file]?.count)
            for length in stride(from: 0, to: size, by: 5) {
                let damaged = MemoryStorage(healthy)
                damaged.cut(file, to: length)
                var (log, recovered) = try Log.open(damaged, settings: .small)
                #expect(recovered.lastSequence == 41 && recovered.cut == nil, "length \(length)")
                let found = try log.beginRepairs()
                #expect(!found.holes.isEmpty, "length \(length)")
                try answer(found, from: healthy, to: &log)
                #expect(shown(try log.history()) == whole, "length \(length)")
                var again = try Log.open(damaged, settings: .small).log
                #expect(shown(try again.history()) == whole, "length \(length)")
            }
        }
    }

    @Test("finds at the start that a segment before one that was written anew was cut, or has gone, and is whole again")
    mutating func beforeRewritten() throws {
        var first = try filled()
        let whole = shown(try first.history())
        let healthy = storage.contents
        let size = try #require(healthy[segments[2]]?.count)
        for length in [nil, 0, 1, 31, 32, 33, size / 2, size - 1] as [Int?] {
            let damaged = MemoryStorage(healthy)
            var log = try Log.open(damaged, settings: .small).log
            _ = try log.beginRepairs()
            damaged.flip(bit: 1, ofByte: 60, in: segments[3])
            try answer(try scrubbed(&log), from: healthy, to: &log)
            if let length { damaged.cut(segments[2], to: length) } else { try damaged.remove(segments[2]) }
            var (again, recovered) = try Log.open(damaged, settings: .small)
            #expect(!recovered.holes.isEmpty && recovered.cut == nil, "length \(length ?? -1)")
            try answer(try again.beginRepairs(), from: healthy, to: &again)
            #expect(shown(try again.history()) == whole, "length \(length ?? -1)")
            var last = try Log.open(damaged, settings: .small)
            #expect(last.recovered.holes.isEmpty)
            #expect(shown(try last.log.history()) == whole, "length \(length ?? -1)")
        }
    }

    @Test("lets readers wait for what may come back, and tells a gap once no holder has it")
    mutating func waiting() throws {
        var log = try filled()
        _ = try log.beginRepairs()
        let size = try #require(storage.contents[segments[1]]?.count)
        storage.flip(bit: 3, ofByte: size / 2, in: segments[1])
        #expect(throws: NoPage.self) { try log.history() }
        #expect(throws: NoPage.self) { try log.follow() }
        let found = try log.examineSuspects()
        #expect(found.holes.count == 1 && !found.wanted.isEmpty)
        #expect(throws: NoPage.self) { try log.follow() }
        #expect(try log.follow(after: 35).sequences == [36, 37, 38, 39, 40, 41])
        let before = log.repairVersion
        for run in found.wanted { log.resolve(run, .unavailable) }
        #expect(log.repairVersion != before)
        let page = try log.follow()
        #expect(page.messages.count + page.gaps.count == 40)
        #expect(page.gaps.allSatisfy { $0.reason == .lost } && !page.gaps.isEmpty)
        #expect(try log.history().gaps == page.gaps)
    }

    @Test("does not tell a peer that what it has lost is absent while that may come back")
    mutating func heldUp() throws {
        var log = try filled()
        _ = try log.beginRepairs()
        let size = try #require(storage.contents[segments[1]]?.count)
        storage.flip(bit: 3, ofByte: size / 2, in: segments[1])
        let scan = JournalScan(
            origin: .first, from: 1, expected: [UInt64](repeating: 0, count: Slot.count), byteLimit: 1 << 20)
        let early = try log.scan(scan)
        #expect(early.isHeldUp && !early.reachedEnd)
        let found = try log.examineSuspects()
        let chunk = try log.scan(scan)
        #expect(chunk.isHeldUp && !chunk.reachedEnd)
        let isTold = chunk.items.contains { if case .absent = $0 { true } else { false } }
        #expect(!isTold)
        for run in found.wanted { log.resolve(run, .unavailable) }
        #expect(try log.scan(scan).isHeldUp)
        for run in found.wanted { log.resolve(run, .settled) }
        #expect(try log.scan(scan).reachedEnd)
    }

    @Test("remembers over a restart what a holder that could not be reached may still have")
    mutating func remembered() throws {
        var log = try filled()
        let whole = shown(try log.history())
        let healthy = storage.contents
        let file = segments[2]
        storage.clear(32..<(try #require(healthy[file]?.count)), in: file)
        log = try Log.open(storage, settings: .small).log
        let found = try log.beginRepairs()
        var half = FoundDamage()
        half.wanted = found.wanted.filter { $0.origin == .second }
        for run in found.wanted where run.origin != .second { log.resolve(run, .unavailable) }
        try answer(half, from: healthy, to: &log)
        #expect(log.repairCounters.recordsMended > 0)
        #expect(try log.history().messages.count < whole.count)
        var reopened = try Log.open(storage, settings: .small).log
        let rest = try reopened.beginRepairs()
        #expect(!rest.wanted.isEmpty)
        try answer(rest, from: healthy, to: &reopened)
        let last = shown(try reopened.history())
        #expect(Set(last).symmetricDifference(whole).sorted() == [])
        #expect(last == whole)
    }

    @Test("is not swept while something of a segment may come back")
    mutating func swept() throws {
        var log = try filled()
        _ = try log.beginRepairs()
        storage.clear(32..<(try #require(storage.contents[segments[1]]?.count)), in: segments[1])
        let found = try scrubbed(&log)
        let kept = segments[1]
        _ = try log.keepHouse(at: .at(2_000))
        #expect(segments.contains(kept))
        for run in found.wanted { log.resolve(run, .settled) }
        _ = try log.keepHouse(at: .at(2_000))
        #expect(!segments.contains(kept))
    }
}

@Suite("A backup of a log")
struct BackupTests {
    private var author = Author()
    private let storage = MemoryStorage()

    @Test("holds one moment, whatever is appended, dropped and rewritten meanwhile, and opens as a log of that moment")
    mutating func moment() throws {
        var log = try Log.open(storage, settings: .small).log
        try log.keep([author.creation(retention: Retention(messages: 6))])
        for _ in 0..<20 { try log.keep([author.message()]) }
        let before = try log.history().sequences
        let listing = try log.beginBackup()
        for _ in 0..<20 { try log.keep([author.message()]) }
        _ = try log.keepHouse(at: .at(2_000))
        var files: [String: [UInt8]] = [:]
        for file in listing.files { files[file.name] = Array(storage.contents[file.link]!.prefix(file.size)) }
        let copy = MemoryStorage(files)
        #expect(try LogCheck(copy).damage.isEmpty)
        var (opened, recovered) = try Log.open(copy, settings: .small)
        #expect(recovered.lastSequence == listing.sequence && recovered.holes.isEmpty && recovered.cut == nil)
        #expect(try opened.history().sequences == before)
        try log.endBackup()
        #expect(!storage.contents.keys.contains { $0.hasPrefix("backup-") })
    }

    @Test("is found to be damaged wherever a bit of it turns over")
    mutating func damaged() throws {
        var log = try Log.open(storage, settings: .small).log
        try log.keep([author.creation()])
        for _ in 0..<10 { try log.keep([author.message()]) }
        try log.writeCheckpoint()
        for (name, bytes) in storage.contents.sorted(by: { $0.key < $1.key }) {
            for position in stride(from: 0, to: bytes.count, by: 11) {
                let copy = MemoryStorage(storage.contents)
                copy.flip(bit: 5, ofByte: position, in: name)
                #expect(try LogCheck(copy).damage.map(\.file).contains(name), "\(name) byte \(position)")
            }
        }
    }
}
