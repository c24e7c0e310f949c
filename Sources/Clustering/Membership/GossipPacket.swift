import Model

/// One packet of membership's own protocol, before sealing.
///
///     version u8 · kind u8 · sender: epoch u64, boot 16 bytes, incarnation varint, state u8
///     fields of the kind · digest (ping and acknowledgement: bytes with a varint length)
///     count u8 · that many updates
///
/// At most ``maximumBytes`` long, so that it crosses any network whole with the seal around it.
struct GossipPacket: Equatable, Sendable {
    /// What the sender says of itself; any packet so contradicts what is wrongly believed of it.
    let sender: Sender
    /// What the packet asks or answers.
    let body: Body
    /// The owner's payload, at most ``maximumDigestBytes``; only pings and acknowledgements carry one.
    var digest: [UInt8] = []
    /// News of members.
    var updates: [MemberUpdate] = []

    /// The sender's standing.
    struct Sender: Equatable, Sendable {
        /// The process that sends.
        let run: Run
        /// Its incarnation.
        let incarnation: UInt64
        /// Alive, away or left.
        let state: MemberState
    }

    /// The kinds of packet.
    enum Body: Equatable, Sendable {
        /// Answer with an acknowledgement of this number.
        case ping(UInt32)
        /// Answers a ping, or a request for one, of this number.
        case acknowledgement(UInt32)
        /// The member that a relay was asked to ping has not answered yet.
        case nack(UInt32)
        /// Ping this process of the target for me.
        case pingRequest(UInt32, target: NodeID, boot: Boot)
        /// Only news.
        case gossip
        /// The sender's list, or a part of it; if `wantsReply`, send yours.
        case sync(wantsReply: Bool)
        /// Your process, `refused`, may not have the node id that `owner` has.
        case refused(Run, owner: Run)
        /// The node of your process is a member no more, for good.
        case removed(Run)
    }

    /// The version written, and the only one read.
    static let version: UInt8 = 1
    /// The longest packet, in bytes.
    static let maximumBytes = 1_200
    /// The longest digest, in bytes.
    static let maximumDigestBytes = 520
    /// The highest incarnation; what claims a higher one is malformed.
    static let maximumIncarnation: UInt64 = 1 << 48
}

/// News of one member, as it travels.
struct MemberUpdate: Equatable, Sendable {
    /// The record.
    var member: Member
    /// Who accuses it, if it is suspect; at most ``maximumAccusers``.
    var accusers: [NodeID] = []

    /// The most accusers that are told: more would not shorten a suspicion further.
    static let maximumAccusers = 4
}
