import Dialects
import Model

/// A time as HTTP's `Date` has it (RFC 9110 §5.6.7): `Sat, 21 Nov 2026 07:09:00 GMT`.
func httpDate(_ time: WallTime) -> String {
    let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    // 1970-01-01 was a Thursday.
    let weekday = weekdays[Int((max(0, time.milliseconds) / 86_400_000 + 4) % 7)]
    let text = Timestamp.text(WallTime(milliseconds: max(0, time.milliseconds)))
    let parts = text.split { "-T.".contains($0) }
    guard parts.count == 5, let month = Int(parts[1]) else { preconditionFailure("the calendar has five parts") }
    return "\(weekday), \(parts[2]) \(months[month - 1]) \(parts[0]) \(parts[3]) GMT"
}
