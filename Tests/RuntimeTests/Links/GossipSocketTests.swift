import Glibc
import Model
import Runtime
import Testing

/// A gossip socket of its own identity with what it was told.
private struct TestGossip {
    let identity: LinkIdentity
    let events = LinkRecorder<GossipEvent>()
    let socket: GossipSocket

    init(
        _ node: UInt64, boot: UInt64? = nil, keys: ClusterKeyRing = LinkSample.keys, cluster: String = "flock",
        at endpoint: Endpoint = Endpoint(host: "127.0.0.1", port: 0), change: (inout GossipSettings) -> Void = { _ in }
    ) throws {
        var settings = GossipSettings()
        change(&settings)
        let recorder = events
        identity = LinkSample.identity(node, boot: boot, cluster: cluster)
        socket = try GossipSocket(identity: identity, keys: keys, listen: endpoint, settings: settings) {
            recorder.receive($0)
        }
    }

    var node: NodeID { identity.node }
    var endpoint: Endpoint { socket.localEndpoint }

    func awaitMet(_ other: TestGossip) throws {
        try events.await("a session with \(other.node)") { events in
            events.contains(.met(other.node, boot: other.identity.boot, at: other.endpoint)) ? () : nil
        }
    }

    func packets(from node: NodeID) -> [[UInt8]] {
        events.all.compactMap { event in
            if case .packet(node, _, _, let packet) = event { packet } else { nil }
        }
    }

    /// Waits for a packet of these bytes.
    func awaitPacket(_ packet: [UInt8], from other: TestGossip) throws {
        let expected = GossipEvent.packet(other.node, boot: other.identity.boot, at: other.endpoint, packet)
        try events.await("a packet from \(other.node)") { $0.contains(expected) ? () : nil }
    }

    func awaitDrops(_ reason: DropReason, atLeast count: UInt64 = 1) throws {
        try awaitLink("a drop: \(reason)") { socket.counters[reason] >= count ? () : nil }
    }
}

@Suite("A gossip socket", .serialized)
struct GossipSocketTests {
    @Test("meets whom it greets, and carries packets both ways")
    func meeting() throws {
        let (first, second) = try pair()
        defer { close(first, second) }
        first.socket.send([1, 2, 3], to: second.node, boot: second.identity.boot, at: second.endpoint)
        try second.awaitPacket([1, 2, 3], from: first)
        second.socket.send([], to: first.node, boot: first.identity.boot, at: first.endpoint)
        try first.awaitPacket([], from: second)
    }

    @Test("says again that there is a session when it greets, so that who was cut off is found again")
    func meetingAgain() throws {
        let (first, second) = try pair()
        defer { close(first, second) }
        let expected = GossipEvent.met(second.node, boot: second.identity.boot, at: second.endpoint)
        let before = first.events.all.count { $0 == expected }
        first.socket.greet(second.endpoint)
        try first.events.await("the session again") { events in
            events.count { $0 == expected } > before ? () : nil
        }
        first.socket.send([7], to: second.node, boot: second.identity.boot, at: second.endpoint)
        try second.awaitPacket([7], from: first)
    }

    @Test("sends a hello in place of a packet to a node without a session")
    func sendingWithoutSession() throws {
        let first = try TestGossip(1)
        let second = try TestGossip(2)
        defer { close(first, second) }
        first.socket.send([1], to: second.node, boot: second.identity.boot, at: second.endpoint)
        try first.awaitMet(second)
        try second.awaitMet(first)
        #expect(first.socket.counters[.noSession] == 1)
        #expect(second.packets(from: first.node).isEmpty)
    }

    @Test("finds a restarted peer's new session by itself")
    func restart() throws {
        let (first, second) = try pair()
        defer { first.socket.close() }
        let place = second.endpoint
        first.socket.send([1], to: second.node, boot: second.identity.boot, at: place)
        try second.awaitPacket([1], from: first)
        second.socket.close()
        let restarted = try TestGossip(2, boot: 222, at: place)
        defer { restarted.socket.close() }
        // Without a session with the new run a hello goes in a packet's place.
        try awaitLink("the new run") {
            first.socket.send([2], to: second.node, boot: restarted.identity.boot, at: place)
            return restarted.packets(from: first.node).contains([2]) ? () : nil
        }
        try first.awaitMet(restarted)
    }

