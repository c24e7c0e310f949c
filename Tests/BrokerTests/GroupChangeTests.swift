import Broker
import JSON
import Model
import Testing

// What groups do while nodes and members come and go.

extension GroupTests {
    /// A member here, in a cluster whose other nodes have long been there.
    private func besides(_ peers: [Origin]) -> (Bench, Member) {
        let bench = bench()
        bench.create("work")
        bench.peersAre(peers)
        bench.wait(.seconds(10))
        let member = join(bench, 0, acknowledges: true)
        _ = bench.lines(member.client)
        return (bench, member)
    }

    @Test("give out what a node has left that is gone, and nothing of one that lives")
    func takeover() {
        let peer = TestLedger.origin(2)
        let (bench, member) = besides([peer])
        bench.ledger.publishRemotely(topic("work"), "theirs")
        bench.deliver()
        bench.wait(.seconds(60))
        #expect(given(bench, member).isEmpty)
        bench.peersAre([])
        bench.wait(.seconds(2))
        bench.settle()
        #expect(given(bench, member) == ["work work B:1 theirs of g attempt 1"])
        // It comes back as another run, and has its next messages to give out itself.
        let again = Origin(node: peer.node, epoch: Epoch(rawValue: 9 << 16))
        bench.peersAre([again])
        bench.wait(.seconds(2))
        bench.settle()
        #expect(given(bench, member).count <= 1)
    }

    @Test("give nothing again that another node has settled meanwhile")
    func settledElsewhere() throws {
        let bench = bench()
        bench.create("work")
        let member = join(bench, 0, acknowledges: true)
        bench.publish("work", "1")
        bench.publish("work", "2")
        bench.deliver()
        #expect(given(bench, member).suffix(2) == ["work work A:1 1 of g attempt 1", "work work A:2 2 of g attempt 1"])
        let record = try #require(records(bench).last)
        let before = try #require(JSONView(parsing: Array(record.utf8))["done"]?.string)
        let partition = Partition(origin: bench.ledger.origin, generation: 1)
        bench.publishRemotely(
            "$groups", record.split(separator: before).joined(separator: Cursor([partition: 1]).compactText))
        bench.wait(.seconds(30))
        bench.settle()
        #expect(given(bench, member) == ["work work A:2 2 of g attempt 2"])
    }

    @Test("give out what came while a node was back for a moment")
    func flapping() {
        let peer = TestLedger.origin(2)
        let (bench, member) = besides([peer])
        bench.peersAre([])
        bench.wait(.seconds(2))
        bench.peersAre([peer])
        bench.publishRemotely("work", "theirs")
        _ = bench.lines(member.client)
        bench.peersAre([])
        bench.wait(.seconds(3))
        bench.settle()
        #expect(given(bench, member) == ["work work B:1 theirs of g attempt 1"])
    }

    @Test("give out what a dead node has left though another comes and goes, and nothing of that one's")
    func restless() {
        /// What a member here is given of the dead node's, and of the other's while it is there every other half second.
        func outcome(flapping: Bool, _ number: UInt64) -> [String] {
            let (dead, other) = (TestLedger.origin(2), TestLedger.origin(number))
            let (bench, member) = besides([dead, other])
            bench.publishRemotely("work", "left")
            bench.ledger.publishRemotely(topic("work"), "kept", from: number)
            bench.deliver()
            for half in 0..<20 {
                let peers = half % 2 == 0 && flapping ? [] : [other]
                bench.peersAre(peers)
                bench.wait(.milliseconds(500))
                bench.settle()
            }
            return given(bench, member)
        }
        // Whether it is this node that gives it out is the hash's to say, of which some make it the other.
        let numbers: ClosedRange<UInt64> = 3...12
        let calm = numbers.map { outcome(flapping: false, $0) }
        #expect(Set(calm) == [[], ["work work B:1 left of g attempt 1"]])
        #expect(numbers.map { outcome(flapping: true, $0) } == calm)
    }

