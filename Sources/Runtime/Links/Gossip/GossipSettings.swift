import Glibc
import Model

/// The bounds of a gossip socket.
package struct GossipSettings: Sendable {
    /// The largest packet, in bytes of plaintext. Default 16 KiB; one that fits no single frame of the network is rare.
    package var packetLimit = 16 * 1024
    /// The most plaintext that waits for the socket's thread, in bytes. Default 1 MiB.
    package var queueLimit = 1024 * 1024
    /// The most sessions; past them the one unheard for longest goes. Default 1,024.
    package var peerLimit = 1024
    /// How many hellos, of anyone, are answered at once. Default 128.
    package var answerBurst = 128
    /// How many hellos, of anyone, are answered each second. Default 200.
    package var answerRate = 200
    /// How many packets may go to a peer without word from it before a hello goes along with each. Default 4.
    package var unheardLimit = 4
    /// How long a name's address holds. Default 30 s.
    package var nameLifetime = Duration.seconds(30)
    /// The most endpoints whose addresses are kept; past them all are forgotten. Default 4,096.
    package var addressLimit = 4096

    package init() {}
}

/// Why a gossip socket cannot be opened.
package enum GossipError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The system refused the address with this error number.
    case listen(Endpoint, code: Int32)

    package var description: String {
        switch self {
        case .listen(let endpoint, let code): "gossip cannot listen on \(endpoint): \(String(cString: strerror(code)))"
        }
    }
}

/// What the gossip socket tells its owner; `at` is the numeric address that it came from.
package enum GossipEvent: Sendable, Equatable {
    /// There is a session with this run of a node; said again when it answers a hello.
    case met(NodeID, boot: Boot, at: Endpoint)
    /// A verified packet of the session.
    case packet(NodeID, boot: Boot, at: Endpoint, [UInt8])
}
