/// The calendar that a process goes by: the system's, but for its jumps.
///
/// A system's clock can jump, by an operator's hand, a wrong time server or a machine that was moved. Followed at once, it
/// would end every time to live and drop what is kept by age, and nothing brings that back. So a jump is believed only
/// once it has stood for a while; until then time goes on at the pace of a clock that nobody sets.
package struct Calendar: Sendable {
    /// How far the system's clock may be from the calendar and still be followed at once: 1 s, well above the 128 ms that
    /// a time server corrects in one step (RFC 5905 §11.2).
    package static let tolerance: Duration = .seconds(1)
    /// How long a jump must stand before it is believed: 10 minutes.
    package static let patience: Duration = .seconds(600)

    private let patience: Duration
    /// Milliseconds from the steady clock to the calendar.
    private var offset: Int64
    private var jump: Jump?

    /// A clock that was set, and has gone on from there since.
    private struct Jump {
        let offset: Int64
        let since: MonotonicTime
    }

    /// - Parameters:
    ///   - system: what the system's clock says; believed at the start, whatever it is.
    ///   - steady: a clock that nobody sets and that goes on while the machine sleeps.
    package init(system: WallTime, at steady: MonotonicTime, patience: Duration = Calendar.patience) {
        self.patience = patience
        offset = Self.offset(of: system, at: steady)
    }

    /// Milliseconds by which the system's clock is ahead of the calendar because of a jump that is not believed yet.
    package var deviation: Int64 { jump.map { $0.offset - offset } ?? 0 }

    /// The calendar's time.
    package mutating func time(system: WallTime, at steady: MonotonicTime) -> WallTime {
        let found = Self.offset(of: system, at: steady)
        if Self.isNear(found, offset) {
            offset = found
            jump = nil
        } else if let known = jump, Self.isNear(found, known.offset) {
            if steady - known.since >= patience {
                offset = found
                jump = nil
            }
        } else {
            jump = Jump(offset: found, since: steady)
        }
        return WallTime(milliseconds: steady.nanoseconds / 1_000_000 &+ offset)
    }

    private static func offset(of system: WallTime, at steady: MonotonicTime) -> Int64 {
        system.milliseconds &- steady.nanoseconds / 1_000_000
    }

    private static func isNear(_ left: Int64, _ right: Int64) -> Bool {
        (left &- right).magnitude <= UInt64(tolerance.milliseconds)
    }
}
