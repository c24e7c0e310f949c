import Clustering
import Model
import Testing

@Suite("Membership")
struct MembershipChangeTests {
    @Test("rejoins by itself after a partition, and nobody is lost")
    func heals() throws {
        for seed in UInt64(1)...20 {
            let network = VirtualNetwork(seed: seed)
            try network.startCluster(of: 5)
            network.run(for: .seconds(5))
            network.island = [NodeID(rawValue: 1), NodeID(rawValue: 2)]
            network.run(for: .seconds(60))
            #expect(network.state(of: 1, at: 2) == .dead && network.state(of: 3, at: 0) == .dead, "seed \(seed)")
            #expect(network.state(of: 2, at: 0) == .alive && network.state(of: 4, at: 2) == .alive, "seed \(seed)")
            network.island = nil
            let healed = network.now
            #expect(network.run(for: .seconds(30)) { network.agrees }, "seed \(seed)")
            network.run(for: .seconds(30))
            #expect(network.agrees, "seed \(seed)")
            for process in network.processes {
                // What each side believes of its own members is doubted at most, never given up.
                let side = network.processes.filter { ($0.node.rawValue <= 2) == (process.node.rawValue <= 2) }.map(
                    \.node)
                let died = process.changes.filter { $0.at > healed && $0.member.state == .dead }
                #expect(!died.contains { side.contains($0.member.id) }, "seed \(seed)")
            }
        }
    }

    @Test(
        "takes a killed node back within a second, at the same address or another", arguments: ["10.0.0.3", "10.0.9.9"])
    func restarts(host: String) throws {
        for seed in UInt64(1)...20 {
            let network = VirtualNetwork(seed: seed)
            try network.startCluster(of: 5)
            network.run(for: .seconds(5))
            network.crash(2)
            network.run(for: .milliseconds(100))
            try network.start(node: 3, host: host, seeds: [VirtualNetwork.seed])
            #expect(network.run(for: .milliseconds(1_200)) { network.agrees }, "seed \(seed)")
            network.run(for: .seconds(20))
            #expect(network.agrees && network.processes.allSatisfy { $0.conflict == nil }, "seed \(seed)")
        }
    }

    @Test("takes back a node that has long been dead")
    func restartsLate() throws {
        let network = VirtualNetwork(seed: 1)
        try network.startCluster(of: 3)
        network.run(for: .seconds(5))
        network.crash(1)
        network.run(for: .seconds(60))
        #expect(network.state(of: 2, at: 0) == .dead)
        try network.start(node: 2, seeds: [VirtualNetwork.seed])
        #expect(network.run(for: .milliseconds(200)) { network.agrees })
    }

    @Test("finds nodes again that were all killed and come back elsewhere, through the seed")
    func restartsWhole() throws {
        let network = VirtualNetwork(seed: 7)
        try network.startCluster(of: 3)
        network.run(for: .seconds(5))
        for index in 0..<3 { network.crash(index) }
        for node in UInt64(1)...3 {
            try network.start(
                node: node, host: node == 1 ? nil : "10.0.7.\(node)", seeds: node == 1 ? [] : [VirtualNetwork.seed])
        }
        #expect(network.run(for: .seconds(2)) { network.agrees })
    }

    @Test("finds a seed that comes up long after it was first greeted, and pauses between greetings grow to 5 s")
    func lateSeed() throws {
        let network = VirtualNetwork(seed: 3)
        try network.start(node: 2, seeds: [VirtualNetwork.seed])
        try network.start(node: 3, seeds: [VirtualNetwork.seed])
        network.run(for: .seconds(120))
        let times = network.processes[0].greetings.map(\.at)
        let pauses = zip(times.dropFirst(), times).map { $0 - $1 }
        #expect(pauses.first == .milliseconds(200) && pauses.last == .seconds(5) && times.count < 40)
        try network.start(node: 1)
        #expect(network.run(for: .seconds(6)) { network.agrees })
    }