    @Test("keeps talking to a run while another of the same node comes up, and to a copy of itself")
    func twins() throws {
        let (first, second) = try pair()
        let copy = try TestGossip(2, boot: 222)
        let ownCopy = try TestGossip(1, boot: 111)
        defer { close(first, second, copy, ownCopy) }
        copy.socket.greet(first.endpoint)
        ownCopy.socket.greet(first.endpoint)
        try first.awaitMet(copy)
        try first.awaitMet(ownCopy)
        first.socket.send([1], to: second.node, boot: second.identity.boot, at: second.endpoint)
        first.socket.send([2], to: copy.node, boot: copy.identity.boot, at: copy.endpoint)
        first.socket.send([3], to: ownCopy.node, boot: ownCopy.identity.boot, at: ownCopy.endpoint)
        try second.awaitPacket([1], from: first)
        try copy.awaitPacket([2], from: first)
        try ownCopy.awaitPacket([3], from: first)
    }

    @Test("drops, counts and is not changed by what a peer did not seal")
    func forgeries() throws {
        let (first, second) = try pair()
        defer { close(first, second) }
        let raw = try RawUDP(to: first.endpoint)
        let peer = TestPeer(second.identity, channel: .gossip)
        let packet = peer.frame("packet", to: first.identity, counter: 2000)
        let otherKey = TestPeer(second.identity, keys: LinkSample.ring(9), channel: .gossip)
        let forgeries: [(DropReason, [UInt8])] = [
            (.forged, flipping(packet, bit: 40 * 8)), (.truncated, Array(packet[..<20])), (.truncated, []),
            (.unknownVersion, flipping(packet, bit: 1)),
            (.unknownKey, otherKey.frame("x", to: first.identity, counter: 9)), (.unknownKey, otherKey.hello()),
            (.wrongCluster, TestPeer(LinkSample.identity(2, cluster: "herd"), channel: .gossip).hello()),
            (.wrongCluster, TestPeer(second.identity, channel: .bus).hello()),
            (.forged, TestPeer(second.identity, channel: .bus).frame("x", to: first.identity, counter: 2000)),
            (.reflected, TestPeer(first.identity, channel: .gossip).hello()),
            (.staleBoot, TestPeer(LinkSample.identity(3), channel: .gossip).frame("x", to: first.identity, counter: 1)),
        ]
        for (reason, forgery) in forgeries {
            let before = first.socket.counters[reason]
            raw.send(forgery)
            try first.awaitDrops(reason, atLeast: before + 1)
            #expect(first.socket.counters.lastReason == reason)
        }
        #expect(first.packets(from: second.node).isEmpty)
        raw.send(packet)
        try first.events.await("the real packet") { _ in
            first.packets(from: second.node) == [Array("packet".utf8)] ? () : nil
        }
        // Late ones within the window come; repeated ones, and those behind it, do not.
        raw.send(peer.frame("late", to: first.identity, counter: 2000 - 1023))
        try first.events.await("a late packet") { _ in first.packets(from: second.node).count == 2 ? () : nil }
        for counter in [2000, 2000 - 1023, 2000 - 1024] as [UInt64] {
            let before = first.socket.counters[.replayed]
            raw.send(peer.frame("again", to: first.identity, counter: counter))
            try first.awaitDrops(.replayed, atLeast: before + 1)
        }
        #expect(first.packets(from: second.node).count == 2)
    }

    @Test("opens no session on a recorded hello, and answers with no more bytes and no more often than it may")
    func helloReplay() throws {
        let first = try TestGossip(1) {
            $0.answerBurst = 5
            $0.answerRate = 1
        }
        defer { first.socket.close() }
        let raw = try RawUDP(to: first.endpoint)
        let peer = TestPeer(LinkSample.identity(2), channel: .gossip)
        let hello = peer.hello()
        let stale = peer.hello(echo: .init(boot: Boot(high: 1, low: 2), ticket: 1), hasSession: true)
        raw.send(hello)
        let answer = try raw.receive()
        #expect(answer.count <= hello.count)
        let ticket = try peer.open(answer).ticket
        for _ in 0..<20 {
            raw.send(hello)
            raw.send(stale)
        }
        try first.awaitDrops(.staleEcho, atLeast: 20)
        try first.awaitDrops(.answerLimited, atLeast: 20)
        #expect(first.events.all.isEmpty)
        raw.send(peer.hello(echo: .init(boot: first.identity.boot, ticket: ticket)))
        try first.events.await("met") { events in events.isEmpty ? nil : () }
    }

