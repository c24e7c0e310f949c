import Glibc

/// The clocks that are read here.
enum SystemTime {
    case monotonic
    case realtime
}

/// A clock's reading in nanoseconds.
func nanoseconds(of clock: SystemTime) -> Int64 {
    var reading = timespec()
    let result = clock_gettime(clock == .monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME, &reading)
    precondition(result == 0, "every Linux has these clocks")
    return Int64(reading.tv_sec) * 1_000_000_000 + Int64(reading.tv_nsec)
}
