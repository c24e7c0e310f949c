import Glibc
import Model
import Synchronization

/// The clocks that are read here.
enum SystemTime {
    case monotonic
    case realtime
    /// As monotonic, and it goes on while the machine sleeps.
    case sinceBoot
}

/// A clock's reading in nanoseconds.
func nanoseconds(of clock: SystemTime) -> Int64 {
    var reading = timespec()
    let number =
        switch clock {
        case .monotonic: CLOCK_MONOTONIC
        case .realtime: CLOCK_REALTIME
        case .sinceBoot: CLOCK_BOOTTIME
        }
    let result = clock_gettime(number, &reading)
    precondition(result == 0, "every Linux has these clocks")
    return Int64(reading.tv_sec) * 1_000_000_000 + Int64(reading.tv_nsec)
}

/// The one ``Calendar`` of this process. Its lock is taken only while the system's clock is away from it.
final class SystemCalendar: Sendable {
    static let shared = SystemCalendar()

    /// Milliseconds from the steady clock to the calendar, as of the last time under the lock.
    private let offset: Atomic<Int64>
    private let deviationInMilliseconds = Atomic<Int64>(0)
    private let calendar: Mutex<Calendar>

    /// Further from the calendar than this, in milliseconds, the system's clock is looked at under the lock.
    private static let drift: Int64 = 250

    private init() {
        let (system, steady) = Self.readings()
        offset = Atomic(system.milliseconds - steady.nanoseconds / 1_000_000)
        calendar = Mutex(Calendar(system: system, at: steady))
    }

    /// Milliseconds by which the system's clock is ahead because of a jump that is not believed yet.
    var deviation: Int64 { deviationInMilliseconds.load(ordering: .relaxed) }

    /// The time that the process goes by.
    var wall: WallTime {
        let (system, steady) = Self.readings()
        let distance = system.milliseconds - steady.nanoseconds / 1_000_000 - offset.load(ordering: .relaxed)
        if abs(distance) <= Self.drift, deviation == 0 { return system }
        return calendar.withLock { calendar in
            let time = calendar.time(system: system, at: steady)
            offset.store(time.milliseconds - steady.nanoseconds / 1_000_000, ordering: .relaxed)
            deviationInMilliseconds.store(calendar.deviation, ordering: .relaxed)
            return time
        }
    }

    private static func readings() -> (system: WallTime, steady: MonotonicTime) {
        (
            WallTime(milliseconds: nanoseconds(of: .realtime) / 1_000_000),
            MonotonicTime(nanoseconds: nanoseconds(of: .sinceBoot))
        )
    }
}
