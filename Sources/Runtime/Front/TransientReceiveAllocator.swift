import NIOCore

/// Buffers for reads that live no longer than the read: an idle connection keeps next to none.
///
/// NIO keeps the first buffer of each connection for good, and takes a fresh one for a read that may need a larger one. So
/// the first has room for a few bytes only, and every later read is said to need more. It begins with 1 KiB, which malloc
/// gives from a thread's cache, doubles when a read fills it, up to 64 KiB, and halves when a read takes less than a
/// quarter.
struct TransientReceiveAllocator: RecvByteBufferAllocator {
    static let kept = 16
    static let least = 1_024
    static let most = 65_536

    private var capacity = Self.kept

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { allocator.buffer(capacity: capacity) }

    mutating func record(actualReadBytes: Int) -> Bool {
        if capacity < Self.least {
            capacity = Self.least
        } else if actualReadBytes >= capacity {
            capacity = min(Self.most, capacity * 2)
        } else if actualReadBytes < capacity / 4 {
            capacity = max(Self.least, capacity / 2)
        }
        return true
    }
}
