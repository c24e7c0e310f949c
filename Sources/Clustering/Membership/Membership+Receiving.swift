import Model

extension Membership {
    /// Takes a packet that the seal has shown to come from `node`, unchanged and for this process.
    package mutating func receive(
        _ packet: ArraySlice<UInt8>, from node: NodeID, at endpoint: Endpoint, at now: MonotonicTime,
        into effects: inout [MembershipEffect]
    ) {
        guard !isRefused else { return }
        allowForStall(at: now)
        counters.packetsReceived += 1
        do {
            take(try GossipPacket(reading: packet), from: node, at: endpoint, now: now, into: &effects)
        } catch {
            counters.packetsMalformed += 1
            effects.append(.malformed(error, from: node))
        }
    }

    private mutating func take(
        _ packet: GossipPacket, from node: NodeID, at endpoint: Endpoint, now: MonotonicTime,
        into effects: inout [MembershipEffect]
    ) {
        let run = packet.sender.run
        if case .refused(let refused, let owner) = packet.body {
            if refused == local.run, owner != local.run { yield(to: owner, into: &effects) }
            return
        }
        if case .removed(let run) = packet.body {
            if run == local.run { becomeRemoved(into: &effects) }
            return
        }
        guard node != local.id else { return meetTwin(run, at: endpoint, into: &effects) }
        // One that leaves at its own wish is heard out.
        if removed.contains(node), packet.sender.state != .left {
            return turnAway(run, of: node, at: endpoint, into: &effects)
        }
        if let known = others[node], known.run != run {
            if run < known.run { return refuse(run, of: known.id, owner: known.run, at: endpoint, into: &effects) }
            if known.state.isLiving {
                if case .ping(let sequence) = packet.body {
                    send(.acknowledgement(sequence), to: node, boot: run.boot, at: endpoint, into: &effects)
                }
                return challenge(known, by: run, at: endpoint, now: now, into: &effects)
            }
        }
        mergeNews(of: packet, from: node, now: now, into: &effects)
        guard !isRefused else { return }
        answer(packet, to: node, at: endpoint, now: now, into: &effects)
        if others[node]?.run != run { askForRecord(of: node, after: packet, at: endpoint, into: &effects) }
    }

    private mutating func mergeNews(
        of packet: GossipPacket, from node: NodeID, now: MonotonicTime, into effects: inout [MembershipEffect]
    ) {
        let isList: Bool
        if case .sync = packet.body { isList = true } else { isList = false }
        for update in packet.updates where !isRefused {
            merge(update, from: node, isList: isList, at: now, into: &effects)
        }
        guard !isRefused, let known = others[node], known.run == packet.sender.run else { return }
        hear(packet.sender, from: known, at: now, into: &effects)
        if !packet.digest.isEmpty { effects.append(.digest(packet.digest, from: node)) }
    }

    private mutating func answer(
        _ packet: GossipPacket, to node: NodeID, at endpoint: Endpoint, now: MonotonicTime,
        into effects: inout [MembershipEffect]
    ) {
        let run = packet.sender.run
        switch packet.body {
        case .ping(let sequence):
            send(.acknowledgement(sequence), to: node, boot: run.boot, at: endpoint, into: &effects)
        case .acknowledgement(let sequence):
            acknowledgeProbe(sequence, from: node, run: run)
            acknowledgeRelay(sequence, from: node, into: &effects)
            answerChallenge(sequence, from: node, run: run, into: &effects)
        case .nack(let sequence):
            noteNack(sequence, from: node)
        case .pingRequest(let sequence, let target, let boot):
            relay(
                sequence, target: target, boot: boot, for: node, requesterBoot: run.boot, at: endpoint, now: now,
                into: &effects)
        case .sync(let wantsReply):
            if wantsReply { sendList(wantsReply: false, to: node, boot: run.boot, at: endpoint, into: &effects) }
        case .gossip, .refused, .removed:
            break
        }
    }

    /// A list begins with its sender's record: if that was not taken up, asking again would not help.
    private mutating func askForRecord(
        of node: NodeID, after packet: GossipPacket, at endpoint: Endpoint, into effects: inout [MembershipEffect]
    ) {
        if case .sync = packet.body { return }
        sendList(wantsReply: true, to: node, boot: packet.sender.run.boot, at: endpoint, into: &effects)
    }
}