    @Test("does not greet itself for ever when its own address is a seed")
    func ownAddress() throws {
        let network = VirtualNetwork(seed: 3)
        try network.start(node: 1, seeds: [VirtualNetwork.seed])
        network.run(for: .seconds(60))
        #expect(network.processes[0].greetings.count == 1)
        #expect(network.processes[0].conflict == nil)
    }

    @Test("holds a node that announced its stop to be away, and never dead")
    func away() throws {
        for seed in UInt64(1)...20 {
            let network = VirtualNetwork(seed: seed)
            network.loss = 0.1
            try network.startCluster(of: 5)
            network.run(for: .seconds(10))
            network.act(4) { $0.announceAway(at: $1, into: &$2) }
            network.run(for: .seconds(1))
            network.crash(4)
            network.run(for: .seconds(60))
            for index in 0..<4 {
                #expect(network.state(of: 5, at: index) == .away, "seed \(seed)")
                #expect(!network.processes[index].changes.contains { $0.member.state == .dead }, "seed \(seed)")
            }
            network.loss = 0
            try network.start(node: 5, seeds: [VirtualNetwork.seed])
            #expect(network.run(for: .seconds(5)) { network.agrees }, "seed \(seed)")
        }
    }

    @Test("takes a node back that announced its stop and then went on")
    func returns() throws {
        let network = VirtualNetwork(seed: 5)
        try network.startCluster(of: 3)
        network.run(for: .seconds(5))
        network.act(1) { $0.announceAway(at: $1, into: &$2) }
        #expect(
            network.run(for: .seconds(1)) {
                network.state(of: 2, at: 0) == .away && network.state(of: 2, at: 2) == .away
            })
        network.act(1) { $0.announceReturn(at: $1, into: &$2) }
        #expect(network.run(for: .seconds(1)) { network.agrees })
    }

    @Test("does not look for a node that was removed, and turns away whoever comes in its name")
    func removes() throws {
        for seed in UInt64(1)...20 {
            let network = VirtualNetwork(seed: seed)
            network.loss = 0.1
            try network.startCluster(of: 4)
            network.run(for: .seconds(5))
            network.crash(3)
            network.run(for: .seconds(10))
            for index in 0..<3 { network.act(index) { $0.remove([NodeID(rawValue: 4)], at: $1, into: &$2) } }
            for index in 0..<3 { #expect(network.state(of: 4, at: index) == .left, "seed \(seed)") }
            let greetings = network.processes[0].greetings.count
            network.run(for: .seconds(60))
            #expect(network.processes[0].greetings.count == greetings, "seed \(seed): one that left is not looked for")
            let late = try network.start(node: 4, seeds: [VirtualNetwork.seed])
            #expect(network.run(for: .seconds(5)) { network.processes[late].isRemoved }, "seed \(seed)")
            for index in 0..<3 { #expect(network.state(of: 4, at: index) == .left, "seed \(seed)") }
        }
    }

    @Test("lets a removed node know that lives on the other side of a partition, once that heals")
    func removesAcrossPartition() throws {
        for seed in UInt64(1)...20 {
            let network = VirtualNetwork(seed: seed)
            try network.startCluster(of: 5)
            network.run(for: .seconds(5))
            network.island = [NodeID(rawValue: 4), NodeID(rawValue: 5)]
            network.run(for: .seconds(20))
            for index in 0..<3 { network.act(index) { $0.remove([NodeID(rawValue: 4)], at: $1, into: &$2) } }
            #expect(network.state(of: 4, at: 4) == .alive, "seed \(seed)")
            network.island = nil
            #expect(network.run(for: .seconds(30)) { network.processes[3].isRemoved }, "seed \(seed)")
            #expect(
                network.run(for: .seconds(60)) {
                    network.state(of: 5, at: 0) == .alive && !network.processes[4].isRemoved
                },
                "seed \(seed): its companion is none the worse")
        }
    }

    @Test("lets a node leave")
    func leaves() throws {
        let network = VirtualNetwork(seed: 8)
        try network.startCluster(of: 4)
        network.run(for: .seconds(5))
        network.act(2) { $0.leave(at: $1, into: &$2) }
        network.run(for: .seconds(2))
        for index in 0..<4 { #expect(network.state(of: 3, at: index) == .left) }
        network.run(for: .seconds(60))
        for index in 0..<4 { #expect(network.state(of: 3, at: index) == .left) }
    }

    @Test("kills nobody whose process stands still for up to 1.5 s again and again", arguments: [500, 1_500])
    func stalls(milliseconds: Int) throws {
        for seed in UInt64(1)...10 {
            let network = VirtualNetwork(seed: seed)
            try network.startCluster(of: 5)
            network.run(for: .seconds(5))
            for _ in 0..<20 {
                network.processes[2].stalledUntil = network.now + .milliseconds(milliseconds)
                network.run(for: .seconds(3))
            }
            for process in network.processes {
                #expect(!process.changes.contains { $0.member.state == .dead }, "seed \(seed)")
            }
            #expect(network.processes[2].membership.counters.stalls > 5, "seed \(seed)")
        }
    }

    @Test("a process that stood still for a minute doubts nobody when it wakes")
    func longStall() throws {
        for seed in UInt64(1)...10 {
            let network = VirtualNetwork(seed: seed)
            try network.startCluster(of: 5)
            network.run(for: .seconds(5))
            var hasPinged = false
            network.onSend = { bytes, from, _ in hasPinged = hasPinged || (from.rawValue == 3 && bytes[1] == 1) }
            // The acknowledgement is under way, and will be waiting when the process wakes.
            #expect(network.run(for: .seconds(1)) { hasPinged })
            network.processes[2].stalledUntil = network.now + .seconds(60)
            network.run(for: .seconds(59))
            #expect(network.state(of: 3, at: 0) == .dead, "seed \(seed)")
            network.run(for: .seconds(30))
            #expect(network.agrees, "seed \(seed)")
            #expect(!network.processes[2].changes.contains { $0.member.state == .suspect }, "seed \(seed)")
        }
    }

    @Test("carries each node's digest to the others")
    func digests() throws {
        let network = VirtualNetwork(seed: 2)
        try network.startCluster(of: 3)
        for index in 0..<3 {
            network.act(index) { membership, _, _ in membership.digest = Array(repeating: UInt8(index + 1), count: 520)
            }
        }
        network.run(for: .seconds(5))
        #expect(network.agrees)
        for (index, process) in network.processes.enumerated() {
            for other in UInt64(1)...3 where other != UInt64(index + 1) {
                let bytes = process.digests.last { $0.from.rawValue == other }?.bytes
                #expect(bytes == Array(repeating: UInt8(other), count: 520))
            }
        }
    }

    @Test("costs a node of a cluster of 50 about what it costs one of 5")
    func cost() throws {
        var rates: [Double] = []
        for count in [5, 50] {
            let network = VirtualNetwork(seed: 4)
            try network.startCluster(of: count)
            #expect(network.run(for: .seconds(20)) { network.agrees })
            network.run(for: .seconds(20))
            let before = network.sent.reduce(0, +)
            network.run(for: .seconds(60))
            rates.append(Double(network.sent.reduce(0, +) - before) / 60 / Double(count))
            #expect(network.agrees)
        }
        print("packets a second a node: \(rates[0]) of 5, \(rates[1]) of 50")
        #expect(rates[1] < rates[0] * 1.2)
    }

    @Test("is the same run for the same seed")
    func deterministic() throws {
        var runs: [[String]] = []
        for _ in 0..<2 {
            let network = VirtualNetwork(seed: 99)
            network.loss = 0.2
            try network.startCluster(of: 6)
            network.run(for: .seconds(20))
            network.crash(3)
            network.run(for: .seconds(20))
            runs.append(
                network.processes.flatMap { process in
                    process.changes.map { "\($0.at.nanoseconds) \($0.member)" } + ["\(process.membership.counters)"]
                })
        }
        #expect(runs[0] == runs[1])
    }
}
