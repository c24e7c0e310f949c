import Broker
import Model
import Testing

@Suite("A connection with a limit of requests a second")
struct MeteringTests {
    private let told = "told RATE_LIMIT_EXCEEDED: too many messages: slow down"

    private func bench(_ rate: Int, burst: Int? = nil) -> Bench {
        var settings = ShardSettings()
        settings.requestsPerSecond = rate
        settings.requestBurst = burst
        let bench = Bench(settings: settings)
        bench.create("t")
        return bench
    }

    private func say(_ count: Int, _ bench: Bench, _ client: ConnectionID) -> [String] {
        for _ in 0..<count { bench.send(.say("t", "1", .none), from: client) }
        return bench.lines(client)
    }

    @Test("is not read while it is over its budget, told so once, and loses nothing that was read already")
    func holds() {
        let bench = bench(10, burst: 2)
        let client = bench.open(0)
        #expect(say(2, bench, client) == ["opened alice"])
        #expect(say(3, bench, client) == ["held", told])
        #expect(bench.ledger.records.count == 6, "the topic and five messages")
        bench.wait(.milliseconds(299))
        #expect(bench.lines(client) == [])
        bench.wait(.milliseconds(1))
        #expect(bench.lines(client) == ["released"])
        #expect(say(1, bench, client) == ["held"], "the same excess: it was told already")
        #expect(bench.shard.counters.holds == 2)
    }

    @Test("is told again once it has been calm for a quarter of a second, and only then")
    func calm() {
        let bench = bench(10, burst: 1)
        let client = bench.open(0)
        #expect(say(2, bench, client) == ["opened alice", "held", told])
        bench.wait(.milliseconds(100))
        bench.wait(.milliseconds(249))
        #expect(bench.lines(client) == ["released"])
        #expect(say(2, bench, client) == ["held"])
        bench.wait(.milliseconds(100))
        bench.wait(.milliseconds(250))
        #expect(bench.lines(client) == ["released"])
        #expect(say(2, bench, client) == ["held", told])
    }

    @Test("is closed with 1008 after ten seconds of excess, and not a moment before")
    func persistence() {
        let bench = bench(100)
        let client = bench.open(0)
        _ = say(101, bench, client)
        for _ in 0..<999 {
            bench.wait(.milliseconds(10))
            // What waits in the client's socket is read in the moment in which it may be.
            if bench.lines(client).contains("released") { _ = say(5, bench, client) }
        }
        #expect(bench.closes == [])
        bench.wait(.milliseconds(10))
        #expect(bench.closes == ["1008 RATE_LIMIT_EXCEEDED: more than 100 requests a second for 10 s"])
        #expect(bench.shard.counters.excesses == 1)
    }

    @Test("is not closed for bursts with calm between them")
    func bursts() {
        let bench = bench(100)
        let client = bench.open(0)
        for _ in 0..<20 {
            _ = say(150, bench, client)
            bench.wait(.milliseconds(500))
            bench.wait(.seconds(1))
            #expect(bench.lines(client).filter { $0 == "released" }.count == 1)
        }
        #expect(bench.closes == [] && bench.shard.counters.holds == 20)
    }

    @Test("shares no budget with others, and is forgotten when it closes while held")
    func others() {
        let bench = bench(1)
        let (first, second) = (bench.open(0), bench.open(1))
        _ = say(20, bench, first)
        #expect(say(1, bench, second) == ["opened alice"])
        bench.close(first)
        let next = bench.open(0)
        bench.wait(.seconds(30))
        #expect(bench.lines(first) == [] && bench.lines(next) == ["opened alice"] && bench.closes == [])
    }

    @Test("never ends where there is none")
    func unlimited() {
        let bench = Bench()
        bench.create("t")
        let client = bench.open(0)
        #expect(say(10_000, bench, client) == ["opened alice"])
        #expect(bench.shard.counters.holds == 0)
    }
}

@Suite("A connection that came without a token")
struct FirstMessageTests {
    let bench = Bench()
    let alice = Principal(user: "alice", roles: ["user"])

    private func verify(_ result: Result<Principal, Refusal>) {
        let (connection, reference, _) = bench.verifications.removeFirst()
        bench.run { $0.verified(connection, reference, result, at: bench.now, into: &$1) }
    }

    @Test("may do nothing but authenticate, and then what its token allows")
    func authenticates() {
        bench.create("t")
        let client = bench.open(0, nil)
        for command in [Command.say("t"), .follow("t"), .listTopics(Command.ListTopics())] {
            bench.send(command, from: client)
        }
        let required = "refused AUTH_REQUIRED: authentication is required: give a token"
        #expect(bench.lines(client) == ["opened ", required, required, required])
        bench.send(.authenticate(token: "good"), from: client)
        verify(.success(alice))
        bench.send(.say("t"), from: client)
        bench.wait(.seconds(60))
        #expect(bench.lines(client) == ["authenticated alice", "published t A:1 accepted"] && bench.closes == [])
    }

    @Test("is told and closed with 1008 when it stays silent, or says other things, for ten seconds")
    func silence() {
        let (silent, chatty) = (bench.open(0, nil), bench.open(1, nil))
        bench.wait(.milliseconds(9_999))
        bench.send(.ping, from: chatty)
        #expect(bench.closes == [])
        bench.wait(.milliseconds(1))
        let reason = "1008 AUTH_REQUIRED: authentication is required: give a token"
        #expect(bench.closes == [reason, reason])
        #expect(bench.lines(silent).last == "told AUTH_REQUIRED: authentication is required: give a token")
        #expect(bench.shard.counters.unauthenticated == 2)
    }

    @Test("has one try: a bad token is refused and ends it, and no second one is looked at meanwhile")
    func badToken() {
        let client = bench.open(0, nil)
        for _ in 0..<3 { bench.send(.authenticate(token: "bad"), from: client) }
        #expect(bench.verifications.count == 1)
        verify(.failure(.authenticationFailed("no")))
        #expect(bench.lines(client).last == "refused AUTH_FAILED: authentication failed: no")
        #expect(bench.closes == ["1008 AUTH_FAILED: authentication failed: no"])
    }
}
