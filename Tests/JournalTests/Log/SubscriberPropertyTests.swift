import Journal
import Model
import Simulator
import Testing

@Suite("A subscriber of a log with any history")
struct SubscriberPropertyTests {
    /// What a subscriber was given of each partition: the last offset, message or gap.
    private struct Subscriber {
        var cursor = Cursor()
        var after: UInt64 = 0
        var place: [Partition: UInt64] = [:]
        var messages = 0
        var lost = 0

        /// Takes a page; false where it leaves an offset out, or gives one twice.
        mutating func take(_ page: TopicPage) -> Bool {
            var told: [Partition: [ClosedRange<UInt64>]] = [:]
            for sequenced in page.messages {
                guard let message = sequenced.record.message else { return false }
                told[sequenced.record.partition(of: message), default: []].append(message.offset...message.offset)
            }
            for gap in page.gaps {
                told[gap.partition, default: []].append(gap.from...gap.to)
                lost += Int(gap.to - gap.from) + 1
            }
            messages += page.messages.count
            for (partition, ranges) in told {
                for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
                    guard range.lowerBound == place[partition, default: 0] + 1 else { return false }
                    place[partition] = range.upperBound
                }
            }
            cursor = page.cursor
            after = page.reached
            return place.allSatisfy { cursor[$0.key] == $0.value }
        }
    }

    @Test("gets every message once or is told that it is gone", arguments: 1...60 as ClosedRange<UInt64>)
    func everyMessage(seed: UInt64) throws {
        var random = RandomSource(seed: seed)
        var storage = MemoryStorage()
        var settings = LogSettings()
        settings.segmentBytes = Int.random(in: 400...3_000, using: &random)
        settings.cacheBytes = Int.random(in: 1...4_000, using: &random)
        settings.ringMessages = 20
        settings.rewriteShare = 0.3
        let isMemory = seed % 4 == 0
        var log = try Log.open(storage, settings: settings).log
        var author = Author()
        let retention = Retention(messages: UInt64.random(in: 1...60, using: &random))
        try log.append([
            author.creation(durability: isMemory ? .memory : .disk, retention: retention), author.creation(.topic("b")),
        ])
        var subscriber = Subscriber()
        var heads: [Partition: UInt64] = [:]
        for step in 0..<200 {
            let origin = [Origin.first, .second, .third].randomElement(using: &random)!
            let topic = UInt8.random(in: 0..<5, using: &random) == 0 ? TopicName.topic("b") : .news
            let sequenced = author.message(
                origin, topic: topic, time: 1_000 + UInt64(step) * (origin == .second ? 1 : 10),
                isOfMemory: isMemory && topic == .news)
            if topic == .news { heads[origin.partition, default: 0] += 1 }
            try log.append([sequenced])
            switch UInt8.random(in: 0..<12, using: &random) {
            case 0: try log.syncNow()
            case 1: _ = try log.keepHouse(at: .at(5_000))
            case 2 where !isMemory:
                try log.syncNow()
                storage = storage.afterPowerLoss(random: &random)
                log = try Log.open(storage, settings: settings).log
            case 3, 4:
                let isResumed = Bool.random(using: &random)
                let page = try log.follow(
                    cursor: subscriber.cursor, after: isResumed ? 0 : subscriber.after,
                    limit: Int.random(in: 1...10, using: &random))
                let isComplete = subscriber.take(page)
                #expect(isComplete, "seed \(seed), step \(step)")
            default: break
            }
        }
        let page = try log.follow(cursor: subscriber.cursor)
        let isComplete = subscriber.take(page)
        #expect(isComplete, "seed \(seed)")
        #expect(subscriber.place == heads, "seed \(seed)")
        #expect(subscriber.messages > 0, "seed \(seed)")
    }
}
