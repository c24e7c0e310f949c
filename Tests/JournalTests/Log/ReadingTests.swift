import Journal
import Model
import Simulator
import Testing

@Suite("A log's readers")
struct ReadingTests {
    private var author = Author()
    private var log: Log

    init() throws {
        log = try Log.open(MemoryStorage()).log
    }

    @Test("follow everything after their cursor in local sequence")
    mutating func following() throws {
        try log.append([
            author.creation(), author.message(.first, time: 10), author.message(.second, time: 5),
            author.message(.first, time: 11),
        ])
        let page = try log.follow(cursor: Cursor([Origin.first.partition: 1]))
        #expect(page.sequences == [3, 4])
        #expect(page.gaps.isEmpty && !page.more && page.reached == 4)
        #expect(page.cursor == Cursor([Origin.first.partition: 2, Origin.second.partition: 1]))
    }

    @Test("get nothing at or before the sequence that they were served up to, and no gap for it")
    mutating func after() throws {
        try log.append([author.creation()] + (0..<6).map { _ in author.message() })
        let page = try log.follow(after: 4)
        #expect(page.sequences == [5, 6, 7])
        #expect(page.gaps.isEmpty)
    }

    @Test("get pages of a bounded length that join without a seam")
    mutating func pages() throws {
        try log.append([author.creation()] + (0..<10).map { author.message($0 % 3 == 0 ? .second : .first) })
        var cursor = Cursor()
        var after: UInt64 = 0
        var seen: [UInt64] = []
        for _ in 0..<4 {
            let page = try log.follow(cursor: cursor, after: after, limit: 3)
            seen += page.sequences
            #expect(page.more == (seen.count < 10))
            (cursor, after) = (page.cursor, page.reached)
        }
        #expect(seen == Array(2...11))
    }

    @Test("wait until what they ask for is appended")
    mutating func waiting() throws {
        try log.append([author.creation()])
        let read = TopicRead(
            topic: .news, generation: 1, mode: .following(cursor: Cursor(), after: 0, through: 2), messageLimit: 10,
            byteLimit: 1_000)
        #expect(try log.read(read, at: .at(0)) == nil)
        try log.append([author.message()])
        #expect(try log.read(read, at: .at(0))?.sequences == [2])
    }

    @Test("get one message at least, however large, and no more bytes than they asked for")
    mutating func bytes() throws {
        try log.append(
            [author.creation()] + (0..<3).map { _ in author.message(payload: String(repeating: "1", count: 100)) })
        let read = TopicRead(
            topic: .news, generation: 1, mode: .following(cursor: Cursor(), after: 0, through: 0), messageLimit: 10,
            byteLimit: 10)
        let page = try #require(try log.read(read, at: .at(0)))
        #expect(page.sequences == [2] && page.more)
    }

    @Test("are not shown what has expired, and get no gap for it")
    mutating func expired() throws {
        try log.append([author.creation(), author.message(expiry: 1_500), author.message(expiry: 3_000)])
        let page = try log.follow(at: .at(2_000))
        #expect(page.sequences == [3] && page.gaps.isEmpty)
        #expect(try log.follow(at: .at(3_000)).cursor == Cursor([Origin.first.partition: 2]))
        #expect(try log.resolve(.beginning, at: .at(2_000)).count == 1)
    }

    @Test("see history by time and origin, late arrivals in their place")
    mutating func history() throws {
        try log.append([author.creation(), author.message(.first, time: 100), author.message(.first, time: 300)])
        try log.append([author.message(.second, time: 50), author.message(.second, time: 200)])
        #expect(try log.history().times == [50, 100, 200, 300])
        let newest = try log.history(limit: 2)
        #expect(newest.times == [200, 300] && newest.more)
        #expect(try log.history(until: .at(200)).times == [50, 100, 200])
        let since = try log.history(since: .time(.at(100)), limit: 2)
        #expect(since.times == [100, 200] && since.more)
        #expect(try log.history(since: .cursor(since.cursor)).times == [300])
    }

    @Test("see two copies of one message once: the earliest in history, the first here when they follow")
    mutating func folding() throws {
        try log.append([
            author.creation(), author.message(.first, time: 200, id: "m"), author.message(.second, time: 100, id: "m"),
            author.message(.second, time: 150, id: "m", publisher: "bob"),
        ])
        #expect(try log.follow().sequences == [2, 4])
        #expect(try log.history().sequences == [3, 4])
        #expect(try log.follow().gaps.isEmpty)
        #expect(try log.resolve(.beginning).count == 2)
    }

    @Test("are not shown a copy of what they were served before")
    mutating func foldingAfter() throws {
        try log.append([
            author.creation(), author.message(.first, time: 200, id: "m"), author.message(.second, time: 300, id: "m"),
        ])
        let page = try log.follow(after: 2)
        #expect(page.messages.isEmpty && page.gaps.isEmpty)
    }

    @Test("are not shown a copy of what they have seen elsewhere")
    mutating func foldingAcrossNodes() throws {
        try log.append([
            author.creation(), author.message(.first, time: 200, id: "m"), author.message(.second, time: 100, id: "m"),
        ])
        let page = try log.follow(cursor: Cursor([Origin.second.partition: 1]))
        #expect(
            page.messages.isEmpty && page.cursor == Cursor([Origin.first.partition: 1, Origin.second.partition: 1]))
    }

    @Test("see messages of one id that are further apart than the window as two")
    mutating func foldingWindow() throws {
        try log.append([
            author.creation(), author.message(.first, time: 1_000, id: "m"),
            author.message(.second, time: 301_001, id: "m"),
        ])
        #expect(try log.follow().sequences == [2, 3])
        #expect(try log.history().sequences == [2, 3])
    }

    @Test("are told the place that their start means")
    mutating func resolving() throws {
        try log.append([author.creation()] + (1...4).map { author.message(.first, time: $0 * 100) })
        try log.append([author.message(.second, time: 150), author.message(.second, time: 350)])
        let beginning = try log.resolve(.beginning)
        #expect(beginning.cursor == Cursor() && beginning.count == 6 && beginning.gaps.isEmpty)
        let last = try log.resolve(.last(2))
        #expect(last.cursor == Cursor([Origin.first.partition: 3, Origin.second.partition: 1]) && last.count == 2)
        let none = try log.resolve(.last(0))
        #expect(none.cursor == Cursor([Origin.first.partition: 4, Origin.second.partition: 2]) && none.count == 0)
        let time = try log.resolve(.time(.at(200)))
        #expect(time.cursor == Cursor([Origin.first.partition: 1, Origin.second.partition: 1]) && time.count == 4)
        let ahead = try log.resolve(.cursor(Cursor([Origin.first.partition: 9])))
        #expect(ahead.cursor == Cursor([Origin.first.partition: 9]) && ahead.count == 2 && ahead.gaps.isEmpty)
    }

    @Test("do not meet an earlier generation's messages in a topic created anew")
    mutating func generations() throws {
        try log.append([author.creation(), author.message(), author.destruction(), author.creation(generation: 2)])
        try log.append([author.message(generation: 2), author.message(generation: 1)])
        #expect(try log.follow(generation: 2).sequences == [5])
        #expect(try log.follow(generation: 1).messages.isEmpty)
        let resolved = try log.read(
            TopicRead(
                topic: .news, generation: 2, mode: .resolve(.cursor(Cursor([Origin.first.partition: 1])), through: 0),
                messageLimit: 1, byteLimit: 1),
            at: .at(0))
        #expect(resolved?.cursor == Cursor() && resolved?.gaps == [])
    }
}
