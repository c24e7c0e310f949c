import Model

/// How one connection keeps to its requests a second.
///
/// A connection that is over its budget is *held*: its socket is not read until its debt is paid, so the client's own
/// buffers fill, and what had been read already is carried out. Holds that follow each other with less than
/// ``calm`` between them are one *excess*: its client is told once, and may not go on with it for long.
struct RequestPace {
    /// How long a connection must go unheld for its excess to be over.
    static let calm: Duration = .milliseconds(250)
    /// The least time of a hold, so that a high rate makes no timer for each request.
    static let shortestHold: Duration = .milliseconds(10)

    let perSecond: Int
    private var bucket: TokenBucket
    private var isHeld = false
    private var released = MonotonicTime.zero
    /// Counts the excesses.
    private(set) var excess: UInt32 = 0

    init(perSecond: Int, burst: Int, at now: MonotonicTime) {
        self.perSecond = perSecond
        bucket = TokenBucket(burst: burst, perSecond: perSecond, at: now)
    }

    /// What a request comes to.
    enum Verdict: Equatable {
        case within
        /// The connection must not be read until ``RequestPace/release(at:)``, which is due at `until`.
        case hold(until: MonotonicTime, beginsExcess: Bool)
    }

    /// Takes a request into account.
    mutating func charge(at now: MonotonicTime) -> Verdict {
        guard !bucket.charge(at: now), !isHeld else { return .within }
        isHeld = true
        let isNew = excess == 0 || now - released >= Self.calm
        if isNew { excess += 1 }
        return .hold(until: max(bucket.debtEnds, now + Self.shortestHold), beginsExcess: isNew)
    }

    /// Ends a hold; gives a later time where requests that came meanwhile are still owed.
    mutating func release(at now: MonotonicTime) -> MonotonicTime? {
        guard bucket.debtEnds <= now else { return bucket.debtEnds }
        isHeld = false
        released = now
        return nil
    }

    /// Whether the excess of that number goes on.
    func goesOn(_ number: UInt32, at now: MonotonicTime) -> Bool {
        number == excess && (isHeld || now - released < Self.calm)
    }
}
