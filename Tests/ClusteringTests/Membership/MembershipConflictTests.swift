import Clustering
import Model
import Testing

@Suite("A node id claimed by two processes")
struct MembershipConflictTests {
    @Test("stays with the one that its peers know and that answers; the newcomer is told to exit")
    func refusesCopy() throws {
        for seed in UInt64(1)...20 {
            let network = VirtualNetwork(seed: seed)
            network.loss = 0.1
            try network.startCluster(of: 4)
            network.run(for: .seconds(10))
            let copy = try network.start(node: 3, host: "10.0.9.9", seeds: [VirtualNetwork.seed])
            #expect(network.run(for: .seconds(5)) { network.processes[copy].conflict != nil }, "seed \(seed)")
            #expect(network.processes[copy].conflict?.boot == network.processes[2].boot, "seed \(seed)")
            network.run(for: .seconds(20))
            #expect(network.processes[2].conflict == nil, "seed \(seed)")
            #expect(network.agrees, "seed \(seed)")
        }
    }

    @Test("is refused by the incumbent itself when that is the newcomer's seed")
    func refusesCopyItself() throws {
        let network = VirtualNetwork(seed: 1)
        try network.startCluster(of: 2)
        network.run(for: .seconds(5))
        let copy = try network.start(node: 1, host: "10.0.9.9", seeds: [VirtualNetwork.seed])
        network.run(for: .seconds(5))
        #expect(network.processes[copy].conflict?.boot == network.processes[0].boot)
        #expect(network.processes[0].conflict == nil)
        #expect(network.agrees)
    }

    @Test("stays with the one accepted, when a copy with an earlier start speaks up")
    func refusesEarlierRun() throws {
        let network = VirtualNetwork(seed: 1)
        try network.startCluster(of: 3)
        network.run(for: .seconds(5))
        let copy = try network.start(node: 3, host: "10.0.9.9", epoch: 1, seeds: [VirtualNetwork.seed])
        network.run(for: .seconds(5))
        #expect(network.processes[copy].conflict?.boot == network.processes[2].boot)
        #expect(network.agrees)
    }

    @Test("goes to the process that was accepted while the other could not be reached")
    func yieldsAfterPartition() throws {
        let network = VirtualNetwork(seed: 6)
        try network.startCluster(of: 3)
        network.run(for: .seconds(5))
        network.processes[2].stalledUntil = network.now + .seconds(20)
        network.run(for: .seconds(5))
        let copy = try network.start(node: 3, host: "10.0.9.9", seeds: [VirtualNetwork.seed])
        network.run(for: .seconds(40))
        #expect(network.processes[2].conflict?.boot == network.processes[copy].boot)
        #expect(network.processes[copy].conflict == nil)
        #expect(network.agrees)
    }
}
