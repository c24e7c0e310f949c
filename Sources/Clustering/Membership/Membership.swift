import Model

/// Who is in the cluster and who of them answers: SWIM with Lifeguard.
///
/// A pure core. It is told of time, packets and sessions, and appends what must be done to a caller-owned array; wake
/// it by ``advance(to:into:)`` no later than ``nextDeadline``.
///
/// Das, Gupta, Motivala, "SWIM", DSN 2002; Dadgar, Phillips, Currey, "Lifeguard", DSN-W 2018; memberlist's formulas.
package struct Membership: Sendable {
    /// What pings and acknowledgements carry for the owner; at most ``maximumDigestBytes``, empty at first.
    package var digest: [UInt8] = [] {
        didSet { precondition(digest.count <= Self.maximumDigestBytes, "a digest must fit its packet") }
    }
    /// What was counted since the start.
    package internal(set) var counters = MembershipCounters()
    /// This node's own record.
    package internal(set) var local: Member

    /// The longest ``digest``, in bytes.
    package static let maximumDigestBytes = GossipPacket.maximumDigestBytes

    /// The times and bounds it works with.
    let settings: MembershipSettings
    /// Its only source of chance.
    var random: RandomSource
    /// Every other node ever met.
    var others = MemberList()
    /// What must still be told.
    var queue = GossipQueue()
    /// How far this node trusts its own timing.
    var health: LocalHealth
    /// Who may still contradict a death, in order of id.
    var suspicions: [Suspicion] = []
    /// The member being probed.
    var probe: Probe?
    /// Who is probed next, last first.
    var probeOrder: [NodeID] = []
    /// Pings made for others, oldest first.
    var relays: [Relay] = []
    /// Node ids claimed by two processes, at most one entry for each member.
    var challenges: [Challenge] = []
    /// Where others may be found.
    var seeds: [Seed] = []
    /// The number of the last ping.
    var lastSequence: UInt32 = 0
    /// When the next member is probed, if none is being probed.
    var probeAt: MonotonicTime
    /// When news is next sent on its own, if there is any.
    var gossipAt: MonotonicTime
    /// When the list is next exchanged.
    var syncAt: MonotonicTime
    /// When a member that is dead or away is next greeted.
    var reconnectAt: MonotonicTime
    /// Whether another process owns this node's id, or the node was removed, so that nothing more is done.
    var isRefused = false
    /// Nodes that an operator removed, by the registry. Whoever speaks in their name is told so and not listened to.
    var removed: Set<NodeID> = []

    /// Begins alone.
    package init(local: LocalMember, settings: MembershipSettings, random: RandomSource, at now: MonotonicTime) {
        settings.assertSound()
        self.local = local.member
        self.settings = settings
        self.random = random
        health = LocalHealth(maximum: settings.healthMaximum)
        probeAt = now + settings.probeInterval
        gossipAt = now
        syncAt = now + settings.syncInterval
        reconnectAt = now + settings.reconnectInterval
    }

    /// Every member ever met, in order of id, this node included; those that left too, until the list is full.
    package var members: [Member] {
        let index = others.members.firstIndex { local.id < $0.id } ?? others.members.endIndex
        var all = others.members
        all.insert(local, at: index)
        return all
    }

    /// The record of one member; nil when it was never met.
    package func member(_ id: NodeID) -> Member? { id == local.id ? local : others[id] }

    /// How many members are alive or suspect, this node included.
    var livingCount: Int { others.livingCount + 1 }
}
