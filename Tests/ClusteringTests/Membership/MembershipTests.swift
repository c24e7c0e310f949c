import Clustering
import Model
import Testing

@Suite("A cluster")
struct ClusterMembershipTests {
    @Test("of 3, 5 and 7 nodes that join through one seed agrees within a second", arguments: [3, 5, 7])
    func joins(count: Int) throws {
        for seed in UInt64(1)...20 {
            let network = VirtualNetwork(seed: seed)
            try network.startCluster(of: count)
            #expect(network.run(for: .seconds(1)) { network.agrees }, "seed \(seed)")
            network.run(for: .seconds(20))
            #expect(network.agrees, "seed \(seed)")
            for process in network.processes { #expect(process.membership.counters.suspicions == 0, "seed \(seed)") }
        }
    }

    @Test("knows of a crash everywhere within 3 s in 99 of 100 seeds", arguments: [3, 5, 7])
    func detectsCrash(count: Int) throws {
        var times: [Int64] = []
        for seed in UInt64(1)...200 {
            let network = VirtualNetwork(seed: seed)
            try network.startCluster(of: count)
            network.run(for: .seconds(5) + .milliseconds(Int64(seed * 37 % 1_000)))
            let victim = Int(seed) % count
            let before = network.now
            network.crash(victim)
            let node = UInt64(victim + 1)
            let known = network.run(for: .seconds(30)) {
                network.processes.indices.allSatisfy { $0 == victim || network.state(of: node, at: $0) == .dead }
            }
            #expect(known, "seed \(seed)")
            #expect(network.agrees, "seed \(seed)")
            times.append((network.now - before).milliseconds)
        }
        times.sort()
        print(
            "crash of 1 of \(count), ms: p50 \(times[100]), p90 \(times[180]), p99 \(times[197]), most \(times[199])"
        )
        #expect(times[197] <= 3_000)
    }

    @Test("loses nobody to 10 % packet loss and doubled packets in five minutes", arguments: [3, 5, 7])
    func surviveLoss(count: Int) throws {
        var suspicions: UInt64 = 0
        var deaths: UInt64 = 0
        for seed in UInt64(1)...17 {
            let network = VirtualNetwork(seed: seed)
            network.loss = 0.1
            network.duplication = 0.02
            try network.startCluster(of: count)
            #expect(network.run(for: .seconds(10)) { network.agrees }, "seed \(seed)")
            network.run(for: .seconds(300))
            for process in network.processes {
                suspicions += process.membership.counters.suspicions
                deaths += process.membership.counters.deathsDeclared
                #expect(!process.changes.contains { $0.member.state == .dead }, "seed \(seed)")
            }
        }
        print("10 % loss, \(count) nodes: \(suspicions) suspicions, \(deaths) deaths")
        #expect(suspicions > 0, "a loss that nobody notices tests nothing")
    }
}
