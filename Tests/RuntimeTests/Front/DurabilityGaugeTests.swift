import Runtime
import Testing

@Suite("How far durability has come, as a loop is told")
struct DurabilityGaugeTests {
    @Test("wakes the loop only while it waits, and says once that it has begun to")
    func waits() {
        let gauge = DurabilityGauge()
        var begun = 0
        #expect(!gauge.advance(to: 3) && !gauge.isAwaited)
        #expect(gauge.awaitMore { begun += 1 } == 3 && gauge.awaitMore { begun += 1 } == 3)
        #expect(begun == 1 && gauge.isAwaited)
        #expect(gauge.advance(to: 4) && !gauge.advance(to: 5), "once is enough")
        #expect(gauge.awaitMore { begun += 1 } == 5 && begun == 2)
        gauge.awaitNothing()
        #expect(!gauge.isAwaited && !gauge.advance(to: 6))
    }
}
