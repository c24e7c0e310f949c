import Model

/// What a node says of itself to its peers.
package struct LinkIdentity: Sendable {
    /// Frames' own envelope above a message: lane headers and a record's fields, in bytes.
    package static let messageEnvelope = 64 * 1024

    /// The node's lasting identity.
    package let node: NodeID
    /// The run of its process.
    package let boot: Boot
    /// The cluster's name, the same on every node.
    package let cluster: String
    /// The largest message that this node takes from a client, in bytes.
    package let messageLimit: Int
    /// Where other nodes reach this one's bus.
    package let advertised: Endpoint
    /// What this node speaks inside sessions.
    package let versions: WireVersions

    package init(
        node: NodeID, boot: Boot, cluster: String, messageLimit: Int, advertised: Endpoint,
        versions: WireVersions = .spoken
    ) {
        precondition(node.rawValue != 0, "a node has an identity")
        precondition(!cluster.isEmpty, "a cluster has a name")
        self.node = node
        self.boot = boot
        self.cluster = cluster
        self.messageLimit = messageLimit
        self.advertised = advertised
        self.versions = versions
    }

    /// The identity and boot as one end of a session.
    package var end: LinkEnd { LinkEnd(node: node, boot: boot) }
}

extension Boot {
    /// A boot from 16 bytes of `random`.
    package static func random(using random: LinkRandom) -> Boot { Boot(high: random(), low: random()) }
}

/// Where randomness comes from: 8 bytes a call. In production the system's generator; in a test a seeded one.
package typealias LinkRandom = @Sendable () -> UInt64

/// The system's cryptographic generator.
package let systemLinkRandom: LinkRandom = {
    var source = SystemRandomNumberGenerator()
    return source.next()
}
