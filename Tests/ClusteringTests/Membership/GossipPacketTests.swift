import Clustering
import Model
import Testing

@Suite("A gossip packet")
struct GossipPacketTests {
    private static let start = MonotonicTime(nanoseconds: 1_000_000_000)

    private static func membership(_ node: UInt64, settings: MembershipSettings = MembershipSettings()) throws
        -> Membership
    {
        let endpoint = Endpoint(host: "10.0.0.\(node)", port: 7336)
        let local = try LocalMember(
            id: NodeID(rawValue: node), name: "node-\(node)", boot: Boot(high: node, low: node),
            epochMilliseconds: 1_000,
            gossip: endpoint, bus: endpoint, fronts: [endpoint], wireVersion: 1)
        return Membership(local: local, settings: settings, random: RandomSource(seed: node), at: start)
    }

    private static func packets(_ effects: [MembershipEffect]) -> [[UInt8]] {
        effects.compactMap { if case .send(let bytes, _, _, _) = $0 { bytes } else { nil } }
    }

    /// Every packet that node 1 sent to node 2 in 20 s with a third, which died, and the state of node 2 before.
    private static func transcript() throws -> (receiver: Membership, packets: [[UInt8]]) {
        let network = VirtualNetwork(seed: 11)
        try network.startCluster(of: 3)
        network.run(for: .seconds(3))
        let receiver = network.processes[1].membership
        network.crash(2)
        var packets: [[UInt8]] = []
        network.onSend = { bytes, from, to in
            if from == NodeID(rawValue: 1), to == NodeID(rawValue: 2) { packets.append(bytes) }
        }
        network.act(0) { membership, _, _ in membership.digest = [1, 2, 3] }
        network.run(for: .seconds(40))
        return (receiver, packets)
    }

