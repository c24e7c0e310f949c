import Journal
import Model
import Simulator
import Testing

@Suite("A log with any history")
struct LogPropertyTests {
    /// One run: a log, what it was given, and what of that was durable.
    private struct Run {
        var random: RandomSource
        var storage = MemoryStorage()
        var log: Log
        var author = Author()
        var given: [Sequenced] = []
        var settings = LogSettings()

        init(seed: UInt64) throws {
            random = RandomSource(seed: seed)
            settings.segmentBytes = Int.random(in: 400...4_000, using: &random)
            settings.cacheBytes = Int.random(in: 1...4_000, using: &random)
            log = try Log.open(storage, settings: settings).log
            try append([author.creation()])
        }

        mutating func append(_ batch: [Sequenced]) throws {
            try log.append(batch)
            given += batch
        }

        mutating func batch() -> [Sequenced] {
            (0..<Int.random(in: 1...6, using: &random)).map { _ in
                author.message(
                    [.first, .second, .third].randomElement(using: &random)!,
                    topic: [.news, .topic("b"), .topic("c/d")].randomElement(using: &random)!,
                    time: 1_000 + author.sequence,
                    payload: String(repeating: "7", count: Int.random(in: 1...200, using: &random)))
            }
        }

        /// The messages of a topic among what was given.
        func messages(of topic: TopicName) -> [Sequenced] { given.filter { $0.record.message?.topic == topic } }
    }

    private static let topics: [TopicName] = [.news, .topic("b"), .topic("c/d")]

    private func check(_ run: inout Run, seed: UInt64) throws {
        for topic in Self.topics {
            let expected = run.messages(of: topic)
            let page = try run.log.follow(topic)
            #expect(page.sequences == expected.map(\.sequence), "seed \(seed)")
            let isSame = page.messages.map(\.record.message) == expected.map(\.record.message)
            #expect(isSame, "seed \(seed)")
            #expect(page.gaps.isEmpty, "seed \(seed)")
            let stamps = try run.log.history(topic).messages.map {
                Stamp(time: $0.record.time, origin: $0.record.origin)
            }
            #expect(stamps == stamps.sorted() && stamps.count == expected.count, "seed \(seed)")
        }
    }

    @Test("opens as it was closed", arguments: 1...30 as ClosedRange<UInt64>)
    func reopening(seed: UInt64) throws {
        var run = try Run(seed: seed)
        for _ in 0..<40 {
            try run.append(run.batch())
            if Bool.random(using: &run.random) { try run.log.syncNow() }
            if UInt8.random(in: 0..<10, using: &run.random) == 0 { try run.log.writeCheckpoint() }
            if UInt8.random(in: 0..<8, using: &run.random) == 0 {
                let (log, recovered) = try Log.open(run.storage, settings: run.settings)
                #expect(recovered.vector == run.log.vector && recovered.registry == run.log.registry, "seed \(seed)")
                #expect(recovered.lastSequence == run.author.sequence && recovered.cut == nil, "seed \(seed)")
                run.log = log
            }
        }
        try check(&run, seed: seed)
    }

    @Test(
        "has everything durable after the power failed, and nothing but a prefix beyond",
        arguments: 1...80 as ClosedRange<UInt64>)
    func powerLoss(seed: UInt64) throws {
        var run = try Run(seed: seed)
        var inFlight: SyncTicket?
        for _ in 0..<60 {
            try run.append(run.batch())
            switch UInt8.random(in: 0..<8, using: &run.random) {
            case 0, 1:
                if inFlight == nil { inFlight = run.log.nextSync() }
            case 2:
                guard let ticket = inFlight else { break }
                try ticket.perform(on: run.storage)
                run.log.synced(ticket)
                inFlight = nil
            case 3: if UInt8.random(in: 0..<4, using: &run.random) == 0 { try run.log.writeCheckpoint() }
            case 4:
                guard UInt8.random(in: 0..<2, using: &run.random) == 0 else { break }
                let durable = run.log.durableThrough
                run.storage = run.storage.afterPowerLoss(random: &run.random)
                let (log, recovered) = try Log.open(run.storage, settings: run.settings)
                #expect(recovered.lastSequence >= durable, "seed \(seed)")
                #expect(recovered.holes.isEmpty, "seed \(seed)")
                // What was cut off is written again by its author, as peers send again what was not acknowledged.
                let lost = run.given.filter { $0.sequence > recovered.lastSequence }
                run.log = log
                inFlight = nil
                if !lost.isEmpty { try run.log.append(lost) }
            default: break
            }
        }
        try check(&run, seed: seed)
    }

    @Test(
        "serves no record that differs from what it was given, whatever bits flip",
        arguments: 1...30 as ClosedRange<UInt64>)
    func damage(seed: UInt64) throws {
        var run = try Run(seed: seed)
        for _ in 0..<20 {
            try run.append(run.batch())
            try run.log.syncNow()
        }
        try run.log.writeCheckpoint()
        for _ in 0..<Int.random(in: 1...5, using: &run.random) {
            let name = run.storage.contents.keys.filter { $0.hasPrefix("log-") }.sorted().randomElement(
                using: &run.random)!
            let position = Int.random(in: 32..<run.storage.contents[name]!.count, using: &run.random)
            run.storage.flip(bit: Int.random(in: 0..<8, using: &run.random), ofByte: position, in: name)
        }
        var (log, recovered) = try Log.open(run.storage, settings: run.settings)
        #expect(!recovered.holes.isEmpty && recovered.cut == nil, "seed \(seed)")
        #expect(recovered.vector == run.log.vector, "seed \(seed)")
        for topic in Self.topics {
            let expected = run.messages(of: topic)
            let page = try log.follow(topic)
            let missing = expected.filter { sequenced in !page.sequences.contains(sequenced.sequence) }
            for sequenced in page.messages {
                #expect(expected.contains { $0.record.message == sequenced.record.message }, "seed \(seed)")
            }
            for sequenced in missing {
                let message = try #require(sequenced.record.message)
                let partition = sequenced.record.partition(of: message)
                let told = page.gaps.filter {
                    $0.partition == partition && $0.from <= message.offset && message.offset <= $0.to
                }
                #expect(told.count == 1 && told[0].reason == .lost, "seed \(seed)")
            }
            #expect(page.gaps.reduce(0) { $0 + $1.to - $1.from + 1 } == UInt64(missing.count), "seed \(seed)")
        }
    }
}
