import Glibc
import Model
import Synchronization

/// Looks names up on a thread of its own, since the system may take seconds and probes may not wait.
final class GossipResolver: Sendable {
    /// The most names that wait to be looked up.
    private static let queueLimit = 64

    private struct State {
        var waiting: [Endpoint] = []
        var isClosing = false
    }

    private let state = Mutex(State())
    private let wakeup = LinkWakeup()

    /// Starts the thread; `report` gets each endpoint with its address, or nil where there is none.
    init(family: Int32, report: @escaping @Sendable (Endpoint, GossipAddress?) -> Void) {
        let thread = LinkThread(name: "gossip-names") { [self] in
            while let endpoint = next() {
                report(endpoint, GossipAddress.resolve(endpoint, family: family, numeric: false))
            }
        }
        // A look-up cannot be interrupted, and closing should not wait for one.
        thread.detach()
    }

    /// Asks for an endpoint, at most once at a time; false where too many wait.
    func ask(_ endpoint: Endpoint) -> Bool {
        let accepted = state.withLock { state in
            if state.waiting.contains(endpoint) { return true }
            guard state.waiting.count < Self.queueLimit else { return false }
            state.waiting.append(endpoint)
            return true
        }
        wakeup.wake()
        return accepted
    }

    /// Ends the thread after the look-up that it is at.
    func close() {
        state.withLock { $0.isClosing = true }
        wakeup.wake()
    }

    private func next() -> Endpoint? {
        while true {
            wakeup.clear()
            let (endpoint, isClosing) = state.withLock { state in
                (state.waiting.isEmpty ? nil : state.waiting.removeFirst(), state.isClosing)
            }
            if isClosing { return nil }
            if let endpoint { return endpoint }
            var descriptor = pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0)
            poll(&descriptor, 1, -1)
        }
    }
}
