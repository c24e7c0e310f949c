import Synchronization

/// How far durability has come, as another thread tells a loop: the loop is woken only when something waits for it. There is
/// one for this node's disk, which the log's thread moves, and one for the replicas, which the control plane's loop moves.
///
/// Most messages are published without waiting for the disk, and a wake-up costs more than a delivery.
final class DurabilityGauge: Sendable {
    private let reached = Atomic<UInt64>(0)
    private let awaited = Atomic<Bool>(false)

    /// Whether the loop waits for more.
    var isAwaited: Bool { awaited.load(ordering: .sequentiallyConsistent) }

    /// Everything up to this local sequence is durable; says whether the loop must be woken.
    func advance(to sequence: UInt64) -> Bool {
        reached.store(sequence, ordering: .sequentiallyConsistent)
        return awaited.exchange(false, ordering: .sequentiallyConsistent)
    }

    /// How far it has come; the loop is woken when it comes further. Of two that call ``advance(to:)`` and this at the same
    /// time, one sees what the other did.
    func awaitMore() -> UInt64 {
        awaited.store(true, ordering: .sequentiallyConsistent)
        return reached.load(ordering: .sequentiallyConsistent)
    }
}
