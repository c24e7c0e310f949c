import Journal
import Model
import Simulator
import Testing

@Suite("A log that is opened again")
struct RecoveryTests {
    private var author = Author()
    private let storage = MemoryStorage()
    private var segment: String { SegmentName.first(in: storage) }

    @Test("begins empty in an empty directory")
    func empty() throws {
        var (log, recovered) = try Log.open(storage)
        #expect(recovered.lastSequence == 0 && recovered.records == 0 && recovered.lastTimes.isEmpty)
        #expect(try log.follow().messages.isEmpty)
        #expect(storage.contents.isEmpty)
    }

    @Test("gives back what it was given")
    mutating func roundTrip() throws {
        var log = try Log.open(storage).log
        let creation = author.creation()
        let message = author.message(.second, time: 77, expiry: 90_000, id: "m", payload: "{\"å\": [1, 2]}")
        try log.keep([creation, message])
        try log.keep([author.message(.second, time: 400_000, id: "n")])
        var (reopened, recovered) = try Log.open(storage, at: .at(400_001))
        let page = try reopened.follow(at: .at(0))
        #expect(page.messages[0].record.message == message.record.message)
        #expect(page.messages[0].record.time == message.record.time && page.messages[0].record.origin == .second)
        #expect(recovered.vector == log.vector && recovered.registry == log.registry && recovered.records == 3)
        #expect(recovered.heads == [.news: Cursor([Origin.second.partition: 2])])
        #expect(recovered.lastTimes[Origin.second.node]?.wall == .at(400_000))
        #expect(recovered.recent.map(\.messageID) == ["n"])
        #expect(reopened.durableThrough == 3 && reopened.appendedThrough == 3)
    }

    @Test("cuts off a batch of which any byte at its end is missing, and appends in its place")
    mutating func tornTail() throws {
        var log = try Log.open(storage).log
        try log.keep([author.creation(), author.message()])
        let whole = try #require(storage.contents[segment]?.count)
        try log.append([author.message(payload: "\"lost\""), author.message()])
        let bytes = try #require(storage.contents[segment])
        for length in whole..<bytes.count {
            let torn = MemoryStorage([segment: Array(bytes[..<length])])
            var (reopened, recovered) = try Log.open(torn)
            #expect(recovered.lastSequence == 2 && recovered.holes.isEmpty)
            #expect(recovered.cut == (length == whole ? nil : LogHole(file: segment, from: whole, to: length)))
            #expect(torn.contents[segment]?.count == whole)
            var again = Author(sequence: 2)
            try reopened.keep([again.message(.third)])
            var last = try Log.open(torn).log
            #expect(try last.follow().sequences == [2, 3])
        }
    }

    @Test("cuts the log at a damaged byte of a batch that was never known durable", arguments: 0..<8)
    mutating func damagedTail(bit: Int) throws {
        var log = try Log.open(storage).log
        try log.keep([author.creation(), author.message()])
        let whole = try #require(storage.contents[segment]?.count)
        try log.append([author.message(), author.message()])
        let files = storage.contents
        for position in whole..<files[segment]!.count {
            let damaged = MemoryStorage(files)
            damaged.flip(bit: bit, ofByte: position, in: segment)
            let (_, recovered) = try Log.open(damaged)
            #expect(recovered.lastSequence == 2 && recovered.holes.isEmpty && recovered.cut?.from == whole)
        }
    }

    @Test("keeps damage to what was durable as a hole: not served, told as lost, and what follows stays")
    mutating func hole() throws {
        var log = try Log.open(storage).log
        try log.keep([author.creation()])
        var starts: [Int] = []
        for _ in 0..<4 {
            starts.append(storage.size)
            try log.keep([author.message()])
        }
        let files = storage.contents
        for position in starts[1]..<starts[2] {
            let damaged = MemoryStorage(files)
            damaged.flip(bit: position % 8, ofByte: position, in: segment)
            var (reopened, recovered) = try Log.open(damaged)
            #expect(recovered.holes.count == 1 && recovered.cut == nil && recovered.lastSequence == 5)
            #expect(recovered.vector == log.vector)
            let page = try reopened.follow()
            #expect(page.sequences == [2, 4, 5])
            #expect(page.gaps == [Gap(partition: Origin.first.partition, from: 2, to: 2, reason: .lost)])
        }
    }

