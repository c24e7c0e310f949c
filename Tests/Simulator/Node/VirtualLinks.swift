import Clustering
import Model

/// What the sealed links of one process come to: which process of each peer it has a session with, by channel.
struct VirtualLinks {
    /// What crosses the network.
    enum Packet {
        /// The sender's boot, and the boot of the receiver that it has heard of.
        case hello(echo: Boot?)
        /// Sealed for one process.
        case sealed([UInt8], to: Boot)
    }

    /// Sessions of the bus, by the index of the peer.
    var bus: [Int: Boot] = [:]
    /// Sessions of gossip.
    var gossip: [Int: Boot] = [:]
    /// Peers that the bus is to be connected with.
    var targets: Set<Int> = []

    /// How often a bus without a session says hello.
    static let helloInterval: Duration = .milliseconds(100)

    /// The address at which a node listens for both.
    static func endpoint(of index: Int) -> Endpoint { Endpoint(host: "10.0.0.\(index + 1)", port: 7336) }

    /// Which node listens at an address.
    static func index(at endpoint: Endpoint) -> Int? {
        endpoint.host.split(separator: ".").last.flatMap { Int($0) }.map { $0 - 1 }
    }
}
