import Glibc
import Model
import Synchronization

/// What this process takes of its machine.
final class ProcessUsage: Sendable {
    /// A reading of the processor's time that is younger than this is given again: a share of less says nothing.
    private static let interval: Duration = .milliseconds(500)

    private struct Reading {
        let at: MonotonicTime
        let used: Duration
        let percent: Double
    }

    private let last: Mutex<Reading>

    /// - Parameter now: when the process is taken to have begun.
    init(at now: MonotonicTime) {
        last = Mutex(Reading(at: now, used: Self.processorTime, percent: 0))
    }

    /// Percent of one core since the reading before.
    func processorShare(at now: MonotonicTime) -> Double {
        last.withLock { last in
            let passed = now - last.at
            guard passed >= Self.interval else { return last.percent }
            let used = Self.processorTime
            let percent = 100 * Double((used - last.used).nanoseconds) / Double(passed.nanoseconds)
            last = Reading(at: now, used: used, percent: (percent * 10).rounded() / 10)
            return last.percent
        }
    }

    private static var processorTime: Duration {
        var usage = rusage()
        guard getrusage(RUSAGE_SELF.rawValue, &usage) == 0 else { return .zero }
        let (user, system) = (usage.ru_utime, usage.ru_stime)
        return .seconds(user.tv_sec + system.tv_sec) + .microseconds(user.tv_usec + system.tv_usec)
    }

    /// Bytes of memory that are resident and the process's own (`proc_pid_statm(5)`: resident less shared); 0 where the
    /// system does not tell.
    static var memory: UInt64 {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var text = [UInt8](repeating: 0, count: 256)
        let count = fread(&text, 1, text.count, file)
        let numbers = String(decoding: text[..<count], as: UTF8.self).split(separator: " ").compactMap { UInt64($0) }
        guard numbers.count > 2, numbers[1] >= numbers[2] else { return 0 }
        return (numbers[1] - numbers[2]) * UInt64(getpagesize())
    }
}
