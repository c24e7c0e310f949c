import CUring
import Glibc

/// Hands the same bytes to many sockets in one call of the kernel, each as a `send(2)` for each would: io_uring(7), whose entries
/// are carried out in order before the call returns, since none of them may wait.
///
/// Where system calls are dear it takes less CPU than a `send(2)` for each (``pays``); one socket alone gets a `send(2)`. Confined to
/// the thread that made it.
package final class SendRing {
    /// How many sockets one call has at most.
    package static let capacity = 256

    private let ring = UnsafeMutablePointer<io_uring>.allocate(capacity: 1)
    private let completions = UnsafeMutablePointer<UnsafeMutablePointer<io_uring_cqe>?>.allocate(capacity: capacity)
    /// Where the next bytes are to go, and what the caller knows that by; without a socket once the outcome is known.
    private var orders: [(descriptor: CInt, tag: Int)] = []
    /// Whether the kernel gives no ring any more: each socket is sent to by itself.
    private var isGone = false

    /// Fails where the kernel has no io_uring, or does not let this process have it, as in many containers.
    package init?() {
        ring.initialize(to: io_uring())
        completions.initialize(repeating: nil, count: Self.capacity)
        orders.reserveCapacity(Self.capacity)
        guard Self.open(ring) else {
            isGone = true
            return nil
        }
    }

    deinit {
        if !isGone { io_uring_queue_exit(ring) }
        ring.deallocate()
        completions.deallocate()
    }

    private static func open(_ ring: UnsafeMutablePointer<io_uring>) -> Bool {
        // The flags spare work that other uses need (Linux 6.1).
        let flags = UInt32(IORING_SETUP_SINGLE_ISSUER) | UInt32(IORING_SETUP_DEFER_TASKRUN)
        guard io_uring_queue_init(UInt32(capacity), ring, flags) == 0 || io_uring_queue_init(UInt32(capacity), ring, 0) == 0
        else { return false }
        let probe = io_uring_get_probe_ring(ring)
        defer { io_uring_free_probe(probe) }
        // Older kernels have rings that cannot send.
        guard let probe, io_uring_opcode_supported(probe, CInt(IORING_OP_SEND.rawValue)) != 0 else {
            io_uring_queue_exit(ring)
            return false
        }
        return true
    }

    /// Whether ``send(_:outcome:)`` must come before the next order.
    package var isFull: Bool { orders.count == Self.capacity }

    /// Adds a socket to those that the next ``send(_:outcome:)`` gives its bytes to.
    ///
    /// - Parameter tag: what the outcome will be told with.
    package func order(_ descriptor: CInt, tag: Int) { orders.append((descriptor, tag)) }

    /// Sends bytes to every socket that was ordered, and says what became of each.
    package func send(_ bytes: UnsafeRawBufferPointer, outcome: (_ tag: Int, DirectSendOutcome) -> Void) {
        if orders.count > 1, !isGone { sendTogether(bytes, outcome) }
        for order in orders where order.descriptor >= 0 { outcome(order.tag, sendDirectly(bytes, to: order.descriptor)) }
        orders.removeAll(keepingCapacity: true)
    }

    /// Leaves those for whom the kernel would not do it.
    private func sendTogether(_ bytes: UnsafeRawBufferPointer, _ outcome: (Int, DirectSendOutcome) -> Void) {
        for (index, order) in orders.enumerated() {
            guard let entry = io_uring_get_sqe(ring) else {
                preconditionFailure("the queue has room for as many as may be ordered")
            }
            io_uring_prep_send(entry, order.descriptor, bytes.baseAddress, bytes.count, sendFlags)
            io_uring_sqe_set_data64(entry, UInt64(index))
        }
        var left = orders.count
        while left > 0 {
            let result = io_uring_submit_and_wait(ring, UInt32(left))
            let count = Int(io_uring_peek_batch_cqe(ring, completions, UInt32(Self.capacity)))
            for completion in UnsafeBufferPointer(start: completions, count: count) {
                let index = Int(completion!.pointee.user_data)
                outcome(orders[index].tag, DirectSendOutcome(Int(completion!.pointee.res)))
                orders[index].descriptor = -1
            }
            io_uring_cq_advance(ring, UInt32(count))
            left -= count
            guard result >= 0 || result == -EINTR else { break }
        }
        guard left > 0 else { return }
        // The kernel took none of the rest, as when it is short of memory. What still stands in the queue must not be carried
        // out by a later call.
        io_uring_queue_exit(ring)
        isGone = !Self.open(ring)
    }
}
