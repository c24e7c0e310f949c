import Glibc

/// Raises this process's limit of open files to the most that the system allows it. Gives the limit afterwards.
package func raiseDescriptorLimit() -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1_024 }
    let before = limit.rlim_cur
    limit.rlim_cur = limit.rlim_max
    if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) != 0 { limit.rlim_cur = before }
    return Int(clamping: limit.rlim_cur)
}

extension FrontSettings {
    /// Lowers the limit of connections to what a process with so many open files can serve.
    ///
    /// Files of the log, peers, and clients who have to be told that there is no room need descriptors too.
    mutating func fit(descriptors: Int) {
        connectionMargin = min(connectionMargin, descriptors / 8)
        connectionLimit = min(connectionLimit, max(1, descriptors - connectionMargin - min(256, descriptors / 4)))
    }
}
