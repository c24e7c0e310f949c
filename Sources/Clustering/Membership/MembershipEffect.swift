import Model

/// What the owner of a ``Membership`` must do or know, in order.
package enum MembershipEffect: Equatable, Sendable {
    /// Send the packet, sealed, to this process of the node. Packets may be lost, doubled or reordered, never forged.
    /// Without a session with that boot, say hello to the endpoint; the packet may then be dropped.
    case send([UInt8], to: NodeID, boot: Boot, at: Endpoint)
    /// Say hello once to whoever is at the endpoint. When it is answered, call
    /// ``Membership/greeted(_:boot:at:at:into:)``, even when there had been a session with it before.
    case greet(Endpoint)
    /// A member was met (`from` is nil), or its state or its process changed.
    case changed(Member, from: MemberState?)
    /// A peer's digest, as it gave it to ``Membership/digest``.
    case digest([UInt8], from: NodeID)
    /// Another process owns this node's id: this one must exit. Nothing more is done after it. The next run of the node
    /// must start with an epoch above that of the other process.
    case conflict(NodeID, with: Run)
    /// This node is a member no more, for good: it must stop, and come back as another node. Nothing more is done after it.
    case removed
    /// A packet of a keyed peer could not be read and changed nothing.
    case malformed(FormatError, from: NodeID)
}

/// What membership has counted since it began.
package struct MembershipCounters: Equatable, Sendable {
    /// Packets handed out to be sent.
    package internal(set) var packetsSent: UInt64 = 0
    /// Their bytes, before sealing.
    package internal(set) var bytesSent: UInt64 = 0
    /// Packets taken in, malformed ones included.
    package internal(set) var packetsReceived: UInt64 = 0
    /// Packets that could not be read.
    package internal(set) var packetsMalformed: UInt64 = 0
    /// Probes begun.
    package internal(set) var probes: UInt64 = 0
    /// Probes that nobody answered in time.
    package internal(set) var probesFailed: UInt64 = 0
    /// Suspicions begun here, on evidence of this node or of others.
    package internal(set) var suspicions: UInt64 = 0
    /// Suspicions that ran out here, so that this node declared a death.
    package internal(set) var deathsDeclared: UInt64 = 0
    /// Times this node contradicted what was said of it.
    package internal(set) var refutations: UInt64 = 0
    /// Times a process claimed the id of one that was held to be alive.
    package internal(set) var challenges: UInt64 = 0
    /// Processes told that their node id is taken.
    package internal(set) var processesRefused: UInt64 = 0
    /// Wake-ups so late that the timers were moved instead of running out.
    package internal(set) var stalls: UInt64 = 0
    /// Members not taken up because the list was full.
    package internal(set) var membersRefused: UInt64 = 0
}
