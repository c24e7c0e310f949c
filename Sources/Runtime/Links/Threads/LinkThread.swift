import CNanomsg
import Glibc
import Model

/// A thread of the system's, joined once.
package final class LinkThread: @unchecked Sendable {
    // Written once, before the thread is shared; read by `join` only.
    private var handle: pthread_t

    private final class Body {
        let name: String
        let run: @Sendable () -> Void

        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Starts a thread; of its name the first 15 bytes are seen in the system's tools.
    package init(name: String, _ body: @escaping @Sendable () -> Void) {
        handle = pthread_t()
        let box = Unmanaged.passRetained(Body(name: name, run: body))
        let status = pthread_create(
            &handle, nil,
            { argument in
                let body = Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue()
                roost_name_thread(body.name)
                body.run()
                return nil
            }, box.toOpaque())
        precondition(status == 0, "the system has room for one more thread")
    }

    /// Waits until the thread has ended; to be called once, and never on the thread itself.
    package func join() {
        precondition(pthread_equal(handle, pthread_self()) == 0, "a thread does not wait for itself")
        pthread_join(handle, nil)
    }

    /// Lets the thread end by itself, unwaited for; to be called once, instead of ``join()``.
    package func detach() {
        pthread_detach(handle)
    }
}

/// The system's monotonic clock.
package enum LinkClock {
    /// Its reading.
    package static func now() -> MonotonicTime {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    /// The time left until `deadline` in whole milliseconds, rounded up, as `poll(2)` takes it; −1 for no deadline.
    package static func milliseconds(until deadline: MonotonicTime, from now: MonotonicTime) -> Int32 {
        if deadline == .distantFuture { return -1 }
        let left = (deadline - now).nanoseconds
        return left <= 0 ? 0 : Int32(clamping: (left + 999_999) / 1_000_000)
    }
}
