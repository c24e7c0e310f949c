import Glibc
import Model
import Runtime
import Testing

@Suite("A nanomsg bus", .serialized)
struct NanomsgBusTests {
    @Test("exchanges 10,000 frames each way, in order")
    func order() throws {
        let (first, second) = try pair()
        defer { close(first, second) }
        let count = 10_000
        let frames = (0..<count).map { number in Array("frame \(number)".utf8) }
        for start in stride(from: 0, to: count, by: 100) {
            first.bus.send(frames[start..<start + 100].map { (second.node, $0) })
            second.bus.send(frames[start..<start + 100].map { (first.node, $0) })
        }
        #expect(try second.awaitFrames(count, from: first.node) == frames)
        #expect(try first.awaitFrames(count, from: second.node) == frames)
        try awaitLink("counted") { first.bus.counters.received == UInt64(count) ? () : nil }
        #expect(first.bus.counters.sent == UInt64(count))
    }

    @Test("opens a session again with a restarted peer's new boot, and drops what the old one left")
    func restart() throws {
        let (first, second) = try pair()
        defer { first.bus.close() }
        second.bus.close()
        let restarted = try TestBus(2, boot: 222, at: second.endpoint)
        defer { restarted.bus.close() }
        restarted.connect(to: first)
        try first.awaitOpened(restarted.identity)
        try restarted.awaitOpened(first.identity)
        first.bus.send([(restarted.node, Array("again".utf8))])
        #expect(try restarted.awaitFrames(1, from: first.node) == [Array("again".utf8)])
        // A frame of the run that has ended, sealed for the session that it had.
        let ghost = TestPeer(second.identity, channel: .bus)
        let push = RawPush(to: first.endpoint)
        push.send(ghost.frame("ghost", to: first.identity, counter: 5))
        try first.awaitDrops(.staleBoot)
        #expect(first.frames(from: second.node).isEmpty)
    }

    @Test("goes on within its session after its connection was cycled")
    func cycle() throws {
        let (first, second) = try pair()
        defer { close(first, second) }
        first.bus.send([(second.node, [1])])
        _ = try second.awaitFrames(1, from: first.node)
        first.bus.cycle(second.node)
        first.bus.send([(second.node, [2])])
        #expect(try second.awaitFrames(2, from: first.node) == [[1], [2]])
        let opened = BusEvent.opened(
            first.node, peerBoot: first.identity.boot, version: WireVersions.spoken.highest)
        #expect(second.events.all.count { $0 == opened } == 1)
    }

    @Test("closes a lane when told to, and opens it anew when told to")
    func disconnecting() throws {
        let (first, second) = try pair()
        defer { close(first, second) }
        first.bus.send([(second.node, [1])])
        _ = try second.awaitFrames(1, from: first.node)
        first.bus.disconnect(second.node)
        try first.events.await("closed") { $0.contains(.closed(second.node)) ? () : nil }
        first.bus.send([(second.node, [9])])
        #expect(first.bus.counters[.noSession] == 1)
        first.connect(to: second)
        try first.events.await("a second session") { events in
            let opened = BusEvent.opened(
                second.node, peerBoot: second.identity.boot, version: WireVersions.spoken.highest)
            return events.count { $0 == opened } == 2 ? () : nil
        }
        // The keys are those of before, so the counters must go on where they were.
        first.bus.send([(second.node, [2])])
        second.bus.send([(first.node, [3])])
        #expect(try second.awaitFrames(2, from: first.node) == [[1], [2]])
        #expect(try first.awaitFrames(1, from: second.node) == [[3]])
        #expect(second.bus.counters[.replayed] == 0)
    }

    @Test("drops, counts and is not changed by what a peer did not seal")
    func forgeries() throws {
        let (first, second) = try pair()
        defer { close(first, second) }
        let peer = TestPeer(second.identity, channel: .bus)
        let push = RawPush(to: first.endpoint)
        let frame = peer.frame("forged", to: first.identity, counter: 1_000_000)
        let forgeries: [(DropReason, [UInt8])] = [
            (.forged, flipping(frame, bit: 40 * 8)),
            (.truncated, Array(frame[..<30])),
            (.truncated, []),
            (.unknownVersion, flipping(frame, bit: 1)),
            (
                .unknownKey,
                TestPeer(second.identity, keys: LinkSample.ring(9), channel: .bus).frame(
                    "x", to: first.identity, counter: 9)
            ),
            (.unknownKey, TestPeer(second.identity, keys: LinkSample.ring(9), channel: .bus).hello()),
            (.wrongCluster, TestPeer(LinkSample.identity(2, cluster: "herd"), channel: .bus).hello()),
            (.reflected, TestPeer(first.identity, channel: .bus).frame("mine", to: second.identity, counter: 1)),
            (.reflected, TestPeer(first.identity, channel: .bus).hello()),
            (.staleBoot, TestPeer(LinkSample.identity(3), channel: .bus).frame("who", to: first.identity, counter: 1)),
            (.stranger, TestPeer(LinkSample.identity(3), channel: .bus).hello()),
            (.duplicateIdentity, TestPeer(LinkSample.identity(1, boot: 99), channel: .bus).hello()),
        ]
        for (reason, forgery) in forgeries {
            let before = first.bus.counters[reason]
            push.send(forgery)
            try first.awaitDrops(reason, atLeast: before + 1)
            #expect(first.bus.counters.lastReason == reason)
        }
        #expect(first.frames(from: second.node).isEmpty)
        // The real frame, whose counter no forgery has used up, still comes; then only once.
        push.send(frame)
        #expect(try first.awaitFrames(1, from: second.node) == [Array("forged".utf8)])
        push.send(frame)
        try first.awaitDrops(.replayed)
        #expect(first.frames(from: second.node).count == 1)
        #expect(first.events.all.count { if case .opened = $0 { true } else { false } } == 1)
    }