    @Test("count a node as gone when it has been so for the delay, whatever another does")
    func goneAtLast() {
        let (first, other) = (TestLedger.origin(2), TestLedger.origin(3))
        let (bench, member) = besides([first, other])
        bench.publishRemotely("work", "theirs")
        // The other has gone already when the first one's coming and going is at its limit, and stays so.
        for half in 0..<9 {
            bench.peersAre(half % 2 == 0 ? [other] : [first, other])
            bench.wait(.milliseconds(500))
        }
        bench.peersAre([])
        bench.wait(.milliseconds(600))
        bench.settle()
        #expect(given(bench, member).isEmpty)
        bench.wait(.milliseconds(600))
        bench.settle()
        #expect(given(bench, member) == ["work work B:1 theirs of g attempt 1"])
    }

    @Test("leave a member what it has when it joins again with another time to acknowledge")
    func anotherTime() {
        let bench = bench()
        bench.create("work")
        let member = join(bench, 0, acknowledges: true)
        bench.publish("work", "1")
        bench.deliver()
        #expect(given(bench, member) == ["work work A:1 1 of g attempt 1"])
        let wish = Command.GroupWish(name: "g", acknowledges: true, patience: .seconds(5))
        bench.send(.follow("work", group: wish), from: member.client)
        bench.replicate()
        #expect(bench.announced() == ["set worker work s0"])
        bench.settle()
        #expect(given(bench, member).isEmpty && member.numbers.count == 1)
        // The new time holds for what it is given from now on.
        bench.wait(.seconds(6))
        #expect(given(bench, member).isEmpty)
        bench.publish("work", "2")
        bench.deliver()
        #expect(given(bench, member) == ["work work A:2 2 of g attempt 1"])
        bench.wait(.seconds(6))
        #expect(given(bench, member) == ["work work A:2 2 of g attempt 2"])
        for number in [member.numbers[0], member.numbers[2]] { bench.send(.acknowledge(number), from: member.client) }
        #expect(bench.lines(member.client) == ["acknowledged", "acknowledged"])
        bench.wait(.seconds(300))
        #expect(given(bench, member).isEmpty)
    }

    @Test("take from a member what it has when it goes over to another group of the topic")
    func anotherGroup() {
        let bench = bench()
        bench.create("work")
        let member = join(bench, 0, acknowledges: true)
        bench.publish("work", "1")
        bench.deliver()
        let other = join(bench, 1, acknowledges: true)
        _ = bench.lines(other.client)
        bench.send(.follow("work", group: Command.GroupWish(name: "h", acknowledges: true)), from: member.client)
        bench.replicate()
        _ = bench.announced()
        bench.settle()
        #expect(given(bench, other) == ["work work A:1 1 of g attempt 2"])
        _ = bench.lines(member.client)
        bench.send(.acknowledge(member.numbers[0]), from: member.client)
        #expect(bench.lines(member.client).map { $0.prefix(24) } == ["refused INVALID_MESSAGE:"])
    }

    @Test("let a member go on to whom it could not be said that its time was over")
    func lostRecalls() {
        let bench = bench {
            $0.openRequestsPerConnection = 2
            $0.groupAttempts = 1_000
        }
        bench.losesErrand = { if case .recalled = $0 { true } else { false } }
        bench.create("work")
        let member = join(bench, 0, acknowledges: true)
        for number in 1...2 { bench.publish("work", "\(number)") }
        bench.deliver()
        for attempt in 1...50 {
            // Nothing of the attempts before is in the way of this one, nor counts as having been acknowledged.
            let shown = given(bench, member).sorted()
            #expect(shown == (1...2).map { "work work A:\($0) \($0) of g attempt \(attempt)" })
            bench.wait(.seconds(30))
        }
        let (late, last) = (member.numbers.dropLast(2), member.numbers.suffix(2))
        for number in late { bench.send(.acknowledge(number), from: member.client) }
        let told = bench.lines(member.client).filter { !$0.hasPrefix("work ") }
        #expect(told.count == late.count && told.allSatisfy { $0.hasPrefix("refused INVALID_MESSAGE:") })
        for number in last { bench.send(.acknowledge(number), from: member.client) }
        #expect(bench.lines(member.client) == ["acknowledged", "acknowledged"])
    }
}

extension Bench {
    /// Says which runs of other nodes are alive.
    fileprivate func peersAre(_ peers: [Origin]) {
        run { $0.peersChanged(peers, at: now, into: &$1) }
    }
}
