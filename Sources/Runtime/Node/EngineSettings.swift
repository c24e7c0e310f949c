import Broker
import Clustering
import Journal
import Model

/// What a node's engine is started with; the configuration fills it in.
package struct EngineSettings: Sendable {
    /// The data directory; it must exist.
    package var directory: String
    package var name: String
    package var cluster: String
    package var keys: ClusterKeyRing
    /// Where gossip and bus listen.
    package var gossip: Endpoint
    package var bus: Endpoint
    /// What peers are told: where gossip, bus and the fronts are reached.
    package var advertisedGossip: Endpoint
    package var advertisedBus: Endpoint
    package var advertisedFronts: [Endpoint]
    /// Gossip addresses of other nodes.
    package var join: [Endpoint]
    /// How many event loops the front has.
    package var loops: Int
    /// The largest message that a client may send, in bytes.
    package var messageLimit: Int
    package var replicas: Int
    /// What is spoken with peers; a test may choose less than this build knows.
    package var versions = WireVersions.spoken
    package var log = LogSettings()
    package var logThread = LogThread.Settings()
    package var queries = QuerySettings()
    package var membership = MembershipSettings()
    package var clock: @Sendable () -> Now = systemClock

    package init(
        directory: String, name: String, cluster: String, keys: ClusterKeyRing, gossip: Endpoint, bus: Endpoint,
        advertisedGossip: Endpoint, advertisedBus: Endpoint, advertisedFronts: [Endpoint], join: [Endpoint], loops: Int,
        messageLimit: Int, replicas: Int
    ) {
        self.directory = directory
        self.name = name
        self.cluster = cluster
        self.keys = keys
        self.gossip = gossip
        self.bus = bus
        self.advertisedGossip = advertisedGossip
        self.advertisedBus = advertisedBus
        self.advertisedFronts = advertisedFronts
        self.join = join
        self.loops = loops
        self.messageLimit = messageLimit
        self.replicas = replicas
    }
}
