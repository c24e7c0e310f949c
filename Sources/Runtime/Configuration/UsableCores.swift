import Foundation

/// How many cores this process may run on, so that a node that is bound to some of a machine's cores has as many loops as it
/// has cores; 1 at least. From `Cpus_allowed` of `/proc/self/status` (proc(5)), a mask in hexadecimal.
func usableCores() -> Int {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
        let line = status.split(separator: "\n").first(where: { $0.hasPrefix("Cpus_allowed:") })
    else { return ProcessInfo.processInfo.activeProcessorCount }
    return max(1, line.dropFirst("Cpus_allowed:".count).reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) })
}
