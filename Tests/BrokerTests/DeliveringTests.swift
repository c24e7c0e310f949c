import Broker
import Model
import Testing

@Suite("Delivery")
struct DeliveringTests {
    let bench = Bench()

    @Test("tells conditional subscribers of what they were not shown, before the next event")
    func conditions() {
        bench.create("t")
        let client = bench.open(0)
        bench.send(
            .follow("t", conditions: [.field("colour", equals: Array(#""red""#.utf8))]), from: client)
        for colour in ["red", "blue", "blue", "red", "green"] { bench.publish("t", #"{"colour":"\#(colour)"}"#) }
        bench.deliver()
        #expect(
            bench.lines(client) == [
                "opened alice", "subscribed t {}", #"event t A:1 {"colour":"red"}"#, "cursor t {A:3}",
                #"event t A:4 {"colour":"red"}"#,
            ])
        bench.wait(.seconds(10))
        #expect(bench.lines(client) == ["cursor t {A:5}"])
        bench.wait(.seconds(10))
        #expect(bench.lines(client) == [])
    }

    @Test("compares fields as JSON values and takes a payload that is no object for one without fields")
    func equality() {
        bench.create("t")
        let client = bench.open(0)
        let wanted = Array(#"{"b": 1.0, "a": [true]}"#.utf8)
        bench.send(.follow("t", conditions: [.event("new-message"), .field("k", equals: wanted)]), from: client)
        for payload in [#"{"k":{"a":[true],"b":1}}"#, #"{"k":{"a":[true]}}"#, "7", #"{"j":1}"#] {
            bench.publish("t", payload)
        }
        bench.deliver()
        #expect(bench.lines(client).dropFirst(2) == [#"event t A:1 {"k":{"a":[true],"b":1}}"#])
    }

    @Test("lets events of any of the named types pass, and no other")
    func events() {
        bench.create("t")
        let (client, other) = (bench.open(0), bench.open(1))
        bench.send(.follow("t", conditions: [.anyEvent(["sale", "new-message"])]), from: client)
        bench.send(.follow("t", conditions: [.anyEvent(["sale", "refund"])]), from: other)
        bench.publish("t", "7")
        bench.deliver()
        #expect(bench.lines(client).dropFirst(2) == ["event t A:1 7"])
        #expect(bench.lines(other).dropFirst(2) == [])
        let twice = Command.follow("t", conditions: [.event("sale"), .anyEvent(["refund"])])
        bench.send(twice, from: client)
        #expect(bench.lines(client) == ["refused INVALID_MESSAGE: a filter names the event twice; name it once"])
    }

    @Test("refuses a condition that is no JSON")
    func badCondition() {
        bench.create("t")
        let client = bench.open(0)
        bench.send(.follow("t", conditions: [.field("k", equals: Array("{".utf8))]), from: client)
        #expect(bench.lines(client).last?.hasPrefix("refused INVALID_MESSAGE: the filter on \"k\" is no JSON") == true)
    }

    @Test("tells list receivers of silent messages before the next event, or at the end of the batch")
    func silent() {
        bench.create("t")
        let client = bench.open(0)
        bench.send(.follow("t"), from: client)
        bench.ledger.publishRemotely(topic("t"), "1", isSilent: true)
        bench.ledger.publishRemotely(topic("t"), "2", isSilent: true)
        bench.publish("t", "3")
        bench.ledger.publishRemotely(topic("t"), "4", isSilent: true)
        bench.deliver()
        #expect(bench.lines(client).dropFirst(2) == ["cursor t {B:2}", "event t A:1 3", "cursor t {B:3}"])
    }

    @Test("tells everybody of a jump in a live partition as a gap")
    func jump() {
        bench.create("t")
        let (listed, choosy) = (bench.open(0), bench.open(1))
        bench.send(.follow("t"), from: listed)
        bench.send(.follow("t", conditions: [.event("new-message")]), from: choosy)
        bench.ledger.publishRemotely(topic("t"), "1")
        bench.ledger.publishRemotely(topic("t"), "4", lost: 2)
        bench.deliver()
        for client in [listed, choosy] {
            #expect(bench.lines(client).dropFirst(2) == ["event t B:1 1", "gap t B:2-3 lost", "event t B:4 4"])
        }
    }

    @Test("is one effect for a topic and message, whatever the number of receivers")
    func fanOut() {
        bench.create("t")
        let clients = (0..<100).map { bench.open($0) }
        for client in clients { bench.send(.follow("t"), from: client) }
        bench.publish("t", "1")
        var effects: [ShardEffect] = []
        bench.shard.deliver(bench.ledger.take(), at: bench.now, into: &effects)
        #expect(effects.count == 1)
        #expect(bench.shard.counters.delivered == 100)
    }

    @Test("to a congested connection comes from the log, in pages, and joins the list again when level")
    func congested() {
        var settings = ShardSettings()
        settings.pageMessages = 2
        settings.recentMessages = 1
        let bench = Bench(settings: settings)
        bench.create("t")
        let client = bench.open(0)
        bench.send(.follow("t"), from: client)
        bench.publish("t", "1")
        bench.deliver()
        bench.congest(client)
        for number in 2...5 { bench.publish("t", "\(number)") }
        bench.deliver()
        #expect(bench.lines(client).dropFirst(2) == ["event t A:1 1"])
        #expect(bench.reads.isEmpty && bench.lists.isEmpty)
        bench.drain(client)
        bench.answerRead()
        #expect(bench.lines(client) == ["event t A:2 2", "event t A:3 3"])
        bench.congest(client)
        bench.settle()
        #expect(bench.lines(client) == [])
        bench.drain(client)
        bench.settle()
        bench.publish("t", "6")
        bench.deliver()
        #expect(bench.lines(client) == ["event t A:4 4", "event t A:5 5", "event t A:6 6"])
        #expect(bench.lists.values.map(\.count) == [1])
    }

    @Test("to a congested connection that missed nothing goes on without a read")
    func idle() {
        bench.create("t")
        let client = bench.open(0)
        bench.send(.follow("t"), from: client)
        bench.congest(client)
        bench.drain(client)
        #expect(bench.reads.isEmpty && bench.lists.values.map(\.count) == [1])
    }

    @Test("reads for a connection only as many topics at once as it may")
    func reads() {
        var settings = ShardSettings()
        settings.catchUpsPerConnection = 2
        let bench = Bench(settings: settings)
        for name in ["a", "b", "c"] {
            bench.create(name)
            bench.publish(name, "1")
        }
        bench.deliver()
        let client = bench.open(0)
        bench.send(.follow("a", "b", "c", since: .start(.beginning)), from: client)
        #expect(bench.reads.count == 2)
        bench.settle()
        #expect(
            Set(bench.lines(client).filter { $0.hasPrefix("event") }) == [
                "event a A:1 1", "event b A:1 1", "event c A:1 1",
            ])
    }

    @Test("ends a subscription whose log cannot be read, and says why")
    func failedRead() {
        bench.create("t")
        bench.publish("t", "1")
        bench.deliver()
        let client = bench.open(0)
        bench.send(.follow("t", since: .start(.beginning)), from: client)
        bench.answerRead()
        bench.answer(bench.reads.removeFirst().id, .failure(.internal("the disk does not answer")))
        #expect(bench.lines(client).last == "ended t INTERNAL_ERROR")
        #expect(bench.shard.subscriptionCount == 0)
    }

    @Test("of a restarted shard goes on after the heads that it was given")
    func restart() {
        bench.create("t")
        bench.publish("t", "1")
        bench.deliver()
        let restarted = Bench(ledger: bench.ledger)
        let client = restarted.open(0)
        restarted.send(.follow("t", since: .start(.beginning)), from: client)
        restarted.settle()
        restarted.publish("t", "2")
        restarted.deliver()
        #expect(restarted.lines(client) == ["opened alice", "subscribed t {}", "event t A:1 1", "event t A:2 2"])
    }
}
