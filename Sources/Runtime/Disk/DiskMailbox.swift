import Glibc
import Model

/// What other threads put down for one thread, which sleeps while there is nothing.
package final class DiskMailbox<Element: Sendable>: @unchecked Sendable {
    // Guarded by `mutex`.
    private var elements: [Element] = []
    private var isCalled = false
    /// What the thread, if it sleeps, is not woken for, nor for less.
    private var spared = Urgency.sometime
    /// The most urgent of what it was left asleep for.
    private var expected = Urgency.sometime
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

    /// Puts an element down and wakes the thread for it, unless it rests and that may wait; also where somebody who was told
    /// to wake it has not done so yet.
    package func put(_ element: Element, _ urgency: Urgency = .now) {
        if add(element, urgency).isUrgent { wake() }
    }

    /// Puts an element down without waking the thread; says whether ``wake()`` must follow.
    package func enqueue(_ element: Element, _ urgency: Urgency = .now) -> Bool {
        let (isUrgent, wasCalled) = add(element, urgency)
        // Once called, the thread is awake or about to be.
        return isUrgent && !wasCalled
    }

    private func add(_ element: Element, _ urgency: Urgency) -> (isUrgent: Bool, wasCalled: Bool) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        elements.append(element)
        let wasCalled = isCalled
        guard urgency > spared else {
            expected = max(expected, urgency)
            return (false, wasCalled)
        }
        isCalled = true
        return (true, wasCalled)
    }

    /// How long an element may wait for the thread, from the least urgent on.
    package enum Urgency: Comparable {
        /// It is taken with the next element for which the thread is woken, or at the thread's next deadline.
        case sometime
        /// The thread is woken for it, unless it rests and so looks around soon.
        case soon
        /// As ``soon``; a thread may spare itself what is to be taken soon, and still be woken for this.
        case sooner
        /// The thread is woken for it.
        case now
    }

    /// Wakes the thread: not under a lock that it needs, or it would only be awake to wait.
    package func wake() { pthread_cond_signal(filled) }

    /// Takes everything, in order; waits for something urgent until the deadline, and gives what there is when that passes.
    ///
    /// - Parameter spared: what is not urgent now, since the deadline is so near; the thread rests when that is more than
    ///   ``Urgency/sometime``.
    package func take(until deadline: MonotonicTime, sparing spared: Urgency = .sometime) -> [Element] {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        self.spared = spared
        // It may have come while the thread was awake, after a rest.
        if expected > spared { isCalled = true }
        var end = timespec(
            tv_sec: Int(deadline.nanoseconds / 1_000_000_000), tv_nsec: Int(deadline.nanoseconds % 1_000_000_000))
        while !isCalled {
            if deadline == .distantFuture {
                pthread_cond_wait(filled, mutex)
            } else if pthread_cond_timedwait(filled, mutex, &end) == ETIMEDOUT {
                break
            }
        }
        defer { (elements, isCalled, expected) = ([], false, .sometime) }
        return elements
    }
}
