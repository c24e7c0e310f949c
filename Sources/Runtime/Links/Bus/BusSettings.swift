import Model

/// The bounds and times of a bus; each default is what the design measured.
package struct BusSettings: Sendable {
    /// `NN_RCVMAXSIZE`: the largest sealed frame received, in bytes; a larger one ends its connection. Default 2 MiB.
    package var receiveLimit = 2 * 1024 * 1024
    /// `NN_SNDBUF` and `NN_RCVBUF`, in bytes. Default 1 MiB.
    package var socketBuffer = 1024 * 1024
    /// `NN_RECONNECT_IVL`; the library's growing back-off is off, since it is never reset. Default 100 ms.
    package var reconnectInterval = Duration.milliseconds(100)
    /// The most plaintext that waits for one peer, in bytes; what would pass it is refused. Default 4 MiB.
    package var queueLimit = 4 * 1024 * 1024
    /// The most peers, connected or in session. Default 1,024.
    package var peerLimit = 1024
    /// The first pause between hellos to a peer without a session; it doubles. Default 200 ms.
    package var helloInterval = Duration.milliseconds(200)
    /// The longest pause between hellos. Default 1 s.
    package var helloIntervalLimit = Duration.seconds(1)
    /// How many hellos of one peer are answered at once. Default 8.
    package var answerBurst = 8
    /// How many hellos of one peer are answered each second. Default 10.
    package var answerRate = 10
    /// The most frames that one call of the receiver gets. Default 256.
    package var batchFrames = 256
    /// How long closing waits for peers to take what is queued. Default 1 s.
    package var drainLimit = Duration.seconds(1)

    package init() {}
}

/// Why a bus cannot be opened.
package enum BusError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Other nodes must know the port before they connect.
    case portZero
    /// Messages of this limit do not fit the receive limit once framed and sealed.
    case messageLimit(Int, receiveLimit: Int)
    /// The library refused the address.
    case listen(Endpoint, reason: String)
    /// The library refused a socket.
    case socket(reason: String)

    package var description: String {
        switch self {
        case .portZero: "the bus needs a port of its own, not 0"
        case .messageLimit(let limit, let receiveLimit):
            "messages of \(limit) bytes do not fit bus frames of \(receiveLimit) bytes"
        case .listen(let endpoint, let reason): "the bus cannot listen on \(endpoint): \(reason)"
        case .socket(let reason): "the bus cannot open a socket: \(reason)"
        }
    }
}

/// What the bus tells its owner.
package enum BusEvent: Sendable, Equatable {
    /// There is a session with this run of a node, in which both speak this version; its predecessor's frames are gone.
    case opened(NodeID, peerBoot: Boot, version: UInt8)
    /// A verified frame of the session.
    case frame(NodeID, boot: Boot, [UInt8])
    /// The queue, which had refused a frame, is at most half full again.
    case writable(NodeID)
    /// The owner disconnected the node, and nothing more is sent to it.
    case closed(NodeID)
}