    @Test("loses only the damaged record of a batch of several")
    mutating func holeInBatch() throws {
        var log = try Log.open(storage).log
        try log.keep([author.creation()])
        let start = storage.size
        try log.keep((0..<3).map { _ in author.message(payload: "\"0123456789\"") })
        let second = start + 36 + (storage.size - start - 36) / 3
        try log.keep([author.message()])
        storage.flip(bit: 3, ofByte: second + 60, in: segment)
        var (reopened, recovered) = try Log.open(storage)
        #expect(recovered.holes.count == 1)
        #expect(try reopened.follow().sequences == [2, 4, 5])
    }

    @Test("does not serve a record that was damaged while it ran")
    mutating func damageWhileRunning() throws {
        var log = try Log.open(storage, settings: .small).log
        try log.keep([author.creation()])
        let start = storage.size
        try log.keep([author.message()])
        try log.keep([author.message()])
        storage.flip(bit: 0, ofByte: start + 50, in: segment)
        for _ in 0..<2 {
            let page = try log.follow()
            #expect(page.sequences == [3])
            #expect(page.gaps == [Gap(partition: Origin.first.partition, from: 1, to: 1, reason: .lost)])
        }
        #expect(try log.history().sequences == [3])
    }

    @Test("refuses a segment or a checkpoint of a version that it does not know, and names both")
    mutating func versions() throws {
        var log = try Log.open(storage).log
        try log.keep([author.creation(), author.message()])
        try log.writeCheckpoint()
        for (name, bytes) in storage.contents {
            var newer = bytes
            newer[11] = 9
            if name.hasPrefix("log") {
                var checksum = ByteWriter()
                checksum.u32(CRC32C.checksum(Array(newer[..<12])))
                newer.replaceSubrange(12..<16, with: checksum.bytes)
            }
            let other = MemoryStorage(storage.contents.merging([name: newer]) { $1 })
            let known: UInt8 = name.hasPrefix("log") ? 1 : 3
            let expected = LogError.format(file: name, .unknownVersion(found: 9, known: known))
            #expect(throws: expected) { _ = try Log.open(other) }
            #expect(expected.description.contains("9") && expected.description.contains("\(known)"))
        }
    }

    @Test("keeps removed members and schedules in a checkpoint, whose version only then is one that the build before cannot read")
    mutating func removedMembers() throws {
        var log = try Log.open(storage).log
        func version() -> UInt8? { storage.contents.first { $0.key.hasPrefix("checkpoint") }?.value[11] }
        try log.keep([author.creation(), author.message()])
        try log.writeCheckpoint()
        #expect(version() == 1)
        let removal = DepartureRecord(node: NodeID(rawValue: 77), name: "gone", user: "ann")
        try log.keep([author.removal(removal)])
        try log.writeCheckpoint()
        #expect(version() == 2)
        let recovered = try Log.open(storage).recovered
        #expect(recovered.registry.departed[removal.node]?.record == removal)
        let gone = ScheduleChange.removed(id: "gone")
        try log.keep([author.system(.schedule(gone))])
        #expect(try Log.open(storage).recovered.registry.schedules.keys.sorted() == ["gone"])
        try log.writeCheckpoint()
        #expect(version() == 3)
        #expect(try Log.open(storage).recovered.registry == log.registry)
    }

    @Test("does without a damaged checkpoint, and says so")
    mutating func damagedCheckpoint() throws {
        var log = try Log.open(storage).log
        try log.keep([author.creation(), author.message()])
        try log.writeCheckpoint()
        let name = try #require(storage.contents.keys.first { $0.hasPrefix("checkpoint") })
        storage.flip(bit: 1, ofByte: 40, in: name)
        let (_, recovered) = try Log.open(storage)
        #expect(recovered.damagedFiles == [name] && recovered.vector == log.vector)
    }
}

