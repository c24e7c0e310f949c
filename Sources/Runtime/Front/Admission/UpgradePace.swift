import Model

/// How many upgrades a node takes a second, so that a reconnect storm costs it what it can bear.
///
/// An upgrade that finds no token is told when to come again: each in its turn at the same rate, so that those who were
/// refused come back spread over time, and with a second of chance between them.
package struct UpgradePace: Sendable {
    /// The longest time for which a client is sent away.
    package static let longestDelay: Duration = .seconds(60)

    private var bucket: TokenBucket
    private let interval: Duration
    /// The last turn that was given out.
    private var promised: MonotonicTime

    package init(burst: Int, perSecond: Int, at now: MonotonicTime) {
        bucket = TokenBucket(burst: burst, perSecond: perSecond, at: now)
        interval = .nanoseconds(1_000_000_000 / Int64(perSecond))
        promised = now
    }

    /// Nil when the upgrade may go on; else after how long its client may try again.
    package mutating func admit(at now: MonotonicTime, random: inout some RandomNumberGenerator) -> Duration? {
        if bucket.take(at: now) { return nil }
        promised = max(promised, now) + interval
        if promised - now > Self.longestDelay {
            // More than can have a turn: they are spread over the whole time.
            promised = now + Self.longestDelay
            return .milliseconds(Int64.random(in: 1_000...Self.longestDelay.milliseconds, using: &random))
        }
        return promised - now + .milliseconds(Int64.random(in: 0..<1_000, using: &random))
    }
}
