import CEpoll
import Glibc

/// Which sockets can be read or written, by epoll(7), level-triggered.
struct Poller: ~Copyable {
    /// The most sockets that one wait names.
    static let batch = 1_024

    private let descriptor: Int32
    private let events: UnsafeMutableBufferPointer<epoll_event>

    /// A socket that can do something.
    struct Readiness {
        /// What the socket was added under.
        let token: Int
        /// Whether a read would give something: bytes, the end, or an error.
        let isReadable: Bool
        /// Whether a write would take something, or fail.
        let isWritable: Bool
    }

    init() throws(CommandFailure) {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw .broken("epoll_create1: \(String(cString: strerror(errno)))") }
        events = .allocate(capacity: Self.batch)
    }

    deinit {
        close(descriptor)
        events.deallocate()
    }

    /// Watches a socket; one that is closed leaves by itself.
    func add(_ socket: Int32, token: Int, writable: Bool) throws(CommandFailure) {
        try control(EPOLL_CTL_ADD, socket, token: token, writable: writable)
    }

    /// Says whether it matters that a socket can be written.
    func change(_ socket: Int32, token: Int, writable: Bool) throws(CommandFailure) {
        try control(EPOLL_CTL_MOD, socket, token: token, writable: writable)
    }

    private func control(_ operation: Int32, _ socket: Int32, token: Int, writable: Bool) throws(CommandFailure) {
        var event = epoll_event()
        event.events = EPOLLIN.rawValue | EPOLLRDHUP.rawValue | (writable ? EPOLLOUT.rawValue : 0)
        event.data.u64 = UInt64(token)
        guard epoll_ctl(descriptor, operation, socket, &event) == 0 else {
            throw .broken("epoll_ctl: \(String(cString: strerror(errno)))")
        }
    }

    /// Waits until a socket is ready or the time is over, and says how many are.
    /// - Parameter milliseconds: 0 does not wait at all.
    func wait(milliseconds: Int32) -> Int {
        max(0, Int(epoll_wait(descriptor, events.baseAddress, Int32(events.count), milliseconds)))
    }

    /// One of those that the last wait found.
    subscript(index: Int) -> Readiness {
        let event = events[index]
        let failed = event.events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
        return Readiness(
            token: Int(event.data.u64),
            isReadable: failed || event.events & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue) != 0,
            isWritable: failed || event.events & EPOLLOUT.rawValue != 0)
    }
}
