import Model

extension Membership {
    /// Sends one packet, filled up with news; a recipient of whom something bad is believed is told that first.
    ///
    /// Lifeguard §4.3, buddy system: whoever is suspected learns of it in the very ping that doubts it.
    mutating func send(
        _ body: GossipPacket.Body, to node: NodeID, boot: Boot, at endpoint: Endpoint,
        into effects: inout [MembershipEffect]
    ) {
        var writer = GossipPacketWriter(from: sender, body, digest: digest)
        if let recipient = others[node], recipient.boot == boot, recipient.state != .alive {
            _ = writer.append(update(of: recipient))
        }
        let limit = GossipQueue.retransmitLimit(multiplier: settings.retransmitMultiplier, members: livingCount)
        for candidate in queue.order {
            guard let record = member(candidate), writer.append(update(of: record)) else { break }
            queue.recordTransmission(of: candidate, limit: limit)
        }
        emit(writer, to: node, boot: boot, at: endpoint, into: &effects)
    }

    /// Sends one packet to a member that is known.
    mutating func send(_ body: GossipPacket.Body, to member: Member, into effects: inout [MembershipEffect]) {
        send(body, to: member.id, boot: member.boot, at: member.gossip, into: &effects)
    }

    /// Sends the whole list, in as many packets as it takes; each begins with this node's own record.
    mutating func sendList(
        wantsReply: Bool, to node: NodeID, boot: Boot, at endpoint: Endpoint, into effects: inout [MembershipEffect]
    ) {
        var writer = GossipPacketWriter(from: sender, .sync(wantsReply: wantsReply))
        _ = writer.append(MemberUpdate(member: local))
        for member in others.members where !writer.append(update(of: member)) {
            emit(writer, to: node, boot: boot, at: endpoint, into: &effects)
            writer = GossipPacketWriter(from: sender, .sync(wantsReply: false))
            _ = writer.append(MemberUpdate(member: local))
            _ = writer.append(update(of: member))
        }
        emit(writer, to: node, boot: boot, at: endpoint, into: &effects)
    }

    /// Tells a few random members the news, while there is any.
    mutating func gossip(at now: MonotonicTime, into effects: inout [MembershipEffect]) {
        guard gossipAt <= now, !queue.isEmpty else { return }
        gossipAt = now + settings.gossipInterval
        for member in randomLiving(settings.gossipFanOut, except: []) where !queue.isEmpty {
            send(.gossip, to: member, into: &effects)
        }
        // With nobody to tell, what is told later is the whole list.
        if others.livingCount == 0 { queue = GossipQueue() }
    }

    /// Up to `count` random members that are alive or suspect.
    mutating func randomLiving(_ count: Int, except excluded: [NodeID]) -> [Member] {
        var candidates = others.living.filter { !excluded.contains($0.id) }
        var chosen: [Member] = []
        while chosen.count < count, !candidates.isEmpty {
            chosen.append(candidates.remove(at: Int.random(in: 0..<candidates.count, using: &random)))
        }
        return chosen
    }

    /// A number for the next ping.
    mutating func nextSequence() -> UInt32 {
        lastSequence &+= 1
        return lastSequence
    }

    private var sender: GossipPacket.Sender {
        GossipPacket.Sender(run: local.run, incarnation: local.incarnation, state: local.state)
    }

    private func update(of member: Member) -> MemberUpdate {
        guard member.state == .suspect else { return MemberUpdate(member: member) }
        // Every suspect has a suspicion, and that has an accuser.
        return MemberUpdate(member: member, accusers: suspicions.first { $0.node == member.id }?.accusers ?? [])
    }

    private mutating func emit(
        _ writer: GossipPacketWriter, to node: NodeID, boot: Boot, at endpoint: Endpoint,
        into effects: inout [MembershipEffect]
    ) {
        let packet = writer.finish()
        counters.packetsSent += 1
        counters.bytesSent += UInt64(packet.count)
        effects.append(.send(packet, to: node, boot: boot, at: endpoint))
    }
}
