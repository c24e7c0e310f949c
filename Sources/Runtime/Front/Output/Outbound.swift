import NIOCore

/// What waits to be sent to one connection, and by which way.
///
/// Frames go to the socket itself, gathered, at the end of the tick. What a socket does not take goes to the channel's own
/// writer, and until that has finished so does everything after it: the connection is *busy*. With TLS there is no other way
/// than the channel's.
struct Outbound {
    /// Bytes in the queue beyond which it is sent before the tick ends.
    static let queueLimit = 65_536
    /// Pieces of the queue beyond which it is sent before the tick ends: each takes room of its own, however small.
    static let pieceLimit = 256

    /// Frames below so many bytes are put together when they go through the channel.
    static let shortWrite = 4_096

    /// The socket; nil for a connection with TLS, or one whose channel has none.
    let descriptor: CInt?
    /// Frames of this tick.
    var queue: [ByteBuffer] = []
    var queuedBytes = 0
    /// Hand-overs that the channel's own writer has not finished; counted where there is another way.
    var unfinishedWrites = 0
    var isFlushPending = false
    /// The number of the shared batch from which it was taken apart.
    var apartFrom: UInt64 = 0

    /// Whether the queue is to be sent before the tick ends.
    var isFull: Bool { queuedBytes > Self.queueLimit || queue.count > Self.pieceLimit }

    /// Whether frames go to the socket itself now.
    var isDirect: Bool { descriptor != nil && unfinishedWrites == 0 }

    /// Takes away what the socket has taken.
    mutating func drop(_ count: Int) {
        queuedBytes -= count
        var (count, whole) = (count, 0)
        while whole < queue.count, queue[whole].readableBytes <= count {
            count -= queue[whole].readableBytes
            whole += 1
        }
        // Emptied, it gives back its memory: an idle connection keeps none.
        if whole == queue.count { queue = [] } else { queue.removeFirst(whole) }
        if count > 0 { queue[0].moveReaderIndex(forwardBy: count) }
    }

    mutating func takeAll() -> [ByteBuffer] {
        defer { queue = [] }
        queuedBytes = 0
        return queue
    }
}