@Suite("A log whose disk fails")
struct FailingDiskTests {
    private var author = Author()
    private let storage = MemoryStorage()

    @Test(
        "refuses a batch while the disk is full, reads on, and takes the same batch later", arguments: [0, 1, 40, 150])
    mutating func full(room: Int) throws {
        var log = try Log.open(storage).log
        try log.keep([author.creation(), author.message()])
        storage.capacity = storage.size + room
        let batch = [author.message(), author.message()]
        for _ in 0..<3 {
            #expect(throws: StorageError.full) { try log.append(batch) }
            #expect(try log.follow().sequences == [2])
            #expect(log.appendedThrough == 2 && log.durableThrough == 2)
        }
        storage.capacity = .max
        try log.keep(batch)
        #expect(try log.follow().sequences == [2, 3, 4])
        var (reopened, recovered) = try Log.open(storage)
        #expect(recovered.cut == nil && recovered.holes.isEmpty)
        #expect(try reopened.follow().sequences == [2, 3, 4])
    }

    @Test("refuses the first batch of a new segment while the disk is full, and takes it later", arguments: [0, 7, 30])
    mutating func fullSegment(room: Int) throws {
        var log = try Log.open(storage, settings: .small).log
        storage.capacity = room
        let batch = [author.creation(), author.message()]
        #expect(throws: StorageError.full) { try log.append(batch) }
        storage.capacity = .max
        try log.keep(batch)
        var reopened = try Log.open(storage).log
        #expect(try reopened.follow().sequences == [2])
    }

    @Test("accepts nothing more after a sync has failed, and reads on")
    mutating func failedSync() throws {
        var log = try Log.open(storage).log
        try log.keep([author.creation(), author.message()])
        try log.append([author.message()])
        storage.syncFailure = .failed("input/output error")
        #expect(throws: StorageError.failed("input/output error")) { try log.syncNow() }
        storage.syncFailure = nil
        #expect(throws: StorageError.failed("input/output error")) { try log.append([author.message()]) }
        #expect(log.durableThrough == 2 && log.nextSync() == nil)
        #expect(try log.follow().sequences == [2, 3])
    }

    @Test("may drop segments while a sync of them runs")
    mutating func droppingDuringSync() throws {
        var log = try Log.open(storage, settings: .small).log
        try log.append([author.creation(retention: Retention(messages: 1))])
        for _ in 0..<40 { try log.append([author.message()]) }
        let inFlight = log.nextSync()
        let ticket = try #require(inFlight)
        try log.append([author.message()])
        try log.syncNow()
        #expect(try log.keepHouse(at: .at(0)).dropped > 0)
        try ticket.perform(on: storage)
        log.synced(ticket)
        #expect(log.durableThrough == 42 && log.failure == nil)
    }

    @Test("goes on appending while a sync runs, and has the next one take all of it")
    mutating func groupCommit() throws {
        var log = try Log.open(storage).log
        try log.append([author.creation()])
        let firstTicket = log.nextSync()
        let first = try #require(firstTicket)
        try log.append([author.message()])
        try log.append([author.message()])
        #expect(log.nextSync() == nil && log.durableThrough == 0)
        try first.perform(on: storage)
        log.synced(first)
        #expect(log.durableThrough == 1)
        let secondTicket = log.nextSync()
        let second = try #require(secondTicket)
        #expect(second.through == 3)
        try second.perform(on: storage)
        log.synced(second)
        #expect(log.durableThrough == 3 && log.nextSync() == nil)
    }
}

/// Names of segments in a storage.
enum SegmentName {
    static func first(in storage: MemoryStorage) -> String {
        storage.contents.keys.filter { $0.hasPrefix("log-") }.min() ?? "none"
    }
}
