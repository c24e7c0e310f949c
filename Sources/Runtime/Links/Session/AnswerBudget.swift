import Model

/// A token bucket: how many hellos may be answered.
package struct AnswerBudget: Sendable {
    private let capacity: Int64
    private let interval: Int64
    private var tokens: Int64
    private var counted: MonotonicTime

    /// At most `burst` at once, and `rate` a second over time.
    package init(burst: Int, rate: Int, at now: MonotonicTime) {
        precondition(burst > 0 && rate > 0, "a budget of at least one")
        capacity = Int64(burst)
        interval = 1_000_000_000 / Int64(rate)
        tokens = capacity
        counted = now
    }

    /// Whether one more may be answered now; then it is spent.
    package mutating func spend(at now: MonotonicTime) -> Bool {
        let earned = max(0, (now - counted).nanoseconds / interval)
        if earned > 0 {
            tokens = min(capacity, tokens + min(earned, capacity))
            counted = counted + .nanoseconds(earned * interval)
        }
        guard tokens > 0 else { return false }
        tokens -= 1
        return true
    }
}
