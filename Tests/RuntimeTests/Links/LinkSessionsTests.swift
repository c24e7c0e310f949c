import Model
import Runtime
import Testing

@Suite("Link sessions")
struct LinkSessionsTests {
    private let alice = LinkSample.identity(1)
    private let bob = LinkSample.identity(2)

    @Test("open on both ends after three hellos")
    func opening() {
        var atAlice = sessions(alice)
        var atBob = sessions(bob)
        let first = atAlice.hello(to: bob.node, firstCounter: 1)
        #expect(atBob.receive(first) == .init(answer: true))
        #expect(atBob[alice.node] == nil)
        let second = atBob.answer(to: first, firstCounter: 1)
        #expect(atAlice.receive(second) == .init(opened: true, answer: true))
        let third = atAlice.answer(to: second, firstCounter: 1)
        #expect(third.hasSession)
        #expect(atBob.receive(third) == .init(opened: true))
        #expect(atAlice[bob.node]?.boot == bob.boot)
        #expect(atBob[alice.node]?.boot == alice.boot)
        #expect(atBob.receive(third) == .init(confirmed: true), "the same hello again needs no answer")
        let greeting = atAlice.hello(to: nil, firstCounter: 1)
        #expect(atBob.receive(greeting) == .init(answer: true), "who greets does not say that it knows our run")
        #expect(atAlice.receive(atBob.answer(to: greeting, firstCounter: 1)) == .init(confirmed: true))
    }

