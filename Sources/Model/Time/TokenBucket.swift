/// A token bucket: it fills at a rate up to a burst, and whatever happens takes a token out.
package struct TokenBucket: Sendable {
    /// The largest burst and rate.
    package static let largest = 1_000_000_000

    private let perSecond: Int64
    /// In tokens times nanoseconds, so that nothing is rounded away.
    private let full: Int64
    /// As `full`; below zero it is a debt.
    private var level: Int64
    private var counted: MonotonicTime

    /// A full bucket: at most `burst` at once, and `perSecond` a second over time; both 1 … ``largest``.
    package init(burst: Int, perSecond: Int, at now: MonotonicTime) {
        let allowed = 1...Self.largest
        precondition(allowed.contains(burst) && allowed.contains(perSecond), "a bucket holds 1 to a billion tokens")
        self.perSecond = Int64(perSecond)
        full = Int64(burst) * Self.token
        level = full
        counted = now
    }

    /// Takes a token; false, and nothing is taken, where there is none.
    package mutating func take(at now: MonotonicTime) -> Bool {
        fill(at: now)
        guard level >= Self.token else { return false }
        level -= Self.token
        return true
    }

    /// Takes a token that may have to be owed. False where it is.
    package mutating func charge(at now: MonotonicTime) -> Bool {
        fill(at: now)
        level = max(level - Self.token, -Self.deepestDebt)
        return level >= 0
    }

    /// When nothing is owed any more; a time that has passed where nothing is.
    package var debtEnds: MonotonicTime {
        counted + .nanoseconds(level >= 0 ? 0 : (-level + perSecond - 1) / perSecond)
    }

    /// When there is a token to take; a time that has passed where there is one.
    package var nextToken: MonotonicTime {
        let missing = Self.token - level
        return counted + .nanoseconds(missing <= 0 ? 0 : (missing + perSecond - 1) / perSecond)
    }

    private static let token: Int64 = 1_000_000_000
    /// Eight billion tokens; what goes beyond is forgiven.
    private static let deepestDebt: Int64 = 8_000_000_000 * token

    private mutating func fill(at now: MonotonicTime) {
        let elapsed = (now - counted).nanoseconds
        guard elapsed > 0 else { return }
        counted = now
        let missing = full - level
        level = elapsed > missing / perSecond ? full : level + elapsed * perSecond
    }
}
