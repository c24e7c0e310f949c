import Glibc
import NIOCore

/// What became of bytes that were handed to a socket.
package enum DirectSendOutcome: Equatable {
    /// So many of them were taken, from none to all.
    case taken(Int)
    /// The connection is broken.
    case broken

    /// What a call has come to.
    ///
    /// - Parameter result: the number of bytes taken, or a negated `errno`.
    @inline(__always)
    init(_ result: Int) {
        switch -CInt(truncatingIfNeeded: result) {
        case _ where result >= 0: self = .taken(result)
        // These pass; the channel's own writer then tries again.
        case EAGAIN, ENOBUFS, ENOMEM, EINTR: self = .taken(0)
        default: self = .broken
        }
    }
}

/// Hands bytes to a non-blocking socket: `send(2)` with `MSG_NOSIGNAL`.
@inline(__always)
func sendDirectly(_ bytes: UnsafeRawBufferPointer, to descriptor: CInt) -> DirectSendOutcome {
    while true {
        let count = send(descriptor, bytes.baseAddress, bytes.count, sendFlags)
        if count < 0, errno == EINTR { continue }
        return DirectSendOutcome(count < 0 ? -Int(errno) : count)
    }
}

/// Hands several buffers to a non-blocking socket in one `sendmsg(2)`.
///
/// - Parameter buffers: those from the first on that fit into one call are considered, ``gatherLimit`` of them.
func sendDirectly(_ buffers: ArraySlice<ByteBuffer>, to descriptor: CInt) -> DirectSendOutcome {
    if buffers.count == 1 {
        return buffers[buffers.startIndex].withUnsafeReadableBytes { sendDirectly($0, to: descriptor) }
    }
    return withUnsafeTemporaryAllocation(of: iovec.self, capacity: min(buffers.count, gatherLimit)) { vectors in
        for (index, buffer) in buffers.prefix(gatherLimit).enumerated() {
            // The pointer outlives the closure: the buffers are held, unchanged, until the call below has returned.
            buffer.withUnsafeReadableBytes { bytes in
                vectors[index] = iovec(
                    iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
            }
        }
        return withExtendedLifetime(buffers) {
            var message = msghdr()
            message.msg_iov = vectors.baseAddress
            message.msg_iovlen = vectors.count
            while true {
                let count = sendmsg(descriptor, &message, sendFlags)
                if count < 0, errno == EINTR { continue }
                return DirectSendOutcome(count < 0 ? -Int(errno) : count)
            }
        }
    }
}

/// How many buffers one call gathers; Linux takes at most 1,024 (`IOV_MAX`).
let gatherLimit = 256

let sendFlags = CInt(MSG_NOSIGNAL | MSG_DONTWAIT)
