import Journal
import Model
import Simulator
import Testing

@Suite("Copies of one message in a log")
struct FoldingTests {
    private let minute: UInt64 = 60_000

    /// A log of the given copies of one message, in this order: their origins and times in minutes.
    private func log(
        _ copies: [(origin: Origin, minutes: UInt64)], retention: Retention = .unlimited
    ) throws -> Log {
        var author = Author()
        var log = try Log.open(MemoryStorage()).log
        try log.keep([author.creation(retention: retention)])
        for copy in copies { try log.keep([author.message(copy.origin, time: copy.minutes * minute, id: "m")]) }
        return log
    }

    private func shown(_ log: Log, at minutes: UInt64 = 60) throws -> [Int64] {
        var log = log
        return try log.history(at: .at(Int64(minutes * minute))).times.map { $0 / Int64(minute) }
    }

    @Test("are one in history, the earliest, in whatever order they came")
    func order() throws {
        let copies: [(Origin, UInt64)] = [(.first, 20), (.second, 24), (.third, 28)]
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            var log = try log(order.map { copies[$0] })
            #expect(try shown(log) == [20], "\(order)")
            #expect(try log.follow(at: .at(0)).times.count == 1)
        }
    }

    @Test("are several messages where their times lie further apart than the window")
    func apart() throws {
        for copies in [[(Origin.first, UInt64(20)), (.second, 26)], [(.second, 26), (.first, 20)]] {
            #expect(try shown(try log(copies)) == [20, 26])
        }
    }

    @Test("take each other's place when retention drops one or its bytes are damaged")
    func place() throws {
        let copies: [(origin: Origin, minutes: UInt64)] = [(.first, 20), (.second, 24)]
        #expect(try shown(try log(copies, retention: Retention(messages: 1))) == [24])
        var both = try log(copies, retention: Retention(seconds: 36 * 60))
        #expect(try shown(both, at: 50) == [20])
        #expect(try both.follow(at: .at(Int64(58 * minute))).times == [Int64(24 * minute)])
        // Who has seen the copy that went has seen the message.
        let seen = try both.follow(cursor: Cursor([Origin.first.partition: 1]), at: .at(Int64(58 * minute)))
        #expect(seen.messages.isEmpty && seen.gaps.isEmpty)
    }

    @Test("do not hide behind one that was dropped before they came")
    func late() throws {
        var author = Author()
        var log = try Log.open(MemoryStorage()).log
        try log.keep([author.creation(retention: Retention(messages: 2))])
        try log.keep([author.message(time: 20 * minute, id: "m")])
        for _ in 0..<2 { try log.keep([author.message(time: 21 * minute)]) }
        #expect(try shown(log) == [21, 21])
        try log.keep([author.message(.second, time: 22 * minute, id: "m")])
        #expect(try shown(log) == [21, 22])
    }

    @Test("stay known when an ended epoch beside them is forgotten")
    mutating func forgotten() throws {
        let old = Origin(node: .init(rawValue: 9), epoch: Epoch(rawValue: 1 << 16))
        let new = Origin(node: .init(rawValue: 9), epoch: Epoch(rawValue: 2 << 16))
        let day: UInt64 = 86_400_000
        var author = Author()
        var log = try Log.open(MemoryStorage()).log
        try log.keep([author.creation(retention: Retention(seconds: 86_400)), author.message(old, time: 1)])
        try log.keep([author.message(new, time: 91 * day), author.message(.first, time: 91 * day, id: "m")])
        #expect(try log.keepHouse(at: .at(Int64(91 * day))).forgotten == [old])
        try log.keep([author.message(.second, time: 91 * day + 1, id: "m")])
        #expect(try log.history(at: .at(Int64(91 * day))).messages.count == 2)
    }
}
