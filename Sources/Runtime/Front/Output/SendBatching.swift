import Glibc
import Model

/// Whether fan-out hands a message to many sockets in one call of the kernel: io_uring(7), by ``SendRing``.
package enum SendBatching: String, CaseIterable, Sendable {
    /// Where that takes less time on this machine, which is measured at the start: ``SendRing/pays``.
    case automatic = "auto"
    /// Wherever the kernel lets this process have it.
    case always
    case never

    /// Whether a ring is to be used where it can be had.
    var wantsRing: Bool {
        switch self {
        case .automatic: SendRing.pays
        case .always: true
        case .never: false
        }
    }
}

extension SendRing {
    /// Whether one call for many sockets takes at least a fifth less time here than a `send(2)` for each.
    ///
    /// It spares as many system calls. Those cost from a tenth of a microsecond to one, by processor and mitigations, and its
    /// entries cost about as much again as the cheaper ones, more when the caches hold something else by then. Measured once, in
    /// about a millisecond, with sockets that do nearly nothing with what they are sent.
    package static let pays = measure()

    private static let measuredRounds = 12
    private static let measuredSends = 64

    private static func measure() -> Bool {
        guard let ring = SendRing() else { return false }
        var pair: [CInt] = [-1, -1]
        guard socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0, &pair) == 0 else { return false }
        let (near, far) = (pair[0], pair[1])
        defer {
            close(near)
            close(far)
        }
        // The quickest round of each has been disturbed least.
        var (apart, together) = (Duration.seconds(1), Duration.seconds(1))
        withUnsafeBytes(of: UInt8(0)) { byte in
            for _ in 0..<measuredRounds {
                apart = min(apart, duration { for _ in 0..<measuredSends { _ = sendDirectly(byte, to: near) } })
                empty(far)
                let ordered = duration {
                    for tag in 0..<measuredSends { ring.order(near, tag: tag) }
                    ring.send(byte) { _, _ in }
                }
                together = min(together, ordered)
                empty(far)
            }
        }
        return together * 5 < apart * 4
    }

    private static func duration(_ body: () -> Void) -> Duration {
        let began = systemClock().monotonic
        body()
        return systemClock().monotonic - began
    }

    /// Reads what has come, so that there is room for more.
    private static func empty(_ descriptor: CInt) {
        withUnsafeTemporaryAllocation(byteCount: 4_096, alignment: 1) { buffer in
            while recv(descriptor, buffer.baseAddress, buffer.count, CInt(MSG_DONTWAIT)) > 0 {}
        }
    }
}
