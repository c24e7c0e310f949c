import Model

/// What a shard needs of the node's one sequencer, by way of its own loop's mailbox.
///
/// The real one stands behind the node's only lock; the simulator's is the same value without it. Every record, of whichever
/// loop or peer, is put into every loop's mailbox in local sequence.
package protocol Ledger: AnyObject {
    /// This run of this node, whose offsets nobody else gives.
    var origin: Origin { get }

    /// Sequences messages; one result for each, in order.
    func publish(_ drafts: [Draft]) -> [Result<Receipt, Refusal>]

    /// Sequences a creation; gives the definition and the local sequence that its ack waits for.
    func createTopic(_ topic: TopicCreation) -> Result<TopicWrite, Refusal>

    /// Sequences new settings of a topic.
    func changeTopic(_ name: TopicName, retention: Retention?, permission: PermissionMask?) -> Result<TopicWrite, Refusal>

    /// Sequences the end of a topic's generation.
    func destroyTopic(_ name: TopicName) -> Result<TopicWrite, Refusal>

    /// The deliveries of the loop's turn are on their way: what was put off for them is done now.
    func endTurn()

    /// Takes everything that waits in this loop's mailbox, in local sequence.
    func take() -> [Sequenced]

    /// Takes the first `count` records that wait in this loop's mailbox, or all where there are fewer.
    ///
    /// - Returns: them, and whether more are left. Who leaves some is not woken for what comes behind them, and has to come
    ///   back by itself.
    func take(atMost count: Int) -> (batch: [Sequenced], hasMore: Bool)

    /// The heads of topics and, from the same moment, everything that waits in this loop's mailbox: a subscriber that is added
    /// after the batch was delivered misses nothing that is not in the heads.
    func heads(of topics: [TopicName]) -> (heads: [Cursor], sequence: UInt64, batch: [Sequenced])
}

extension Ledger {
    /// What holds where nothing is ever left to wait for long.
    package func take(atMost count: Int) -> (batch: [Sequenced], hasMore: Bool) { (take(), false) }

    /// What holds where nothing is put off.
    package func endTurn() {}
}

/// A topic to be created.
package struct TopicCreation: Sendable {
    package let name: TopicName
    package let kind: TopicDefinition.Kind
    package let durability: TopicDefinition.Durability
    package let owner: String
    package let groups: [String]
    package let settings: TopicSettings

    package init(
        name: TopicName, kind: TopicDefinition.Kind, durability: TopicDefinition.Durability, owner: String,
        groups: [String], settings: TopicSettings
    ) {
        self.name = name
        self.kind = kind
        self.durability = durability
        self.owner = owner
        self.groups = groups
        self.settings = settings
    }
}

/// What writing to the registry came to.
package struct TopicWrite: Sendable {
    package let definition: TopicDefinition
    /// The local sequence whose durability makes the write `stored`.
    package let sequence: UInt64

    package init(definition: TopicDefinition, sequence: UInt64) {
        self.definition = definition
        self.sequence = sequence
    }
}
