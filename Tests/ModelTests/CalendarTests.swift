import Model
import Testing

@Suite("A calendar")
struct CalendarTests {
    private let start = WallTime(milliseconds: 1_000_000)
    private let minute: Int64 = 60_000

    /// A steady clock's reading, in milliseconds.
    private func at(_ milliseconds: Int64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }

    private func wall(_ milliseconds: Int64) -> WallTime { WallTime(milliseconds: milliseconds) }

    @Test("follows a clock that goes a little fast or slow, and steps of up to a second")
    func drift() {
        var calendar = Calendar(system: start, at: at(0))
        for step in 1...100 as ClosedRange<Int64> {
            let system = wall(start.milliseconds + step * 1_000 + step * 900)
            #expect(calendar.time(system: system, at: at(step * 1_000)) == system)
        }
        #expect(calendar.deviation == 0)
    }

    @Test("goes on at its pace when the system's clock jumps", arguments: [3_600_000, -86_400_000] as [Int64])
    func jump(by distance: Int64) {
        var calendar = Calendar(system: start, at: at(0))
        for time in stride(from: Int64(1_000), to: 10 * minute, by: 1_000) {
            let shown = calendar.time(system: wall(start.milliseconds + time + distance), at: at(time))
            #expect(shown == wall(start.milliseconds + time))
            #expect(calendar.deviation == distance)
        }
        let back = calendar.time(system: wall(start.milliseconds + 11 * minute), at: at(11 * minute))
        #expect(back == wall(start.milliseconds + 11 * minute) && calendar.deviation == 0)
    }

    @Test("believes a jump that has stood for ten minutes", arguments: [3_600_000, -86_400_000] as [Int64])
    func belief(in distance: Int64) {
        var calendar = Calendar(system: start, at: at(0))
        _ = calendar.time(system: wall(start.milliseconds + minute + distance), at: at(minute))
        let shown = calendar.time(system: wall(start.milliseconds + 11 * minute + distance), at: at(11 * minute))
        #expect(shown == wall(start.milliseconds + 11 * minute + distance) && calendar.deviation == 0)
    }

    @Test("believes no clock that keeps jumping")
    func restless() {
        var calendar = Calendar(system: start, at: at(0))
        for number in 1..<60 as Range<Int64> {
            let time = number * minute
            let shown = calendar.time(system: wall(start.milliseconds + time * time), at: at(time))
            #expect(shown == wall(start.milliseconds + time))
        }
    }
}
