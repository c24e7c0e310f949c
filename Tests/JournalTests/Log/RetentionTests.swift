import Journal
import Model
import Simulator
import Testing

@Suite("A log's retention")
struct RetentionTests {
    private var author = Author()
    private let storage = MemoryStorage()

    private func gap(_ from: UInt64, _ to: UInt64, _ reason: Gap.Reason = .expired, of origin: Origin = .first) -> Gap {
        Gap(partition: origin.partition, from: from, to: to, reason: reason)
    }

    @Test("keeps so many messages, the newest by time, and tells readers of the others")
    mutating func messages() throws {
        var log = try Log.open(storage).log
        try log.append([author.creation(retention: Retention(messages: 3))])
        try log.append([author.message(time: 400), author.message(time: 500), author.message(time: 600)])
        try log.append([author.message(.second, time: 100), author.message(.second, time: 450)])
        let page = try log.follow()
        #expect(page.times == [500, 600, 450])
        #expect(Set(page.gaps.map(\.from)) == [1] && page.gaps.count == 2)
        #expect(page.gaps.contains(gap(1, 1)) && page.gaps.contains(gap(1, 1, of: .second)))
        #expect(log.statistics(of: .news, generation: 1, at: .at(0)).messages == 3)
        #expect(try log.resolve(.beginning).gaps.isEmpty)
        let resolved = try log.resolve(.cursor(Cursor()))
        #expect(resolved.gaps.count == 2 && resolved.count == 3)
        #expect(try log.follow(cursor: resolved.cursor).gaps.isEmpty)
    }

    @Test("keeps so many bytes of payload")
    mutating func bytes() throws {
        var log = try Log.open(storage).log
        try log.append([author.creation(retention: Retention(bytes: 25))])
        try log.append((0..<5).map { _ in author.message(payload: "0123456789") })
        #expect(try log.follow().sequences == [5, 6])
        #expect(log.statistics(of: .news, generation: 1, at: .at(0)) == TopicStatistics(messages: 2, bytes: 20))
    }

    @Test("keeps so many seconds, and a reader at the head of what went has no gap")
    mutating func seconds() throws {
        var log = try Log.open(storage).log
        try log.append([author.creation(retention: Retention(seconds: 10))])
        try log.append([author.message(time: 1_000), author.message(time: 5_000)])
        #expect(try log.follow(at: .at(10_000)).sequences == [2, 3])
        #expect(try log.follow(at: .at(11_001)).sequences == [3])
        let late = try log.follow(at: .at(20_000))
        #expect(late.messages.isEmpty && late.gaps == [gap(1, 2)] && late.cursor == Cursor([Origin.first.partition: 2]))
        #expect(try log.follow(cursor: late.cursor, at: .at(20_000)).gaps.isEmpty)
        #expect(try log.follow(after: 3, at: .at(20_000)).gaps.isEmpty)
        #expect(try log.resolve(.beginning, at: .at(20_000)).cursor == late.cursor)
        #expect(try log.history(at: .at(20_000)).cursor == late.cursor)
    }

    @Test("drops dead segments, and a checkpoint keeps what they said")
    mutating func checkpoint() throws {
        var log = try Log.open(storage, settings: .small).log
        try log.keep([author.creation(retention: Retention(messages: 2))])
        for _ in 0..<40 { try log.keep([author.message()]) }
        let before = log.size
        #expect(try log.keepHouse(at: .at(2_000)).dropped > 0)
        #expect(log.size < before)
        let vector = log.vector
        for _ in 0..<2 {
            let (opened, recovered) = try Log.open(storage, settings: .small)
            var log = opened
            #expect(recovered.vector == vector && recovered.lastSequence == 41)
            #expect(recovered.registry.topic(.news)?.settings.retention.messages == 2)
            #expect(recovered.heads == [.news: Cursor([Origin.first.partition: 40])])
            #expect(recovered.holes.isEmpty && recovered.cut == nil)
            let page = try log.follow()
            #expect(page.sequences == [40, 41] && page.gaps == [gap(1, 38)])
        }
        #expect(storage.contents.keys.filter { $0.hasPrefix("checkpoint") }.count == 1)
    }

    @Test("keeps the heads of a topic of which nothing is retained")
    mutating func heads() throws {
        var log = try Log.open(storage, settings: .small).log
        try log.keep([author.creation(retention: Retention(seconds: 1))])
        for _ in 0..<20 { try log.keep([author.message(time: 1_000)]) }
        try log.keep([author.creation(.topic("other"))])
        for _ in 0..<20 { try log.keep([author.message(topic: .topic("other"))]) }
        #expect(try log.keepHouse(at: .at(9_000)).dropped > 0)
        var (reopened, recovered) = try Log.open(storage, settings: .small)
        #expect(recovered.heads[.news] == Cursor([Origin.first.partition: 20]))
        #expect(try reopened.follow(at: .at(9_000)).gaps == [gap(1, 20)])
        #expect(try reopened.follow(cursor: Cursor([Origin.first.partition: 20]), at: .at(9_000)).gaps.isEmpty)
    }

