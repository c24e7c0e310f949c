import Glibc
import Model
import Synchronization

/// The thread of a gossip socket: it owns the sessions, seals, opens and answers.
final class GossipLoop {
    /// How many packets are received before commands have their turn.
    private static let turn = 256

    private final class Peer {
        let node: NodeID
        let sealer: FrameSealer
        let opener: FrameOpener
        var address: GossipAddress
        var endpoint: Endpoint
        var unheard: Int

        init(node: NodeID, sealer: FrameSealer, opener: FrameOpener, address: GossipAddress, unheard: Int) {
            self.node = node
            self.sealer = sealer
            self.opener = opener
            self.address = address
            self.unheard = unheard
            endpoint = address.endpoint
        }
    }

    private let core: GossipCore
    private let socket: UDPSocket
    private let resolver: GossipResolver
    private let addresses: GossipAddressBook
    private let helloSealer: HelloSealer
    private let helloOpener: HelloOpener
    private var sessions: LinkSessions
    private var peers: [Boot: Peer] = [:]
    private var budget: TokenBucket
    /// Above every counter that a sealer of this socket has used: an evicted session's keys may come back.
    private var freshCounter: UInt64 = 1
    private var counters = LinkCounters()
    private var events: [GossipEvent] = []
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    init(core: GossipCore, socket: UDPSocket) {
        self.core = core
        self.socket = socket
        let resolver = GossipResolver(family: socket.family) { [weak core] endpoint, address in
            core?.post(.resolved(endpoint, address), bytes: 0)
        }
        self.resolver = resolver
        addresses = GossipAddressBook(family: socket.family, settings: core.settings, resolver: resolver)
        helloSealer = HelloSealer(identity: core.identity, channel: .gossip, keys: core.keys, random: core.random)
        helloOpener = HelloOpener(identity: core.identity, channel: .gossip, keys: core.keys)
        // The receive limit is the bus's to assert; here every message limit that the bus could take passes.
        sessions = LinkSessions(
            identity: core.identity, bound: core.settings.peerLimit, frameLimit: .max, runsPerNode: 2)
        budget = TokenBucket(
            burst: core.settings.answerBurst, perSecond: core.settings.answerRate, at: LinkClock.now())
    }

    /// Receives and sends until the socket closes.
    func run() {
        var descriptors = [core.wakeup.descriptor, socket.descriptor]
            .map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while let commands = core.takeCommands() {
            let now = LinkClock.now()
            for command in commands { obey(command, at: now) }
            for _ in 0..<Self.turn {
                guard let (count, source) = buffer.withUnsafeMutableBytes({ socket.receive(into: $0) }) else { break }
                receive(count, from: source, at: now)
            }
            report()
            poll(&descriptors, nfds_t(descriptors.count), -1)
            if descriptors[0].revents != 0 { core.wakeup.clear() }
        }
        resolver.close()
        socket.close()
    }

    private func obey(_ command: GossipCore.Command, at now: MonotonicTime) {
        switch command {
        case .greet(let endpoint):
            guard let address = addresses.address(of: endpoint, at: now) else {
                return addresses.greetWhenKnown(endpoint)
            }
            say(sessions.hello(to: nil, firstCounter: freshCounter), to: address)
        case .packet(let packet, let end, let endpoint): send(packet, to: end, at: endpoint, now: now)
        case .resolved(let endpoint, let address):
            guard addresses.take(endpoint, address: address, at: now), let address else { return }
            say(sessions.hello(to: nil, firstCounter: freshCounter), to: address)
        }
    }

    private func send(_ packet: [UInt8], to end: LinkEnd, at endpoint: Endpoint, now: MonotonicTime) {
        let peer = peers[end.boot].flatMap { $0.node == end.node ? $0 : nil }
        guard let address = addresses.address(of: endpoint, at: now) ?? peer?.address else {
            return counters.drop(.unreachable)
        }
        guard let peer else {
            say(sessions.hello(to: nil, firstCounter: freshCounter), to: address)
            return counters.drop(.noSession)
        }
        // A peer that is silent may have lost the session, or never opened it: the hello's third step may be lost.
        if peer.unheard >= core.settings.unheardLimit {
            say(sessions.hello(to: end, firstCounter: peer.sealer.nextCounter), to: address)
        } else {
            peer.unheard += 1
        }
        let sealed = [UInt8](unsafeUninitializedCapacity: packet.count + SealedHeader.dataOverhead) {
            output, initialized in
            let length = packet.count + SealedHeader.dataOverhead
            let destination = UnsafeMutableRawBufferPointer(start: output.baseAddress, count: length)
            packet.withUnsafeBytes { peer.sealer.seal($0, into: destination) }
            initialized = length
        }
        guard sealed.withUnsafeBytes({ socket.send($0, to: address) }) else { return counters.drop(.unreachable) }
        counters.sent += 1
        counters.bytesSent += UInt64(packet.count)
    }

