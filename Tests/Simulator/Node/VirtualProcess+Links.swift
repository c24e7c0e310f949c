import Clustering
import Model

extension VirtualProcess {
    /// Says hello to every peer that the bus is to be connected with and has no session with, again and again.
    func sayHello() {
        for peer in links.targets.sorted() where links.bus[peer] == nil {
            world.transmit(.hello(echo: nil), .bus, from: node.index, boot: boot, to: peer)
        }
        after(VirtualLinks.helloInterval) { [unowned self] in sayHello() }
    }

    /// Takes a packet off the network.
    func receive(_ packet: VirtualLinks.Packet, _ channel: VirtualNetwork.Channel, from peer: Int, boot peerBoot: Boot)
    {
        switch (packet, channel) {
        case (.hello(let echo), .bus): takeBusHello(echo, from: peer, boot: peerBoot)
        case (.hello(let echo), .gossip): takeGossipHello(echo, from: peer, boot: peerBoot)
        case (.sealed(let bytes, let target), .bus):
            guard target == boot else { return }
            guard links.bus[peer] == peerBoot else { return greet(peer, .bus) }
            post(.frame(spoilt(bytes), from: id(of: peer), boot: peerBoot))
        case (.sealed(let bytes, let target), .gossip):
            guard target == boot else { return }
            guard links.gossip[peer] == peerBoot else { return greet(peer, .gossip) }
            post(.packet(bytes, from: id(of: peer), at: VirtualLinks.endpoint(of: peer)))
        }
    }

    /// The frame, without its records where this process is flawed.
    private func spoilt(_ bytes: [UInt8]) -> [UInt8] {
        if node.settings.flaw == .skipsFrame { return skipped(bytes) }
        guard let flaw = node.settings.flaw, flaw == .dropsRecordsOfFrames || flaw == .dropsMemoryRecordsOfFrames,
            world.randomChance(flaw == .dropsRecordsOfFrames ? 0.02 : 0.1)
        else { return bytes }
        do {
            var frame = try LaneFrame.decode(bytes)
            frame.items.removeAll { item in
                guard case .record(let record) = item else { return false }
                return flaw == .dropsRecordsOfFrames || record.position == 0 && record.message != nil
            }
            return frame.encode()
        } catch {
            return bytes
        }
    }

    /// One frame in a hundred with records in it without anything, so that it is acknowledged and not taken in; the
    /// others as they are.
    private func skipped(_ bytes: [UInt8]) -> [UInt8] {
        guard !node.hasSkippedFrame, world.randomChance(0.01) else { return bytes }
        do {
            var frame = try LaneFrame.decode(bytes)
            let hasRecords = frame.items.contains { item in
                if case .record = item { true } else { false }
            }
            guard hasRecords else { return bytes }
            node.hasSkippedFrame = true
            world.note("skips a frame", node: node.index, frame.sequence)
            frame.items = []
            return frame.encode()
        } catch {
            return bytes
        }
    }

    /// Sends a gossip packet, or says hello where there is no session with that process.
    func sendGossip(_ packet: [UInt8], to peer: NodeID, boot peerBoot: Boot) {
        let index = Self.index(of: peer)
        guard links.gossip[index] == peerBoot else { return greet(index, .gossip) }
        world.transmit(.sealed(packet, to: peerBoot), .gossip, from: node.index, boot: boot, to: index)
    }

    private func greet(_ peer: Int, _ channel: VirtualNetwork.Channel) {
        world.transmit(.hello(echo: nil), channel, from: node.index, boot: boot, to: peer)
    }

    private func takeBusHello(_ echo: Boot?, from peer: Int, boot peerBoot: Boot) {
        let isNew = links.bus[peer] != peerBoot
        if echo != boot || isNew {
            world.transmit(.hello(echo: peerBoot), .bus, from: node.index, boot: boot, to: peer)
        }
        guard echo == boot, isNew else { return }
        links.bus[peer] = peerBoot
        world.note("bus opened", node: node.index, UInt64(peer))
        post(.opened(id(of: peer), boot: peerBoot, version: LaneFrame.formatVersion))
    }

    private func takeGossipHello(_ echo: Boot?, from peer: Int, boot peerBoot: Boot) {
        let isNew = links.gossip[peer] != peerBoot
        if echo != boot || isNew {
            world.transmit(.hello(echo: peerBoot), .gossip, from: node.index, boot: boot, to: peer)
        }
        guard echo == boot else { return }
        links.gossip[peer] = peerBoot
        post(.met(id(of: peer), boot: peerBoot, at: VirtualLinks.endpoint(of: peer)))
    }

    private func id(of index: Int) -> NodeID { NodeID(rawValue: UInt64(index + 1)) }
}
