import Model

/// What a node is doing, for those who may `monitor`.
package struct NodeFigures: Equatable, Sendable {
    package let node: String
    /// Percent of one core that the process has used since the reading before; may exceed 100.
    package let cpu: Double
    /// Bytes of memory that are the process's own and resident.
    package let memory: UInt64
    /// Open WebSocket connections.
    package let connections: UInt64
    package let subscriptions: UInt64
    /// Messages that clients sent, since the node started.
    package let messagesIn: UInt64
    /// Messages given to receivers, since the node started.
    package let messagesOut: UInt64
    package let topics: UInt64

    package init(
        node: String, cpu: Double, memory: UInt64, connections: UInt64, subscriptions: UInt64, messagesIn: UInt64,
        messagesOut: UInt64, topics: UInt64
    ) {
        self.node = node
        self.cpu = cpu
        self.memory = memory
        self.connections = connections
        self.subscriptions = subscriptions
        self.messagesIn = messagesIn
        self.messagesOut = messagesOut
        self.topics = topics
    }
}

/// The cluster as one node sees it.
package struct ClusterView: Equatable, Sendable {
    /// The node that was asked.
    package let node: String
    package let cluster: String
    /// One hash over everything that the node holds: equal on nodes that hold the same.
    package let digest: String
    /// Every member ever met, the node itself among them, by name.
    package let members: [Member]

    /// A member, as the node sees it.
    package struct Member: Equatable, Sendable {
        package let id: String
        package let name: String
        /// `alive`, `suspect`, `dead`, `away` or `left`.
        package let state: String
        package let incarnation: UInt64
        /// Where it accepts clients; nil while that is not known.
        package let listen: String?
        /// How many of the node's records it has not yet said that it holds.
        package let lag: UInt64
        /// Whether a lane to it is up.
        package let isConnected: Bool

        package init(
            id: String, name: String, state: String, incarnation: UInt64, listen: String?, lag: UInt64, isConnected: Bool
        ) {
            self.id = id
            self.name = name
            self.state = state
            self.incarnation = incarnation
            self.listen = listen
            self.lag = lag
            self.isConnected = isConnected
        }
    }

    package init(node: String, cluster: String, digest: String, members: [Member]) {
        self.node = node
        self.cluster = cluster
        self.digest = digest
        self.members = members
    }
}

/// What a node tells of itself and of its cluster, from one moment.
package struct StatusReport: Equatable, Sendable {
    package let figures: NodeFigures
    package let cluster: ClusterView

    package init(figures: NodeFigures, cluster: ClusterView) {
        self.figures = figures
        self.cluster = cluster
    }
}