    @Test("works over IPv6, and reaches IPv4 from it", arguments: ["::1", "127.0.0.1"])
    func ipv6(host: String) throws {
        let first = try TestGossip(1, at: Endpoint(host: "::", port: 0))
        let second = try TestGossip(2, at: Endpoint(host: host, port: 0))
        defer { close(first, second) }
        first.socket.greet(second.endpoint)
        try first.awaitMet(second)
        first.socket.send([6], to: second.node, boot: second.identity.boot, at: second.endpoint)
        let expected = Endpoint(host: host, port: first.endpoint.port)
        try second.events.await("a packet") { events in
            events.contains(.packet(first.node, boot: first.identity.boot, at: expected, [6])) ? () : nil
        }
    }

    @Test("looks names up, and lives through one that is not there")
    func names() throws {
        let first = try TestGossip(1)
        let second = try TestGossip(2)
        defer { close(first, second) }
        first.socket.greet(Endpoint(host: "no such host", port: 7))
        first.socket.greet(Endpoint(host: "localhost", port: second.endpoint.port))
        try first.awaitMet(second)
    }

    @Test("forgets the one unheard for longest past its bound, and can meet it again")
    func bound() throws {
        let hub = try TestGossip(1) { $0.peerLimit = 2 }
        let peers = try [2, 3, 4].map { try TestGossip($0) }
        defer {
            hub.socket.close()
            for peer in peers { peer.socket.close() }
        }
        for peer in peers {
            peer.socket.greet(hub.endpoint)
            try hub.awaitMet(peer)
        }
        // The first was evicted; packets to it bring it back, under the same keys with counters not used before.
        try awaitLink("a packet to the evicted") {
            hub.socket.send([5], to: peers[0].node, boot: peers[0].identity.boot, at: peers[0].endpoint)
            return peers[0].packets(from: hub.node).contains([5]) ? () : nil
        }
        #expect(peers[0].socket.counters[.replayed] == 0)
    }

    @Test("refuses an address in use and packets past the limit")
    func refusals() throws {
        let first = try TestGossip(1)
        defer { first.socket.close() }
        #expect(throws: GossipError.listen(first.endpoint, code: EADDRINUSE)) { try TestGossip(2, at: first.endpoint) }
        first.socket.send([UInt8](repeating: 0, count: 20_000), to: NodeID(rawValue: 9), boot: first.identity.boot, at: first.endpoint)
        #expect(first.socket.counters[.oversized] == 1)
        first.socket.close()
        first.socket.send([1], to: NodeID(rawValue: 9), boot: first.identity.boot, at: first.endpoint)
    }

    private func pair() throws -> (TestGossip, TestGossip) {
        let first = try TestGossip(1)
        let second = try TestGossip(2)
        first.socket.greet(second.endpoint)
        try first.awaitMet(second)
        try second.awaitMet(first)
        return (first, second)
    }

    private func close(_ sockets: TestGossip...) {
        for socket in sockets { socket.socket.close() }
    }
}

/// A plain UDP socket that sends whatever a test makes up.
private final class RawUDP {
    private let descriptor: Int32

    init(to endpoint: Endpoint) throws {
        descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = endpoint.port.bigEndian
        address.sin_addr.s_addr = inet_addr(endpoint.host)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(status == 0)
    }

    deinit { close(descriptor) }

    func send(_ packet: [UInt8]) {
        precondition(Glibc.send(descriptor, packet, packet.count, 0) == packet.count, "a packet is sent")
    }

    func receive() throws -> [UInt8] {
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        try #require(poll(&polled, 1, 20_000) == 1, "a packet within 20 s")
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return Array(buffer[..<max(0, count)])
    }
}
