import Synchronization

/// How far durability has come, as another thread tells a loop: the loop is woken only when something waits for it. There is
/// one for this node's disk, which the log's thread moves, and one for the replicas, which the control plane's loop moves.
///
/// Most messages are published without waiting for the disk, and a wake-up costs more than a delivery.
package final class DurabilityGauge: Sendable {
    private let reached = Atomic<UInt64>(0)
    private let awaited = Atomic<Bool>(false)

    package init() {}

    /// Whether the loop waits for more.
    package var isAwaited: Bool { awaited.load(ordering: .sequentiallyConsistent) }

    /// Everything up to this local sequence is durable; says whether the loop must be woken.
    package func advance(to sequence: UInt64) -> Bool {
        reached.store(sequence, ordering: .sequentiallyConsistent)
        return awaited.exchange(false, ordering: .sequentiallyConsistent)
    }

    /// How far it has come; the loop is woken when it comes further. Of two that call ``advance(to:)`` and this at the same
    /// time, one sees what the other did.
    ///
    /// - Parameter begun: called where the loop did not wait before.
    package func awaitMore(begun: () -> Void = {}) -> UInt64 {
        if !awaited.exchange(true, ordering: .sequentiallyConsistent) { begun() }
        return reached.load(ordering: .sequentiallyConsistent)
    }

    /// The loop waits no longer.
    package func awaitNothing() {
        if isAwaited { awaited.store(false, ordering: .sequentiallyConsistent) }
    }
}
