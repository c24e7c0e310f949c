import Broker
import Model
import Testing

// What groups do while nodes and members come and go.

extension GroupTests {
    @Test("give out what a node has left that is gone, and nothing of one that lives")
    func takeover() {
        let bench = bench()
        bench.create("work")
        let peer = TestLedger.origin(2)
        bench.run { $0.peersChanged([peer], at: bench.now, into: &$1) }
        bench.wait(.seconds(10))
        let member = join(bench, 0, acknowledges: true)
        _ = bench.lines(member.client)
        bench.ledger.publishRemotely(topic("work"), "theirs")
        bench.deliver()
        bench.wait(.seconds(60))
        #expect(given(bench, member).isEmpty)
        bench.run { $0.peersChanged([], at: bench.now, into: &$1) }
        bench.wait(.seconds(2))
        bench.settle()
        #expect(given(bench, member) == ["work work B:1 theirs of g attempt 1"])
        // It comes back as another run, and has its next messages to give out itself.
        let again = Origin(node: peer.node, epoch: Epoch(rawValue: 9 << 16))
        bench.run { $0.peersChanged([again], at: bench.now, into: &$1) }
        bench.wait(.seconds(2))
        bench.settle()
        #expect(given(bench, member).count <= 1)
    }

    @Test("give out what came while a node was back for a moment")
    func flapping() {
        let bench = bench()
        bench.create("work")
        let peer = TestLedger.origin(2)
        bench.run { $0.peersChanged([peer], at: bench.now, into: &$1) }
        bench.wait(.seconds(10))
        let member = join(bench, 0, acknowledges: true)
        bench.run { $0.peersChanged([], at: bench.now, into: &$1) }
        bench.wait(.seconds(2))
        bench.run { $0.peersChanged([peer], at: bench.now, into: &$1) }
        bench.publishRemotely("work", "theirs")
        _ = bench.lines(member.client)
        bench.run { $0.peersChanged([], at: bench.now, into: &$1) }
        bench.wait(.seconds(3))
        bench.settle()
        #expect(given(bench, member) == ["work work B:1 theirs of g attempt 1"])
    }
}
