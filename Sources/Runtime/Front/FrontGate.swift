import Synchronization

/// Whether the front takes new work over HTTP, and what of it is not answered yet; shared by all loops.
package final class FrontGate: Sendable {
    private let isClosing = Atomic<Bool>(false)
    private let unanswered = Atomic<Int>(0)

    package init() {}

    /// Whether the node is about to stop, so that new requests are sent elsewhere.
    package var isClosed: Bool { isClosing.load(ordering: .relaxed) }

    /// How many HTTP requests are not answered to their end.
    package var requests: Int { unanswered.load(ordering: .relaxed) }

    /// Sends new requests elsewhere from now on, or takes them again.
    package func close(_ isClosed: Bool = true) { isClosing.store(isClosed, ordering: .relaxed) }

    func begin() { unanswered.add(1, ordering: .relaxed) }

    func end() { unanswered.subtract(1, ordering: .relaxed) }
}
