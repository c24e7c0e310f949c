import CNanomsg
import Glibc

/// An eventfd by which other threads wake one that polls.
package final class LinkWakeup: Sendable {
    /// Polls readable once woken.
    package let descriptor: Int32

    package init() {
        descriptor = roost_eventfd()
        precondition(descriptor >= 0, "the system has room for one more descriptor")
    }

    deinit { close(descriptor) }

    /// Wakes the thread, or has it not sleep next.
    package func wake() {
        var one: UInt64 = 1
        // It fails only when 2^64 − 2 wakes are pending, and then the thread wakes anyway.
        _ = write(descriptor, &one, 8)
    }

    /// Forgets the wakes so far.
    package func clear() {
        var count: UInt64 = 0
        // It fails only when there was none.
        _ = read(descriptor, &count, 8)
    }
}
