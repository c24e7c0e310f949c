/// A hybrid logical time: 48 bits of milliseconds since 1970 and a 16-bit counter.
///
/// Kulkarni et al., "Logical Physical Clocks", OPODIS 2014. An overflowing counter carries into the milliseconds.
package struct HybridTime: Hashable, Comparable, Sendable {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    package init(milliseconds: UInt64, counter: UInt16 = 0) {
        rawValue = milliseconds << 16 | UInt64(counter)
    }

    package static let zero = HybridTime(rawValue: 0)

    package var wall: WallTime { WallTime(milliseconds: Int64(rawValue >> 16)) }

    /// Whether two times are at most `window` apart, to the millisecond.
    package func isWithin(_ window: Duration, of other: HybridTime) -> Bool {
        abs(wall.milliseconds - other.wall.milliseconds) <= window.milliseconds
    }

    package static func < (left: HybridTime, right: HybridTime) -> Bool { left.rawValue < right.rawValue }
}

/// Gives times that strictly increase, follow the calendar and are never far behind a peer's.
package struct HybridClock: Sendable {
    /// How far ahead of the calendar a peer's record may drag this clock.
    package static let maximumDrag: Duration = .milliseconds(500)

    /// The last time given or learnt.
    package private(set) var last: HybridTime

    package init(last: HybridTime = .zero) {
        self.last = last
    }

    /// A time after every other that this clock has given.
    package mutating func next(at wall: WallTime) -> HybridTime {
        let calendar = HybridTime(milliseconds: UInt64(clamping: wall.milliseconds))
        last = max(calendar, HybridTime(rawValue: last.rawValue &+ 1))
        return last
    }

    /// Learns a peer's time; one further ahead than ``maximumDrag`` counts as that far ahead.
    package mutating func observe(_ time: HybridTime, at wall: WallTime) {
        let limit = UInt64(clamping: wall.milliseconds + Self.maximumDrag.milliseconds)
        last = max(last, min(time, HybridTime(milliseconds: limit)))
    }
}
