import Broker
import Model

/// The cluster as one node sees it; what `/api/v1/cluster` and `roost cluster` show.
package struct ClusterStatus: Sendable, Equatable {
    package let identity: NodeIdentity
    /// Every member ever met, this node among them, by name.
    package let members: [Member]
    /// What this node holds.
    package let vector: VersionVector
    /// One hash over the whole vector: equal on nodes that hold the same.
    package let digest: UInt64

    /// A member, as this node sees it.
    package struct Member: Sendable, Equatable {
        package let id: NodeID
        package let name: String
        /// `alive`, `suspect`, `dead`, `away` or `left`; `absent` when its process has not been met since this one started.
        package let state: String
        package let incarnation: UInt64
        /// The run of its process; nil while it is not known.
        package let boot: Boot?
        package let gossip: Endpoint?
        package let bus: Endpoint?
        /// Where it accepts clients, plain and with TLS.
        package let listen: Endpoint?
        package let tlsListen: Endpoint?
        /// How many of this node's records it has not yet told us that it holds; 0 for this node.
        package let lag: UInt64
        /// Whether a lane to it is up.
        package let isConnected: Bool
        /// The version of the wire format that is spoken with it; nil without a lane.
        package let wireVersion: UInt8?

        package init(
            id: NodeID, name: String, state: String, incarnation: UInt64, boot: Boot?, gossip: Endpoint?,
            bus: Endpoint?, listen: Endpoint?, tlsListen: Endpoint? = nil, lag: UInt64, isConnected: Bool,
            wireVersion: UInt8? = nil
        ) {
            self.id = id
            self.name = name
            self.state = state
            self.incarnation = incarnation
            self.boot = boot
            self.gossip = gossip
            self.bus = bus
            self.listen = listen
            self.tlsListen = tlsListen
            self.lag = lag
            self.isConnected = isConnected
            self.wireVersion = wireVersion
        }
    }

    package init(identity: NodeIdentity, members: [Member], vector: VersionVector, digest: UInt64) {
        self.identity = identity
        self.members = members
        self.vector = vector
        self.digest = digest
    }
}

extension ClusterView {
    /// What clients of every door are told of a status.
    init(_ status: ClusterStatus) {
        self.init(
            node: status.identity.name, cluster: status.identity.cluster, digest: hexadecimal(status.digest, digits: 16),
            members: status.members.map { member in
                Member(
                    id: member.id.description, name: member.name, state: member.state, incarnation: member.incarnation,
                    listen: member.listen?.description, lag: member.lag, isConnected: member.isConnected)
            })
    }
}
