import Model

/// The cluster as one node sees it: who is a member, and what is replicated between members.
///
/// One of the node's parts; owned by the control thread. It joins ``Membership`` and ``Replication``, which know
/// nothing of each other: a member that comes to life is connected, and one that dies is taken off what lanes wait for.
package struct ControlPlane {
    package private(set) var membership: Membership
    package private(set) var replication: Replication
    private var membershipEffects: [MembershipEffect] = []
    private var replicationEffects: [ReplicationEffect] = []
    /// The local sequence of the last removal of a member that is not synced yet.
    private var unsyncedDeparture: UInt64?
    /// When removals that are synced take effect; at the start, those that the registry knows.
    private var departuresAt: MonotonicTime? = .zero
    /// The version of the set of peers that loops were told.
    private var toldPeers: UInt64?
    /// Whether this node leaves at an operator's word, so that its own removal is no reason to stop at once.
    private var isLeaving = false
    /// Whether a peer has taken up the removal of this node, which it leaves by.
    package private(set) var isReleased = false

    /// How long after the sync of a removal its lane is closed: so long the acknowledgement of it has to arrive.
    private static let farewell: Duration = .milliseconds(250)

    package init(membership: Membership, replication: Replication) {
        self.membership = membership
        self.replication = replication
    }

    /// What happened.
    package enum Input: Sendable {
        /// Join whoever is at these addresses.
        case join([Endpoint])
        /// A hello was answered over gossip.
        case met(NodeID, boot: Boot, at: Endpoint)
        case packet([UInt8], from: NodeID, at: Endpoint)
        /// The bus has a session with a peer's process.
        case opened(NodeID, boot: Boot, version: UInt8)
        case frame([UInt8], from: NodeID, boot: Boot)
        case sequenced([Sequenced])
        case synced(through: UInt64)
        case chunk(JournalChunk, for: ReadPurpose)
        /// What a ring gave for a peer's fetch.
        case ring(RingChunk, for: NodeID, boot: Boot)
        /// The log could not be read; it is asked again.
        case unreadable(ReadPurpose)
        /// The log has lost what may have stood at these positions.
        case wanting([AbsentRun])
        case interested([InterestChange])
        case subscribers([TopicName: UInt64])
        /// Loops' clients came, went or changed, or began or ceased to type.
        case presence([PresenceChange])
        /// A loop wants to know when every reachable member has taken all that was announced before.
        case confirmAnnouncements(loop: Int, id: UInt64)
        /// A loop has something to tell a peer's.
        case errand(ErrandParcel)
        /// A loop has begun, which has to be told which peers there are.
        case tellPeers
        /// Whether the disk takes records.
        case accepting(Bool)
        /// The node stops in an orderly way: it stays a member.
        case stopping
        /// The node is about to leave the cluster for good: what its records will say of it is its own wish.
        case leaving
        /// The node leaves, and tells everybody so.
        case left
        /// It stays after all.
        case staying
        /// Time went on.
        case tick
    }

    /// What is to be done, in this order.
    package enum Effect: Sendable {
        case gossip([UInt8], to: NodeID, boot: Boot, at: Endpoint)
        case greet(Endpoint)
        case connect(NodeID, at: Endpoint)
        case disconnect(NodeID)
        case memberChanged(Member, from: MemberState?)
        /// Another process owns this node's id: this one must exit.
        case conflict(NodeID)
        /// An operator removed this node from the cluster: it must stop, and come back as another node.
        case removed
        case replication(ReplicationEffect)
        /// Tell every loop, and so all clients that are concerned.
        case presence([PresenceEvent])
        /// The runs of other nodes that are alive and whose lane is up are these now: tell every loop.
        case peers([Origin])
        case malformed(FormatError, from: NodeID)
    }

    /// When ``Input/tick`` is due.
    package func nextDeadline(after now: MonotonicTime) -> MonotonicTime {
        min(membership.nextDeadline, replication.nextDeadline(after: now))
    }

    /// Every member, this node among them, in the order of their ids.
    package var members: [Member] { membership.members }

    package mutating func handle(
        _ input: Input, at now: MonotonicTime, ledger: any ReplicaLedger, into effects: inout [Effect]
    ) {
        switch input {
        case .join(let seeds): membership.join(seeds, at: now, into: &membershipEffects)
        case .met(let node, let boot, let endpoint):
            membership.greeted(node, boot: boot, at: endpoint, at: now, into: &membershipEffects)
        case .packet(let packet, let node, let endpoint):
            membership.receive(packet[...], from: node, at: endpoint, at: now, into: &membershipEffects)
        case .opened(let node, let boot, let version):
            replication.opened(node, boot: boot, version: version, at: now, into: &replicationEffects)
        case .frame(let frame, let node, let boot):
            replication.receive(frame, from: node, boot: boot, at: now, ledger: ledger, into: &replicationEffects)
        case .sequenced(let batch):
            replication.sequenced(batch, at: now, into: &replicationEffects)
            if let last = batch.last(where: \.record.isDeparture) { unsyncedDeparture = last.sequence }
        case .synced(let sequence):
            replication.synced(through: sequence, at: now, into: &replicationEffects)
            if let departure = unsyncedDeparture, departure <= sequence {
                unsyncedDeparture = nil
                departuresAt = now + Self.farewell
            }
        case .chunk(let chunk, let purpose):
            replication.chunk(chunk, for: purpose, at: now, ledger: ledger, into: &replicationEffects)
        case .ring(let chunk, let peer, let boot):
            replication.ring(chunk, for: peer, boot: boot, at: now, into: &replicationEffects)
        case .unreadable(let purpose): replication.unreadable(purpose)
        case .wanting(let runs):
            replication.want(runs, at: now, ledger: ledger, into: &replicationEffects)
        case .interested(let changes): replication.interested(changes, at: now, into: &replicationEffects)
        case .subscribers(let counts): replication.counted(subscribers: counts)
        case .presence(let changes): replication.announced(changes, at: now, into: &replicationEffects)
        case .confirmAnnouncements(let loop, let id):
            replication.confirmAnnouncements(loop: loop, id: id, at: now, into: &replicationEffects)
        case .errand(let parcel): replication.carry(parcel, at: now, into: &replicationEffects)
        case .tellPeers: toldPeers = nil
        case .accepting(let isAccepting): replication.isAccepting = isAccepting
        case .stopping: membership.announceAway(at: now, into: &membershipEffects)
        case .leaving: isLeaving = true
        case .left: membership.leave(at: now, into: &membershipEffects)
        case .staying: isLeaving = false
        case .tick:
            takeDepartures(at: now, ledger: ledger)
            membership.advance(to: now, into: &membershipEffects)
            replication.advance(to: now, ledger: ledger, into: &replicationEffects)
        }
        settle(at: now, into: &effects)
        tellPeers(into: &effects)
    }

    /// Lets loops know which peers give out their messages themselves.
    private mutating func tellPeers(into effects: inout [Effect]) {
        guard toldPeers != replication.peersVersion else { return }
        toldPeers = replication.peersVersion
        effects.append(.peers(replication.livingPeers))
    }

    /// Lets both cores know of the members that the registry says were removed.
    private mutating func takeDepartures(at now: MonotonicTime, ledger: any ReplicaLedger) {
        guard let due = departuresAt, due <= now else { return }
        departuresAt = nil
        let registry = ledger.registry
        let others = Set(registry.departed.keys).subtracting([membership.local.id])
        replication.depart(others, at: now, into: &replicationEffects)
        let isOwn = registry.departed[membership.local.id] != nil && !isLeaving
        membership.remove(isOwn ? others.union([membership.local.id]) : others, at: now, into: &membershipEffects)
    }

    /// Turns both cores' effects into the plane's, letting replication know of what membership found.
    private mutating func settle(at now: MonotonicTime, into effects: inout [Effect]) {
        for effect in membershipEffects {
            switch effect {
            case .send(let packet, let node, let boot, let endpoint):
                effects.append(.gossip(packet, to: node, boot: boot, at: endpoint))
            case .greet(let endpoint): effects.append(.greet(endpoint))
            case .changed(let member, let before): changed(member, from: before, at: now, into: &effects)
            case .digest: break
            case .conflict(let node, _): effects.append(.conflict(node))
            case .removed where isLeaving: isReleased = true
            case .removed: effects.append(.removed)
            case .malformed(let error, let node): effects.append(.malformed(error, from: node))
            }
        }
        membershipEffects.removeAll(keepingCapacity: true)
        for effect in replicationEffects {
            guard case .presence(let shifts) = effect else {
                effects.append(.replication(effect))
                continue
            }
            effects.append(
                .presence(
                    shifts.map {
                        PresenceEvent(
                            $0.what, $0.key, $0.entry, node: name(of: $0.node), id: $0.node, count: $0.count)
                    }))
        }
        replicationEffects.removeAll(keepingCapacity: true)
    }

    private func name(of node: NodeID) -> String {
        if node == membership.local.id { return membership.local.name }
        return membership.member(node)?.name ?? node.description
    }

    /// Who is there in a topic, on every node that lives; only how many, where there are more than `limit`.
    package func presence(of topic: TopicName, limit: Int) -> PresenceList {
        let count = replication.memberCount(of: topic)
        guard count <= limit else { return PresenceList(members: [], count: count) }
        let members = replication.members(of: topic).map {
            PresenceList.Member(node: name(of: $0.node), connection: $0.connection, entry: $0.entry)
        }
        return PresenceList(
            members: members.sorted {
                ($0.entry.since.milliseconds, $0.node, $0.connection)
                    < ($1.entry.since.milliseconds, $1.node, $1.connection)
            }, count: count)
    }

    private mutating func changed(
        _ member: Member, from before: MemberState?, at now: MonotonicTime, into effects: inout [Effect]
    ) {
        guard member.id != membership.local.id else { return }
        if member.state == .left {
            effects.append(.disconnect(member.id))
        } else if member.state.isLiving {
            effects.append(.connect(member.id, at: member.bus))
        }
        replication.reachable(member.id, member.state.isLiving, at: now, into: &replicationEffects)
        effects.append(.memberChanged(member, from: before))
    }
}
