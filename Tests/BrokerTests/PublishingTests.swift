import Broker
import Model
import Testing

@Suite("A publish")
struct PublishingTests {
    let bench = Bench()

    @Test("is answered at once when it was accepted, and later when it must be stored or replicated")
    func levels() {
        bench.create("t")
        let client = bench.open(0)
        for level in [Acknowledgement.accepted, .stored, .replicated] {
            bench.send(.say("t", "1", level), from: client)
        }
        #expect(bench.lines(client) == ["opened alice", "published t A:1 accepted"])
        bench.durable()
        #expect(bench.lines(client) == ["published t A:2 stored"])
        bench.run { $0.replicated(through: bench.ledger.sequence, into: &$1) }
        #expect(bench.lines(client) == ["published t A:3 replicated"])
    }

    @Test("that asks for no answer gets one only when it is refused")
    func silent() {
        bench.create("t")
        let client = bench.open(0)
        bench.send(.say("t", "1", .none), from: client)
        bench.send(.say("t", "1", .accepted), from: client, wantsReply: false)
        bench.send(.say("u", "1", .none), from: client, wantsReply: false)
        #expect(
            bench.lines(client) == [
                "opened alice", "refused TOPIC_NOT_FOUND: topic \"u\" does not exist: create it first",
            ])
    }

    @Test("among others of its batch is answered in its turn, refused or not")
    func order() {
        bench.create("t")
        let client = bench.open(0)
        let commands: [Command] = [.say("t"), .say("u"), .say("t"), .ping, .say("t")]
        let requests = commands.map { command in
            (
                connection: client,
                request: Request(
                    reference: RequestReference(id: nil, method: "test"), command: command)
            )
        }
        bench.run { $0.receive(requests, ledger: bench.ledger, at: bench.now, into: &$1) }
        #expect(
            bench.lines(client) == [
                "opened alice", "published t A:1 accepted",
                "refused TOPIC_NOT_FOUND: topic \"u\" does not exist: create it first", "published t A:2 accepted",
                "pong",
                "published t A:3 accepted",
            ])
    }

    @Test("that is repeated under its messageId gets the same place, and is settled")
    func repeated() {
        bench.create("t")
        let client = bench.open(0)
        bench.send(.say("t", "1", .accepted, messageID: "m"), from: client)
        bench.send(.say("t", "1", .stored, messageID: "m"), from: client)
        #expect(bench.lines(client).suffix(2) == ["published t A:1 accepted", "published t A:1 stored"])
    }

    @Test("whose level is not reached within 5 s is told that the outcome is unknown, and never again")
    func late() {
        bench.create("t")
        let client = bench.open(0)
        bench.send(.say("t", "1", .stored), from: client)
        bench.send(.say("t", "1", .replicated), from: client)
        #expect(bench.shard.nextDeadline == .zero + .seconds(5))
        bench.wait(.milliseconds(4_999))
        #expect(bench.lines(client) == ["opened alice"])
        bench.wait(.milliseconds(1))
        let advice = "within 5 s: the outcome is unknown, a retry with the same messageId is safe"
        #expect(
            bench.lines(client) == [
                "refused INTERNAL_ERROR: not stored on this node's disk \(advice)",
                "refused NOT_REPLICATED: not replicated to a majority \(advice)",
            ])
        bench.durable()
        bench.run { $0.replicated(through: bench.ledger.sequence, into: &$1) }
        #expect(bench.lines(client) == [])
        #expect(bench.shard.nextDeadline == .distantFuture)
    }

    @Test("to a topic kept in memory cannot be stored")
    func memory() {
        bench.create("t", durability: .memory)
        let client = bench.open(0)
        bench.send(.say("t", "1", .accepted), from: client)
        bench.send(.say("t", "1", .stored), from: client)
        #expect(
            bench.lines(client).suffix(2) == [
                "published t A:1 accepted",
                "refused NOT_SUPPORTED: topic \"t\" is kept in memory: \"ack\" may be \"none\" or \"accepted\"",
            ])
    }

    @Test("past the requests that may wait is refused until one is settled")
    func pending() {
        var settings = ShardSettings()
        settings.pendingRequestsPerConnection = 1
        let bench = Bench(settings: settings)
        bench.create("t")
        let client = bench.open(0)
        bench.send(.say("t", "1", .stored), from: client)
        bench.send(.say("t", "2", .stored), from: client)
        #expect(bench.lines(client).last == "refused RATE_LIMIT_EXCEEDED: too many messages: slow down")
        bench.durable()
        bench.send(.say("t", "3", .accepted), from: client)
        #expect(bench.lines(client) == ["published t A:1 stored", "published t A:2 accepted"])
    }

    @Test("with too long a messageId is told the limit")
    func longID() {
        bench.create("t")
        let client = bench.open(0)
        bench.send(.say("t", "1", .accepted, messageID: String(repeating: "x", count: 256)), from: client)
        #expect(
            bench.lines(client).last == "refused INVALID_MESSAGE: \"messageId\" has 256 bytes; at most 255 are allowed")
    }

    @Test("of a connection that closed before the ack is forgotten")
    func closed() {
        bench.create("t")
        let client = bench.open(0)
        bench.send(.say("t", "1", .stored), from: client)
        bench.close(client)
        _ = bench.lines(client)
        let next = bench.open(0)
        bench.durable()
        #expect(bench.lines(client) == [] && bench.lines(next) == ["opened alice"])
    }
}
