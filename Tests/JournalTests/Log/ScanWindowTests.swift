import Journal
import Model
import Simulator
import Testing

@Suite("A scan that reads a segment window by window")
struct ScanWindowTests {
    @Test("gives every record, wherever a window cuts the batches")
    func windows() throws {
        for seed in 1...40 as ClosedRange<UInt64> {
            var random = RandomSource(seed: seed)
            var settings = LogSettings()
            settings.cacheBytes = 1
            var log = try Log.open(MemoryStorage(), settings: settings).log
            var author = Author()
            try log.append([author.creation()])
            var count: UInt64 = 0
            while log.size < 300_000 {
                let payload = String(repeating: "1", count: Int.random(in: 1...120, using: &random))
                try log.append([author.message(payload: payload)])
                count += 1
            }
            let chunk = try log.scan(
                JournalScan(
                    origin: .first, from: 1, expected: [UInt64](repeating: 0, count: Slot.count), byteLimit: .max))
            let positions = chunk.items.compactMap { item -> UInt64? in
                if case .record(let record) = item, record.slot != .system { record.position } else { nil }
            }
            #expect(positions == Array(1...count), "seed \(seed)")
            #expect(chunk.reachedEnd)
        }
    }
}
