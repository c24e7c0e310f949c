import Synchronization

/// How far the node's disk has come, as the log's thread tells a loop: the loop is woken only when something waits for it.
///
/// Most messages are published without waiting for the disk, and a wake-up costs more than a delivery.
final class DurabilityGauge: Sendable {
    private let reached = Atomic<UInt64>(0)
    private let isAwaited = Atomic<Bool>(false)

    /// Everything up to this local sequence is on the disk; says whether the loop must be woken.
    func advance(to sequence: UInt64) -> Bool {
        reached.store(sequence, ordering: .sequentiallyConsistent)
        return isAwaited.exchange(false, ordering: .sequentiallyConsistent)
    }

    /// How far the disk has come; the loop is woken when it comes further. Of two that call ``advance(to:)`` and this at the
    /// same time, one sees what the other did.
    func awaitMore() -> UInt64 {
        isAwaited.store(true, ordering: .sequentiallyConsistent)
        return reached.load(ordering: .sequentiallyConsistent)
    }
}
