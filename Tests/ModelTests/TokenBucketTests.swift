import Model
import Testing

@Suite("A token bucket")
struct TokenBucketTests {
    @Test("allows a burst, then the rate, and never saves more than a burst")
    func takes() {
        var bucket = TokenBucket(burst: 3, perSecond: 10, at: .zero)
        func take(at time: MonotonicTime) -> Int { (0..<10).count { _ in bucket.take(at: time) } }
        #expect(take(at: .zero) == 3)
        #expect(take(at: .zero + .milliseconds(99)) == 0)
        #expect(take(at: .zero + .milliseconds(100)) == 1)
        #expect(take(at: .zero + .milliseconds(350)) == 2)
        #expect(take(at: .zero + .milliseconds(400)) == 1)
        #expect(take(at: .zero + .seconds(3600)) == 3)
    }

    @Test("lets tokens be owed, and says when the debt ends")
    func owes() {
        var bucket = TokenBucket(burst: 2, perSecond: 4, at: .zero)
        let verdicts = (0..<5).map { _ in bucket.charge(at: .zero) }
        #expect(verdicts == [true, true, false, false, false])
        #expect(bucket.debtEnds == .zero + .milliseconds(750))
        let early = bucket.take(at: .zero + .milliseconds(999))
        let due = bucket.take(at: .zero + .seconds(1))
        #expect(!early && due)
        #expect(bucket.debtEnds == .zero + .seconds(1), "nothing is owed")
    }

    @Test("says when there is a token again, to the nanosecond")
    func waits() {
        var bucket = TokenBucket(burst: 2, perSecond: 3, at: .zero)
        #expect(bucket.nextToken == .zero)
        for _ in 0..<3 { _ = bucket.take(at: .zero) }
        let due = bucket.nextToken
        #expect(due == .zero + .nanoseconds(333_333_334))
        let early = bucket.take(at: due + .nanoseconds(-1))
        let inTime = bucket.take(at: due)
        #expect(!early && inTime)
        _ = bucket.charge(at: due)
        #expect(bucket.nextToken > bucket.debtEnds, "what is owed comes first")
    }

    @Test("rounds nothing away, and takes a clock that stands still or goes back for no time at all")
    func precision() {
        var bucket = TokenBucket(burst: 1, perSecond: 3, at: .zero)
        // A third of a second is no whole number of nanoseconds: in a thousand seconds it still makes 3 a second.
        let taken = stride(from: Int64(0), through: 1_000_000_000_000, by: 166_666_667).count { nanosecond in
            bucket.take(at: MonotonicTime(nanoseconds: nanosecond))
        }
        #expect((2_999...3_001).contains(taken))
        let earlier = (0..<10).count { _ in bucket.take(at: .zero) }
        #expect(earlier <= 1)
    }
}