    @Test("cut short anywhere is refused and changes nothing")
    func truncated() throws {
        let (receiver, packets) = try Self.transcript()
        let now = Self.start + .seconds(3)
        #expect(
            Set(packets.map { $0[1] }).isSuperset(of: [1, 2, 5, 6]), "the transcript must hold the kinds of packet")
        for packet in packets {
            for length in packet.indices {
                var membership = receiver
                var effects: [MembershipEffect] = []
                membership.receive(
                    packet[..<length], from: NodeID(rawValue: 1), at: VirtualNetwork.seed, at: now, into: &effects)
                guard case .malformed? = effects.first, effects.count == 1, membership.members == receiver.members
                else {
                    Issue.record("cut to \(length) of \(packet)")
                    return
                }
            }
        }
    }

    @Test("changed at random never crashes the reader, and grows nothing past its bound")
    func mutated() throws {
        var settings = MembershipSettings()
        settings.maximumMembers = 8
        let (_, packets) = try Self.transcript()
        var random = RandomSource(seed: 2_024)
        var survivor = try Self.membership(2, settings: settings)
        var malformed = 0
        for round in 0..<30_000 {
            var packet = packets[Int.random(in: 0..<packets.count, using: &random)]
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0..<packet.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: packet[index] = UInt8.random(in: 0...255, using: &random)
                case 1: packet[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 2: packet.remove(at: index)
                default: packet.insert(UInt8.random(in: 0...255, using: &random), at: index)
                }
                if packet.isEmpty { break }
            }
            var effects: [MembershipEffect] = []
            let now = Self.start + .milliseconds(Int64(round))
            survivor.receive(packet[...], from: NodeID(rawValue: 1), at: VirtualNetwork.seed, at: now, into: &effects)
            survivor.advance(to: now, into: &effects)
            for effect in effects {
                switch effect {
                case .malformed: malformed += 1
                case .conflict, .removed: survivor = try Self.membership(2, settings: settings)
                case .send(let bytes, _, _, _): #expect(bytes.count <= 1_200, "round \(round)")
                case .greet, .changed, .digest: break
                }
            }
            #expect(survivor.members.count <= 8, "round \(round)")
        }
        #expect(malformed > 1_000 && malformed < 29_000)
    }

    @Test("of another version is refused with both versions named")
    func version() throws {
        var membership = try Self.membership(2)
        var effects: [MembershipEffect] = []
        membership.receive(
            [9, 1, 2, 3], from: NodeID(rawValue: 1), at: VirtualNetwork.seed, at: Self.start, into: &effects)
        #expect(effects == [.malformed(.unknownVersion(found: 9, known: 1), from: NodeID(rawValue: 1))])
        #expect(membership.counters.packetsMalformed == 1)
    }

    @Test("longer than 1,200 bytes is refused unread")
    func tooLong() throws {
        var membership = try Self.membership(2)
        var effects: [MembershipEffect] = []
        let packet = [UInt8](repeating: 1, count: 1_201)
        membership.receive(
            packet[...], from: NodeID(rawValue: 1), at: VirtualNetwork.seed, at: Self.start, into: &effects)
        #expect(effects == [.malformed(.invalid("packet length"), from: NodeID(rawValue: 1))])
    }

    @Test("holds the largest record beside the largest digest")
    func largest() throws {
        let host = String(repeating: "h", count: 105)
        let endpoint = Endpoint(host: host, port: 7336)
        func member(_ node: UInt64) throws -> LocalMember {
            try LocalMember(
                id: NodeID(rawValue: node), name: String(repeating: "n", count: 30), boot: Boot(high: node, low: 0),
                epochMilliseconds: .max, gossip: endpoint, bus: endpoint, fronts: [endpoint, endpoint], wireVersion: 1)
        }
        var first = Membership(
            local: try member(1), settings: MembershipSettings(), random: RandomSource(seed: 1), at: Self.start)
        var second = Membership(
            local: try member(2), settings: MembershipSettings(), random: RandomSource(seed: 2), at: Self.start)
        first.digest = [UInt8](repeating: 7, count: 520)
        var effects: [MembershipEffect] = []
        first.greeted(NodeID(rawValue: 2), boot: Boot(high: 2, low: 0), at: endpoint, at: Self.start, into: &effects)
        var answers: [MembershipEffect] = []
        for packet in Self.packets(effects) {
            second.receive(packet[...], from: NodeID(rawValue: 1), at: endpoint, at: Self.start, into: &answers)
        }
        #expect(second.members.count == 2)
        for packet in Self.packets(answers) {
            first.receive(packet[...], from: NodeID(rawValue: 2), at: endpoint, at: Self.start, into: &effects)
        }
        effects = []
        first.advance(to: first.nextDeadline, into: &effects)
        first.advance(to: Self.start + .milliseconds(300), into: &effects)
        #expect(Self.packets(effects).contains { $0.count > 520 + 400 }, "a ping must have carried both")
    }

    @Test(
        "describes a member only within its bounds",
        arguments: [
            ("name", String(repeating: "n", count: 65), "h", UInt16(1), 1),
            ("host", "n", String(repeating: "h", count: 254), 1, 1),
            ("port", "n", "h", 0, 1), ("fronts", "n", "h", 1, 5),
            ("total", "n", String(repeating: "h", count: 120), 1, 3),
        ])
    func bounds(field: String, name: String, host: String, port: UInt16, fronts: Int) {
        let endpoint = Endpoint(host: host, port: port)
        #expect(throws: FormatError.self) {
            try LocalMember(
                id: NodeID(rawValue: 1), name: name, boot: Boot(high: 1, low: 1), epochMilliseconds: 1,
                gossip: endpoint,
                bus: endpoint, fronts: Array(repeating: endpoint, count: fronts), wireVersion: 1)
        }
    }

    @Test("of a member too many is not taken up, is counted, and starts no endless exchange")
    func full() throws {
        var settings = MembershipSettings()
        settings.maximumMembers = 4
        let network = VirtualNetwork(seed: 5, settings: settings)
        try network.startCluster(of: 7)
        network.run(for: .seconds(60))
        for process in network.processes { #expect(process.membership.members.count == 4) }
        #expect(network.processes.contains { $0.membership.counters.membersRefused > 0 })
        #expect(network.sent.reduce(0, +) < 7 * 60 * 60)
    }
}
