import Glibc
import Model

/// What other threads put down for one thread, which sleeps while there is nothing.
package final class DiskMailbox<Element: Sendable>: @unchecked Sendable {
    // Guarded by `mutex`.
    private var elements: [Element] = []
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let filled = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    package init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(filled, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(filled)
        pthread_mutex_destroy(mutex)
        filled.deallocate()
        mutex.deallocate()
    }

    package func put(_ element: Element) {
        if enqueue(element) { wake() }
    }

    /// Puts an element down without waking the thread; says whether ``wake()`` must follow.
    package func enqueue(_ element: Element) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        elements.append(element)
        // Whoever finds it filled already is awake, or about to be.
        return elements.count == 1
    }

    /// Wakes the thread: not under a lock that it needs, or it would only be awake to wait.
    package func wake() { pthread_cond_signal(filled) }

    /// Takes everything, in order; waits for the first until the deadline, and gives nothing when that passes.
    package func take(until deadline: MonotonicTime) -> [Element] {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        var end = timespec(
            tv_sec: Int(deadline.nanoseconds / 1_000_000_000), tv_nsec: Int(deadline.nanoseconds % 1_000_000_000))
        while elements.isEmpty {
            if deadline == .distantFuture {
                pthread_cond_wait(filled, mutex)
            } else if pthread_cond_timedwait(filled, mutex, &end) == ETIMEDOUT {
                break
            }
        }
        defer { elements = [] }
        return elements
    }
}
