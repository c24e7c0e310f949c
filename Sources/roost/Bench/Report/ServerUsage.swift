import Glibc
import Runtime

/// What processes have used of the machine, from proc(5).
struct ServerUsage: Equatable, Sendable {
    /// Nanoseconds on a processor, over all threads that are alive.
    var processorTime: UInt64 = 0
    /// Bytes of memory that are resident.
    var residentBytes: UInt64 = 0

    /// Adds up some processes.
    /// - Throws: when there is no such process.
    static func of(_ processes: [Int32]) throws(CommandFailure) -> ServerUsage {
        var usage = ServerUsage()
        for process in processes {
            guard let status = readFile("/proc/\(process)/status") else {
                throw .configuration("--server-pid \(process): there is no such process")
            }
            usage.residentBytes += resident(status)
            usage.processorTime += time(of: process)
        }
        return usage
    }

    /// `VmRSS`, which counts in KiB.
    private static func resident(_ status: String) -> UInt64 {
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { UInt64($0) }
            .map { $0 << 10 } ?? 0
    }

    /// `schedstat` counts nanoseconds, `stat` only clock ticks; where a kernel lacks the first the second has to do.
    private static func time(of process: Int32) -> UInt64 {
        let tasks = entries("/proc/\(process)/task").map { task in
            readFile("/proc/\(process)/task/\(task)/schedstat")?.split(separator: " ").first.flatMap { UInt64($0) }
        }
        let exact = tasks.reduce(0) { $0 + ($1 ?? 0) }
        guard exact == 0, let stat = readFile("/proc/\(process)/stat"), let name = stat.lastIndex(of: ")") else {
            return exact
        }
        // After the name in parentheses come the state and then numbers; utime and stime are fields 14 and 15.
        let fields = stat[name...].split(separator: " ")
        let ticks = fields.dropFirst(12).prefix(2).compactMap { UInt64($0) }.reduce(0, +)
        return ticks * (1_000_000_000 / UInt64(sysconf(Int32(_SC_CLK_TCK))))
    }

    private static func entries(_ folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }

    private static func readFile(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 16 << 10)
        let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
        return count < 0 ? nil : String(decoding: bytes[..<count], as: UTF8.self)
    }
}

/// Lets this process open as many files as the system allows it to.
/// - Throws: when that is fewer than are needed.
func raiseFileLimit(toHold count: Int) throws(CommandFailure) {
    let limit = raiseDescriptorLimit()
    // Beside the connections: standard streams, the poller, and what the runtime has open.
    guard count + 32 <= limit else {
        throw .configuration(
            "\(count) connections need as many open files, and this process may have \(limit); "
                + "raise the hard limit (ulimit -Hn) or take fewer connections")
    }
}
