/// Remembers which counters of a session were taken.
package struct ReplayGuard: Sendable {
    /// How far behind the highest counter a gossip packet may come.
    package static let window: UInt64 = 1024

    private var highest: UInt64
    /// One bit for each of the last 1,024 counters, at `counter mod 1024`; nil on the bus, whose frames come in order.
    private var taken: [UInt64]?
    /// Counters below this were sealed before the session.
    private let first: UInt64

    /// A guard for a session whose peer said that it seals no counter below `first`.
    package init(channel: LinkChannel, first: UInt64) {
        self.first = first
        highest = first == 0 ? 0 : first - 1
        taken = channel == .bus ? nil : [UInt64](repeating: 0, count: Int(Self.window) / 64)
    }

    /// Whether a counter is new; changes nothing.
    package func admits(_ counter: UInt64) -> Bool {
        if counter > highest { return true }
        guard let taken, counter >= first, highest - counter < Self.window else { return false }
        let bit = counter % Self.window
        return taken[Int(bit / 64)] & (1 << (bit % 64)) == 0
    }

    /// Takes a counter that ``admits(_:)`` let through and whose frame has verified.
    package mutating func take(_ counter: UInt64) {
        if taken != nil { mark(counter) }
        highest = max(highest, counter)
    }

    private mutating func mark(_ counter: UInt64) {
        if counter > highest {
            // The bits between belong to counters that left the window.
            for passed in 1...min(counter - highest, Self.window) {
                let bit = (highest &+ passed) % Self.window
                taken?[Int(bit / 64)] &= ~(1 << (bit % 64))
            }
        }
        let bit = counter % Self.window
        taken?[Int(bit / 64)] |= 1 << (bit % 64)
    }
}