    @Test("replace an earlier run's, whose recorded hellos then open nothing")
    func replay() throws {
        var atBob = sessions(bob)
        var atAlice = sessions(alice)
        let recorded = open(&atAlice, alice, &atBob, bob)
        let restarted = LinkSample.identity(1, boot: 555)
        var atRestarted = sessions(restarted)
        let later = open(&atRestarted, restarted, &atBob, bob)
        #expect(atBob[alice.node]?.boot == restarted.boot)
        for hello in recorded {
            let outcome = atBob.receive(hello)
            #expect(!outcome.opened && outcome.ended == nil)
            #expect(outcome.dropped == (hello.echo == nil ? nil : .staleEcho))
        }
        #expect(atBob[alice.node]?.boot == restarted.boot)
        atBob.forget(alice.node)
        for hello in recorded + later { #expect(!atBob.receive(hello).opened) }
        #expect(atBob.count == 0)
    }

    @Test("begin again after one end has forgotten, though the boots are the same")
    func forgetting() throws {
        var atAlice = sessions(alice)
        var atBob = sessions(bob)
        _ = open(&atAlice, alice, &atBob, bob)
        #expect(atBob.forget(alice.node) == alice.end)
        #expect(atBob.forget(alice.node) == nil)
        // Alice, who still has hers, speaks up with an echo that is no longer current.
        let stale = atAlice.hello(to: bob.node, firstCounter: 9)
        #expect(atBob.receive(stale) == .init(answer: true, dropped: .staleEcho))
        let answer = atBob.answer(to: stale, firstCounter: 1)
        #expect(atAlice.receive(answer).answer)
        #expect(atBob.receive(atAlice.answer(to: answer, firstCounter: 9)).opened)
    }

    @Test("refuse our own hello, a copied identity, another wire version and messages too large")
    func refusals() {
        var atBob = sessions(bob)
        var hello = atBob.hello(to: nil, firstCounter: 1)
        #expect(atBob.receive(hello) == .init(dropped: .reflected))
        hello.sender = LinkEnd(node: bob.node, boot: alice.boot)
        #expect(atBob.receive(hello) == .init(dropped: .duplicateIdentity))
        hello.sender = alice.end
        let next = WireVersions.spoken.highest + 1
        for foreign in [WireVersions(1...1), WireVersions(next...next + 2)] {
            hello.versions = foreign
            #expect(atBob.receive(hello) == .init(dropped: .unknownVersion))
        }
        hello.versions = .spoken
        hello.messageLimit = 2 * 1024 * 1024
        #expect(atBob.receive(hello) == .init(dropped: .limitMismatch))
        hello.messageLimit = .max
        #expect(atBob.receive(hello) == .init(dropped: .limitMismatch))
    }

    @Test("open between builds of adjacent versions, and not where there is none in common")
    func adjacentVersions() {
        let cases: [(ClosedRange<UInt8>, ClosedRange<UInt8>, Bool)] = [
            (2...3, 2...2, true), (2...3, 3...4, true), (2...2, 3...4, false),
        ]
        for (one, other, isOpen) in cases {
            let left = LinkSample.identity(1, versions: WireVersions(one))
            let right = LinkSample.identity(2, versions: WireVersions(other))
            var (atLeft, atRight) = (sessions(left), sessions(right))
            _ = open(&atLeft, left, &atRight, right)
            #expect((atLeft[right.node] != nil) == isOpen && (atRight[left.node] != nil) == isOpen, "\(one) \(other)")
        }
    }

    @Test("hold two runs of one node apart where they may be copies, and let the one heard of least go for a third")
    func twins() {
        var atBob = LinkSessions(identity: bob, bound: 8, frameLimit: 2 * 1024 * 1024, runsPerNode: 2)
        let runs = [555, 556, 557].map { LinkSample.identity(1, boot: $0) }
        var recorded: [LinkHello] = []
        for run in runs[..<2] {
            var there = sessions(run)
            recorded += open(&there, run, &atBob, bob)
        }
        #expect(atBob[runs[0].end] != nil && atBob[runs[1].end] != nil && atBob.count == 2)
        atBob.heard(runs[0].end)
        var there = sessions(runs[2])
        _ = open(&there, runs[2], &atBob, bob)
        #expect(atBob[runs[0].end] != nil && atBob[runs[1].end] == nil && atBob[runs[2].end] != nil)
        for hello in recorded where hello.sender == runs[1].end { #expect(!atBob.receive(hello).opened) }
        // A copy of this very node is met too, so that the two can find out who is to go.
        let copy = LinkSample.identity(2, boot: 999)
        var atCopy = LinkSessions(identity: copy, bound: 8, frameLimit: 2 * 1024 * 1024, runsPerNode: 2)
        _ = open(&atCopy, copy, &atBob, bob)
        #expect(atBob[copy.end] != nil && atCopy[bob.end] != nil)
    }

    @Test("stay within their bound; the one unheard for longest goes")
    func bound() {
        var atBob = LinkSessions(identity: bob, bound: 2, frameLimit: 2 * 1024 * 1024)
        let peers = [3, 4, 5].map { LinkSample.identity($0) }
        for peer in peers[..<2] {
            var there = sessions(peer)
            _ = open(&there, peer, &atBob, bob)
        }
        atBob.heard(peers[0].node)
        var there = sessions(peers[2])
        _ = open(&there, peers[2], &atBob, bob)
        #expect(atBob.count == 2)
        #expect(atBob[peers[1].node] == nil)
    }

    @Test(
        "open at both ends however hellos are lost, doubled and delayed, and both agree",
        arguments: 1...50 as ClosedRange<UInt64>)
    func convergence(seed: UInt64) {
        var random = RandomSource(seed: seed)
        var tables = [sessions(alice), sessions(bob)]
        let nodes = [alice.node, bob.node]
        var wire: [(to: Int, hello: LinkHello)] = []
        func step(losing: Bool) {
            for (index, other) in [(0, 1), (1, 0)] where tables[index][nodes[other]] == nil {
                wire.append((other, tables[index].hello(to: nodes[other], firstCounter: 1)))
            }
            for _ in 0..<8 where !wire.isEmpty {
                let choice = losing ? Int.random(in: wire.indices, using: &random) : 0
                let fate = losing ? Int.random(in: 0..<4, using: &random) : 0
                let (to, hello) = fate == 1 ? wire[choice] : wire.remove(at: choice)
                if fate == 2 { continue }
                if tables[to].receive(hello).answer {
                    wire.append((1 - to, tables[to].answer(to: hello, firstCounter: 1)))
                }
            }
            if wire.count > 64 { wire.removeFirst(wire.count - 64) }
            if losing, Int.random(in: 0..<10, using: &random) == 0 {
                let index = Int.random(in: 0..<2, using: &random)
                tables[index].forget(nodes[1 - index])
            }
        }
        for _ in 0..<100 { step(losing: true) }
        for _ in 0..<40 { step(losing: false) }
        #expect(tables[0][bob.node]?.boot == bob.boot, "seed \(seed)")
        #expect(tables[1][alice.node]?.boot == alice.boot, "seed \(seed)")
        #expect(wire.isEmpty, "seed \(seed): the hellos come to an end")
    }

    private func sessions(_ identity: LinkIdentity) -> LinkSessions {
        LinkSessions(identity: identity, bound: 8, frameLimit: 2 * 1024 * 1024)
    }

    /// Opens a session and gives back the hellos that `near` sent for it.
    private func open(
        _ near: inout LinkSessions, _ nearby: LinkIdentity, _ far: inout LinkSessions, _ faraway: LinkIdentity
    ) -> [LinkHello] {
        var sent = [near.hello(to: faraway.node, firstCounter: 1)]
        while let hello = sent.last, far.receive(hello).answer {
            let answer = far.answer(to: hello, firstCounter: 1)
            guard near.receive(answer).answer else { break }
            sent.append(near.answer(to: answer, firstCounter: 1))
        }
        return sent
    }
}