    @Test("opens no session on a recorded hello, and answers it no more often than its budget")
    func helloReplay() throws {
        let bus = try TestBus(1) { $0.helloIntervalLimit = .milliseconds(50) }
        defer { bus.bus.close() }
        // A peer of which only the hellos exist.
        let peer = TestPeer(LinkSample.identity(2), channel: .bus)
        let place = Endpoint(host: "127.0.0.1", port: LinkPort.take())
        let pull = RawPull(at: place)
        bus.bus.connect(peer.identity.node, at: place)
        let hello = try peer.open(pull.receive())
        #expect(hello.sender == bus.identity.end && hello.echo == nil && !hello.hasSession)
        // Echoes of an earlier boot, and of a ticket that was never given.
        let push = RawPush(to: bus.endpoint)
        let recorded = [
            peer.hello(), peer.hello(echo: .init(boot: Boot(high: 1, low: 2), ticket: hello.ticket), hasSession: true),
            peer.hello(echo: .init(boot: bus.identity.boot, ticket: hello.ticket + 1), hasSession: true),
        ]
        for _ in 0..<100 { for hello in recorded { push.send(hello) } }
        try bus.awaitDrops(.staleEcho, atLeast: 200)
        try bus.awaitDrops(.answerLimited, atLeast: 200)
        #expect(bus.events.all.isEmpty)
        // The right echo opens it.
        push.send(peer.hello(echo: .init(boot: bus.identity.boot, ticket: hello.ticket)))
        try bus.awaitOpened(peer.identity)
    }

    @Test("blocks only the lane of a peer that has stopped reading, and tells when it may go on")
    func backPressure() throws {
        let gate = LinkGate()
        let first = try TestBus(1) { $0.queueLimit = 1024 * 1024 }
        let stuck = try TestBus(2, gate: gate)
        let third = try TestBus(3)
        defer { close(first, stuck, third) }
        defer { gate.open() }
        for other in [stuck, third] {
            try open(first, other)
        }
        let frame = [UInt8](repeating: 7, count: 60_000)
        try awaitLink("a refusal") {
            first.bus.send([(stuck.node, frame)])
            return first.bus.counters[.queueFull] > 0 ? () : nil
        }
        let frames = (0..<1000).map { Array("frame \($0)".utf8) }
        first.bus.send(frames.map { (third.node, $0) })
        #expect(try third.awaitFrames(frames.count, from: first.node) == frames)
        #expect(!first.events.all.contains(.writable(stuck.node)))
        gate.open()
        try first.events.await("room again") { $0.contains(.writable(stuck.node)) ? () : nil }
        let sent = try awaitLink("all sent") {
            let counters = first.bus.counters
            return stuck.bus.counters.received + UInt64(frames.count) == counters.sent ? counters.sent : nil
        }
        #expect(stuck.frames(from: first.node).count == Int(sent) - frames.count, "nothing taken was lost")
    }

    @Test("closes in bounded time while a peer has stopped reading")
    func closingUnderBackPressure() throws {
        let gate = LinkGate()
        let first = try TestBus(1)
        let stuck = try TestBus(2, gate: gate)
        try open(first, stuck)
        try awaitLink("a refusal") {
            first.bus.send((0..<20).map { _ in (stuck.node, [UInt8](repeating: 7, count: 60_000)) })
            return first.bus.counters[.queueFull] > 0 ? () : nil
        }
        first.bus.cycle(stuck.node)
        first.bus.close()
        first.bus.close()
        gate.open()
        stuck.bus.close()
    }