    private func say(_ hello: LinkHello, to address: GossipAddress) {
        let sealed = helloSealer.seal(hello)
        guard sealed.withUnsafeBytes({ socket.send($0, to: address) }) else { return counters.drop(.unreachable) }
        counters.hellosSent += 1
    }

    private func receive(_ count: Int, from source: GossipAddress, at now: MonotonicTime) {
        buffer.withUnsafeBytes { whole in
            let bytes = UnsafeRawBufferPointer(rebasing: whole[..<count])
            switch SealedHeader.read(bytes) {
            case .failure(let reason): counters.drop(reason)
            case .success(let header) where header.boot == core.identity.boot: counters.drop(.reflected)
            case .success(let header) where header.kind == .hello: receiveHello(bytes, header, from: source, at: now)
            case .success(let header): receivePacket(bytes, header, from: source)
            }
        }
    }

    private func receiveHello(
        _ bytes: UnsafeRawBufferPointer, _ header: SealedHeader, from source: GossipAddress, at now: MonotonicTime
    ) {
        switch helloOpener.open(bytes, header: header) {
        case .failure(let reason): counters.drop(reason)
        case .success(let hello):
            let outcome = sessions.receive(hello)
            if let reason = outcome.dropped { counters.drop(reason) }
            if let peer = outcome.ended { end(peer) }
            if outcome.opened { begin(hello, from: source) }
            if outcome.confirmed { confirm(hello, at: now) }
            if outcome.answer { answer(hello, to: source, at: now) }
        }
    }

    private func answer(_ hello: LinkHello, to source: GossipAddress, at now: MonotonicTime) {
        guard budget.take(at: now) else { return counters.drop(.answerLimited) }
        let first = peers[hello.sender.boot]?.sealer.nextCounter ?? freshCounter
        say(sessions.answer(to: hello, firstCounter: first), to: source)
    }

    private func receivePacket(_ bytes: UnsafeRawBufferPointer, _ header: SealedHeader, from source: GossipAddress) {
        guard let peer = peers[header.boot] else { return counters.drop(.staleBoot) }
        switch peer.opener.open(bytes, header: header) {
        case .failure(let reason): counters.drop(reason)
        case .success(let packet):
            peer.unheard = 0
            if peer.address != source {
                peer.address = source
                peer.endpoint = source.endpoint
            }
            sessions.heard(LinkEnd(node: peer.node, boot: header.boot))
            counters.received += 1
            counters.bytesReceived += UInt64(packet.count)
            events.append(.packet(peer.node, boot: header.boot, at: peer.endpoint, packet))
        }
    }

    private func begin(_ hello: LinkHello, from source: GossipAddress) {
        let end = hello.sender
        let peer = Peer(
            node: end.node,
            sealer: FrameSealer(
                identity: core.identity, peer: end, channel: .gossip, keys: core.keys, firstCounter: freshCounter),
            opener: FrameOpener(
                identity: core.identity, peer: end, channel: .gossip, keys: core.keys,
                firstCounter: hello.firstCounter),
            address: source, unheard: core.settings.unheardLimit)
        peers[end.boot] = peer
        events.append(.met(end.node, boot: end.boot, at: peer.endpoint))
    }

    /// Says again that there is a session: membership may have taken its node for dead while it could not be reached, and
    /// then waits for just this. A recorded hello can bring it about too, so that it counts as an answer does.
    private func confirm(_ hello: LinkHello, at now: MonotonicTime) {
        guard let peer = peers[hello.sender.boot] else { return }
        guard budget.take(at: now) else { return counters.drop(.answerLimited) }
        events.append(.met(hello.sender.node, boot: hello.sender.boot, at: peer.endpoint))
    }

    private func end(_ end: LinkEnd) {
        guard let peer = peers.removeValue(forKey: end.boot) else { return }
        freshCounter = max(freshCounter, peer.sealer.nextCounter)
    }

    private func report() {
        let counted = counters
        core.state.withLock { $0.counters.add(counted) }
        counters = LinkCounters()
        guard !events.isEmpty else { return }
        let batch = events
        events = []
        core.receiver(batch)
    }
}
