import Model
import Runtime
import Testing

@Suite("A replay guard")
struct ReplayGuardTests {
    @Test("of the bus takes only a counter above the last")
    func bus() {
        var replays = ReplayGuard(channel: .bus, first: 5)
        #expect(!replays.admits(4))
        #expect(replays.admits(5))
        replays.take(7)
        #expect(!replays.admits(6))
        #expect(!replays.admits(7))
        #expect(replays.admits(8))
    }

    @Test("of gossip takes each counter once within a window of 1,024")
    func gossip() {
        var replays = ReplayGuard(channel: .gossip, first: 1)
        replays.take(2000)
        #expect(!replays.admits(2000))
        #expect(replays.admits(2000 - 1023))
        #expect(!replays.admits(2000 - 1024))
        replays.take(1999)
        #expect(!replays.admits(1999))
        #expect(replays.admits(1998))
        replays.take(.max)
        #expect(!replays.admits(.max))
        #expect(replays.admits(.max - 1023))
    }

    @Test("of gossip refuses what was sealed before the session")
    func floor() {
        let replays = ReplayGuard(channel: .gossip, first: 100)
        #expect(!replays.admits(99))
        #expect(!replays.admits(0))
        #expect(replays.admits(100))
    }

    @Test("of gossip agrees with a set of all that was taken", arguments: 1...20 as ClosedRange<UInt64>)
    func agreesWithModel(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var replays = ReplayGuard(channel: .gossip, first: 1)
        var taken: Set<UInt64> = []
        var highest: UInt64 = 0
        for _ in 0..<5000 {
            let ahead = UInt64.random(
                in: 0..<(UInt64.random(in: 0..<50, using: &random) == 0 ? 3000 : 8), using: &random)
            let behind = UInt64.random(in: 0..<1500, using: &random)
            let counter = Bool.random(using: &random) ? highest + ahead : highest - min(highest, behind)
            let isNew = counter >= 1 && !taken.contains(counter) && counter + 1024 > highest
            #expect(replays.admits(counter) == isNew, "seed \(seed), counter \(counter), highest \(highest)")
            guard isNew else { continue }
            replays.take(counter)
            taken.insert(counter)
            highest = max(highest, counter)
        }
    }
}

@Suite("A sealed session")
struct FrameSealingTests {
    private let alice = LinkSample.identity(1)
    private let bob = LinkSample.identity(2)

    @Test("carries frames of any length once and in order")
    func carries() throws {
        let sealer = sealer(from: alice, to: bob)
        let opener = opener(at: bob, from: alice)
        for length in [0, 1, 15, 16, 17, 1000, 65_536] {
            let plaintext = [UInt8](repeating: UInt8(length % 251), count: length)
            let frame = sealer.sealed(plaintext)
            #expect(frame.count == length + 43)
            #expect(try opener.open(frame).get() == plaintext)
            #expect(drop(opener, frame) == .replayed)
        }
    }

    @Test("refuses frames sealed for another run, direction, cluster, channel or key")
    func strangers() {
        let restarted = LinkSample.identity(2, boot: 999)
        let other = LinkSample.identity(1, cluster: "herd")
        let opener = opener(at: bob, from: alice)
        #expect(drop(opener, sealer(from: alice, to: restarted).sealed([1])) == .forged)
        #expect(drop(opener, sealer(from: bob, to: alice).sealed([1])) == .forged)
        #expect(drop(opener, sealer(from: other, to: bob).sealed([1])) == .forged)
        #expect(drop(opener, sealer(from: alice, to: bob, channel: .gossip).sealed([1])) == .forged)
        #expect(drop(opener, sealer(from: alice, to: bob, keys: LinkSample.ring(9)).sealed([1])) == .unknownKey)
    }

    @Test("opens under every key of the ring, whatever the order")
    func rotation() throws {
        for active in [LinkSample.ring(1), LinkSample.ring(2, 1), LinkSample.ring(3, 2, 1)] {
            let opener = opener(at: bob, from: alice, keys: LinkSample.ring(1, 2, 3))
            #expect(try opener.open(sealer(from: alice, to: bob, keys: active).sealed([7])).get() == [7])
        }
    }

    @Test("refuses any bit turned over and any length cut, and then still opens the frame")
    func damage() throws {
        let opener = opener(at: bob, from: alice)
        let frame = sealer(from: alice, to: bob).sealed(Array("hello".utf8))
        for bit in 0..<frame.count * 8 { #expect(drop(opener, flipping(frame, bit: bit)) != nil) }
        for count in 0..<frame.count { #expect(drop(opener, Array(frame[..<count])) != nil) }
        #expect(drop(opener, Array(frame[..<42])) == .truncated)
        #expect(drop(opener, flipping(frame, bit: 0)) == .unknownVersion)
        #expect(try opener.open(frame).get() == Array("hello".utf8))
    }

    @Test("gives back a hello with every field, at one length")
    func hello() throws {
        let peer = TestPeer(alice, channel: .bus)
        let host = String(repeating: "h", count: LinkHello.maximumHost)
        let hello = LinkHello(
            sender: alice.end, ticket: 5, echo: .init(boot: bob.boot, ticket: 6), hasSession: true, firstCounter: 77,
            messageLimit: 4096, advertised: Endpoint(host: host, port: 65_535))
        let sealer = HelloSealer(identity: alice, channel: .bus, keys: LinkSample.keys, random: systemLinkRandom)
        let sealed: [UInt8] = sealer.seal(hello)
        #expect(sealed.count == LinkHello.sealedLength)
        #expect(try peer.open(sealed) == hello)
        let again: [UInt8] = sealer.seal(hello)
        #expect(again != sealed, "a nonce is drawn each time")
        for bit in 0..<sealed.count * 8 {
            #expect(throws: DropReason.self) { try peer.open(flipping(sealed, bit: bit)) }
        }
        #expect(throws: DropReason.wrongCluster) { try TestPeer(alice, channel: .gossip).open(sealed) }
        #expect(throws: DropReason.unknownKey) {
            try TestPeer(alice, keys: LinkSample.ring(9), channel: .bus).open(sealed)
        }
    }

    private func sealer(
        from: LinkIdentity, to: LinkIdentity, channel: LinkChannel = .bus, keys: ClusterKeyRing = LinkSample.keys
    ) -> FrameSealer {
        FrameSealer(identity: from, peer: to.end, channel: channel, keys: keys, firstCounter: 1)
    }

    private func opener(at: LinkIdentity, from: LinkIdentity, keys: ClusterKeyRing = LinkSample.keys) -> FrameOpener {
        FrameOpener(identity: at, peer: from.end, channel: .bus, keys: keys, firstCounter: 1)
    }

    private func drop(_ opener: FrameOpener, _ frame: [UInt8]) -> DropReason? {
        if case .failure(let reason) = opener.open(frame) { reason } else { nil }
    }
}
