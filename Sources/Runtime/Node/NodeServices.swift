import Broker
import Model

/// What the front needs of the rest of its node. Every call returns at once; answers come later, on any thread.
package protocol NodeServices: Sendable {
    /// Who this node is.
    var identity: NodeIdentity { get }

    /// Makes a loop known to the node; called once for each, on the loop, before it accepts anything.
    func attach(_ port: FrontPort, loop: Int) -> LoopStart

    /// A loop has begun to wait for ``FrontPort/replicated(through:)``, maybe of what is durable already.
    func replicasAreAwaited()

    /// Reads from the log.
    func read(_ read: TopicRead, reply: @escaping @Sendable (Result<TopicPage, Refusal>) -> Void)

    /// Gathers a topic's figures over the node and, for subscribers, the cluster.
    func describe(
        _ topic: TopicDefinition, reply: @escaping @Sendable (Result<TopicDescription, Refusal>) -> Void)

    /// Runs a query; `deliver` is given its chunks, the last of which has an end, or a refusal and then nothing more.
    func query(
        _ task: QueryTask, deliver: @escaping @Sendable (Result<QueryChunk, Refusal>) -> Void
    ) -> any QueryHandle

    /// Announces what a loop's subscribers want of topics in memory; `confirmed` when every reachable member has said
    /// so.
    func announceInterest(
        loop: Int, added: [TopicFilter], removed: [TopicFilter], confirmed: @escaping @Sendable () -> Void)

    /// Announces who came, went, changed, or began or ceased to type on one of the loops; every loop is told of it with
    /// ``FrontPort/presenceChanged(_:)``, in one order.
    func announce(_ changes: [PresenceChange])

    /// Calls `confirmed` when every reachable member has taken all that was announced before.
    func confirmAnnouncements(loop: Int, confirmed: @escaping @Sendable () -> Void)

    /// Tells the event loop of a number, of this node or a peer, something; it takes it with ``FrontPort/take(_:)``, or the
    /// sender is told with ``FrontPort/lost(_:)`` that it could not be carried.
    func carry(_ errand: Errand, to node: NodeID, loop: Int, from sender: Int)

    /// Gathers who is there in a topic on every node, only how many where there are more than `limit`; what was
    /// announced before is in it.
    func presence(
        of topic: TopicName, limit: Int, reply: @escaping @Sendable (Result<PresenceList, Refusal>) -> Void)

    /// Gathers what the node and the cluster are doing.
    func report(reply: @escaping @Sendable (Result<StatusReport, Refusal>) -> Void)

    /// The cluster as this node sees it now.
    func clusterStatus() async -> ClusterStatus

    /// Has this node hand over what it holds and leave the cluster for good; answered when it has, and then the node stops.
    func leave(user: String) async -> Result<RemovedMember, Refusal>

    /// Removes a member that is dead, away or absent, for good, by its id or name.
    ///
    /// - Parameter isForced: also when fewer members than a majority are reachable, which may be a partition's side.
    func forget(_ member: String, isForced: Bool, user: String) async -> Result<RemovedMember, Refusal>
    /// Fixes the present moment for a backup, one at a time.
    func beginBackup() async -> Result<BackupDescription, Refusal>

    /// Reads a part of one of its files.
    func readBackup(_ id: String, file: String, at position: Int, count: Int) async -> Result<[UInt8], Refusal>

    /// Lets go of it; false where none has this id.
    func endBackup(_ id: String) async -> Bool

    /// Every schedule of the cluster that this node knows, in the order of their creation.
    func schedules() -> [Schedule]

    /// Creates a schedule, under an id that nobody has; answered when it is stored.
    func addSchedule(_ schedule: Schedule) async -> Result<Schedule, Refusal>

    /// Removes a schedule for good; answered when that is stored.
    func removeSchedule(_ id: String) async -> Result<Void, Refusal>

    /// Whether the node can do its work: nil, or a sentence that says what fails. A dead peer is no reason.
    func unreadiness() async -> String?

    /// The figures of everything behind the front.
    func metrics() async -> [Metric]
}

/// A query under way, as its client steers it. Calls after its end do nothing.
package protocol QueryHandle: Sendable {
    /// The client has room for one more chunk.
    func resume()

    /// The client has gone, or wants no more: nothing is delivered after this.
    func cancel()
}

/// The names of a node.
package struct NodeIdentity: Sendable, Equatable {
    package let id: NodeID
    package let name: String
    package let cluster: String

    package init(id: NodeID, name: String, cluster: String) {
        self.id = id
        self.name = name
        self.cluster = cluster
    }
}

/// What a loop begins with, all from one moment: its mailbox holds everything after `deliveredThrough`.
package struct LoopStart {
    package let ledger: any Ledger
    package let place: ShardPlace
    package let topics: [TopicDefinition]
    package let heads: [TopicName: Cursor]
    package let deliveredThrough: UInt64

    package init(
        ledger: any Ledger, place: ShardPlace = ShardPlace(), topics: [TopicDefinition] = [], heads: [TopicName: Cursor] = [:],
        deliveredThrough: UInt64 = 0
    ) {
        self.ledger = ledger
        self.place = place
        self.topics = topics
        self.heads = heads
        self.deliveredThrough = deliveredThrough
    }
}

/// A node that was taken out of the cluster.
package struct RemovedMember: Sendable, Equatable {
    package let id: NodeID
    package let name: String
    /// How many members are left.
    package let members: Int

    package init(id: NodeID, name: String, members: Int) {
        self.id = id
        self.name = name
        self.members = members
    }
}