    @Test("sends what is queued before it closes")
    func draining() throws {
        let (first, second) = try pair { $0.drainLimit = .seconds(20) }
        defer { second.bus.close() }
        let frames = (0..<200).map { [UInt8](repeating: UInt8($0), count: 10_000) }
        first.bus.send(frames.map { (second.node, $0) })
        first.bus.close()
        #expect(first.bus.counters.sent == 200)
        #expect(try second.awaitFrames(frames.count, from: first.node) == frames)
    }

    @Test("works over IPv6")
    func ipv6() throws {
        let (first, second) = try pair(host: "::1")
        defer { close(first, second) }
        first.bus.send([(second.node, [6])])
        #expect(try second.awaitFrames(1, from: first.node) == [[6]])
    }

    @Test("connects to a name")
    func names() throws {
        let first = try TestBus(1, at: Endpoint(host: "localhost", port: LinkPort.take()))
        let second = try TestBus(2, at: Endpoint(host: "localhost", port: LinkPort.take()))
        defer { close(first, second) }
        try open(first, second)
    }

    @Test("connects anew when an endpoint has changed")
    func moving() throws {
        let first = try TestBus(1)
        let second = try TestBus(2)
        defer { close(first, second) }
        first.bus.connect(second.node, at: Endpoint(host: "127.0.0.1", port: LinkPort.take()))
        second.connect(to: first)
        first.connect(to: second)
        first.connect(to: second)
        try first.awaitOpened(second.identity)
        try second.awaitOpened(first.identity)
    }

    @Test("opens no session across clusters or keys, and says why on both ends")
    func strangers() throws {
        let first = try TestBus(1)
        let otherKey = try TestBus(2, keys: LinkSample.ring(2))
        let otherName = try TestBus(3, cluster: "herd")
        defer { close(first, otherKey, otherName) }
        for other in [otherKey, otherName] {
            first.connect(to: other)
            other.connect(to: first)
        }
        try first.awaitDrops(.unknownKey)
        try first.awaitDrops(.wrongCluster)
        try otherKey.awaitDrops(.unknownKey)
        try otherName.awaitDrops(.wrongCluster)
        #expect(first.events.all.isEmpty && otherKey.events.all.isEmpty && otherName.events.all.isEmpty)
    }

    @Test("lives through 16 raw bytes and other things on its port that are not of the library")
    func rawBytes() throws {
        let (first, second) = try pair()
        defer { close(first, second) }
        let greeting: [UInt8] = [0, 0x53, 0x50, 0, 0, 0x50, 0, 0]
        let huge = greeting + [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]
        let justTooLarge = greeting + [0, 0, 0, 0, 0, 0x20, 0, 1]
        for content in [[UInt8](repeating: 0, count: 16), [UInt8](repeating: 0xFF, count: 16), huge, justTooLarge] {
            try sendRaw(content, to: first.endpoint)
        }
        second.bus.send([(first.node, [1])])
        #expect(try first.awaitFrames(1, from: second.node) == [[1]])
    }

    @Test("refuses port 0, a port in use and messages that no frame can hold")
    func refusals() throws {
        let bus = try TestBus(1)
        defer { bus.bus.close() }
        #expect(throws: BusError.portZero) { try TestBus(2, at: Endpoint(host: "127.0.0.1", port: 0)) }
        #expect(throws: BusError.self) { try TestBus(2, at: bus.endpoint) }
        #expect(throws: BusError.messageLimit(1024 * 1024, receiveLimit: 1024 * 1024)) {
            try TestBus(2) { $0.receiveLimit = 1024 * 1024 }
        }
    }

    private func pair(
        host: String = "127.0.0.1", change: (inout BusSettings) -> Void = { _ in }
    ) throws -> (TestBus, TestBus) {
        let first = try TestBus(1, at: Endpoint(host: host, port: LinkPort.take()), change: change)
        let second = try TestBus(2, at: Endpoint(host: host, port: LinkPort.take()), change: change)
        try open(first, second)
        return (first, second)
    }

    private func open(_ first: TestBus, _ second: TestBus) throws {
        first.connect(to: second)
        second.connect(to: first)
        try first.awaitOpened(second.identity)
        try second.awaitOpened(first.identity)
    }

    private func close(_ buses: TestBus...) {
        for bus in buses { bus.bus.close() }
    }

    private func sendRaw(_ content: [UInt8], to endpoint: Endpoint) throws {
        let raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { Glibc.close(raw) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = endpoint.port.bigEndian
        address.sin_addr.s_addr = inet_addr(endpoint.host)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(raw, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(status == 0)
        #expect(write(raw, content, content.count) == content.count)
        // The library answers with its own greeting, and then hangs up on what is not of its kind.
        shutdown(raw, Int32(SHUT_WR))
        var buffer = [UInt8](repeating: 0, count: 64)
        while read(raw, &buffer, buffer.count) > 0 {}
    }
}
