import Model

/// How long a loop passes on what other threads have put into its mailbox before it looks at its sockets again.
///
/// A loop that is told of mail while it delivers is told again before it comes to its sockets. Without an end to its turn
/// a loop with more to deliver than it can would not read from any client until the others had stopped publishing.
struct DeliveryTurn {
    /// The most records that are delivered together: 512.
    static let slice = 512
    /// How long a turn may last: 5 ms.
    static let length: Duration = .milliseconds(5)
    /// How long the loop then waits for its sockets where none of them has anything: 50 µs.
    static let pause: Duration = .microseconds(50)

    private var began = MonotonicTime.zero
    private var ended = MonotonicTime.zero

    /// A slice is about to be delivered. It belongs to the turn of the one before, unless the loop did something else
    /// since.
    mutating func begin(at now: MonotonicTime) {
        if now > ended + Self.pause { began = now }
    }

    /// A slice has been delivered.
    ///
    /// - Returns: whether the turn is over.
    mutating func end(at now: MonotonicTime) -> Bool {
        ended = now
        guard now > began + Self.length else { return false }
        began = now
        return true
    }
}