    @Test("rewrites a segment that is mostly dead, and keeps what lives in it", arguments: [false, true])
    mutating func rewriting(reopening: Bool) throws {
        var settings = LogSettings.small
        settings.segmentBytes = 20_000
        var log = try Log.open(storage, settings: settings).log
        let other = TopicName.topic("other")
        try log.keep([author.creation(retention: Retention(messages: 1)), author.creation(other)])
        for index in 0..<150 {
            try log.keep([author.message(), author.message(topic: index % 20 == 0 ? other : .news)])
        }
        let before = try log.follow(other).sequences
        let size = log.size
        #expect(try log.keepHouse(at: .at(2_000)).rewritten == 1)
        #expect(log.size < size)
        if reopening { log = try Log.open(storage, settings: settings).log }
        let page = try log.follow(other)
        #expect(page.sequences == before && page.gaps.isEmpty)
        #expect(try log.follow().messages.count == 1)
        #expect(log.registry.topic(other) != nil)
    }

    @Test("drops what a destroyed topic held")
    mutating func destroyed() throws {
        var log = try Log.open(storage, settings: .small).log
        try log.keep([author.creation()])
        for _ in 0..<20 { try log.keep([author.message()]) }
        let segments = log.segmentCount
        try log.keep([author.destruction()])
        #expect(try log.keepHouse(at: .at(0)).dropped >= segments - 1)
        #expect(try Log.open(storage, settings: .small).recovered.registry.entries[.news]?.ended == 1)
    }

    @Test("forgets an ended epoch 90 days after its last message went")
    mutating func epochs() throws {
        let old = Origin(node: .init(rawValue: 9), epoch: Epoch(rawValue: 1 << 16))
        let new = Origin(node: .init(rawValue: 9), epoch: Epoch(rawValue: 2 << 16))
        var log = try Log.open(storage).log
        try log.keep([author.creation(retention: Retention(seconds: 1)), author.message(old), author.message(new)])
        let day: Int64 = 86_400_000
        #expect(try log.keepHouse(at: .at(90 * day)).forgotten.isEmpty)
        #expect(try log.resolve(.cursor(Cursor([old.partition: 1])), at: .at(90 * day)).forgotten.isEmpty)
        #expect(try log.keepHouse(at: .at(90 * day + 2_000)).forgotten == [old])
        #expect(log.vector.positions(of: old).isEmpty && !log.vector.positions(of: new).isEmpty)
        let page = try log.resolve(.cursor(Cursor([old.partition: 1])), at: .at(91 * day))
        #expect(page.forgotten == [old.partition])
    }

    @Test("keeps of a memory topic no more than its retention says, by number, bytes and age")
    mutating func memory() throws {
        var log = try Log.open(storage).log
        for (name, retention) in [
            ("few", Retention(messages: 2)), ("small", Retention(bytes: 25)), ("young", Retention(seconds: 10)),
        ] {
            let topic = TopicName.topic(name)
            try log.keep([author.creation(topic, durability: .memory, retention: retention)])
            try log.append(
                (1...4).map { author.message(topic: topic, time: $0 * 5_000, isOfMemory: true, payload: "0123456789") })
            let page = try log.follow(topic, at: .at(24_000))
            #expect(page.messages.count == 2, "\(name)")
            #expect(page.gaps == [gap(1, 2, .overrun)], "\(name)")
            #expect(log.statistics(of: topic, generation: 1, at: .at(24_000)).messages == 2)
        }
        #expect(log.memoryBytes < 6 * 300)
        #expect(try log.follow(.topic("young"), at: .at(60_000)).messages.isEmpty)
    }

    @Test("keeps a bounded ring of a memory topic, and tells what it had no room for")
    mutating func rings() throws {
        var settings = LogSettings()
        settings.ringMessages = 3
        settings.ringsBytes = 5 * 300
        var log = try Log.open(storage, settings: settings).log
        let (one, two) = (TopicName.topic("one"), TopicName.topic("two"))
        try log.keep([author.creation(one, durability: .memory), author.creation(two, durability: .memory)])
        let size = storage.size
        try log.append((0..<5).map { _ in author.message(topic: one, isOfMemory: true) })
        #expect(storage.size == size && log.durableThrough == 7)
        let partition = gap(1, 2, .overrun).partition
        let items = log.ring(of: one, partition, after: 1, byteLimit: 1_000).map { item in
            switch item {
            case .record(let record): "\(record.message!.offset)"
            case .lost(let offsets): "lost \(offsets)"
            }
        }
        #expect(items == ["lost 2...2", "3", "4", "5"])
        #expect(log.ring(of: one, partition, after: 2, byteLimit: 1).count == 1)
        #expect(log.ring(of: one, partition, after: 5, byteLimit: 1_000).isEmpty)
        let page = try log.follow(one)
        #expect(page.sequences == [5, 6, 7] && page.gaps == [gap(1, 2, .overrun)])
        #expect(try log.history(one).sequences == [5, 6, 7])
        try log.append((0..<3).map { _ in author.message(topic: two, isOfMemory: true) })
        #expect(log.memoryBytes <= settings.ringsBytes)
        #expect(try log.follow(two).sequences == [8, 9, 10])
        #expect(try log.follow(one).sequences == [6, 7])
    }
}
