import Broker
import Model
import Testing

@Suite("A branch of a connection")
struct BranchTests {
    @Test("follows a topic from a place of its own, and gets each message once more")
    func places() {
        let bench = Bench()
        bench.create("t")
        bench.publish("t", "1")
        bench.deliver()
        let client = bench.open(0)
        let (first, second) = (bench.branch(1, of: client), bench.branch(2, of: client))
        let filter = TopicFilter(topic("t"))
        bench.send(.subscribe(Command.Subscribe(filters: [filter], since: .start(.beginning))), from: first)
        bench.send(.subscribe(Command.Subscribe(filters: [filter])), from: second)
        bench.settle()
        bench.publish("t", "2")
        bench.deliver()
        bench.settle()
        #expect(bench.lines(client) == ["opened alice"])
        #expect(bench.lines(first) == ["subscribed t {}", "event t A:1 1", "event t A:2 2"])
        #expect(bench.lines(second) == ["subscribed t {A:1}", "event t A:2 2"])
        bench.run { shard, effects in shard.closed(first, into: &effects) }
        bench.publish("t", "3")
        bench.deliver()
        #expect(bench.lines(second) == ["event t A:3 3"])
        #expect(bench.lines(first) == [])
    }

    @Test("may do what its connection may, also after that has proved to be somebody else")
    func principals() {
        let bench = Bench()
        bench.create("t", mask: .ownerOnly)
        let client = bench.open(0)
        let branch = bench.branch(1, of: client)
        bench.send(.subscribe(Command.Subscribe(filters: [TopicFilter(topic("t"))])), from: branch)
        bench.settle()
        #expect(bench.lines(branch) == ["subscribed t {}"])
        bench.send(.authenticate(token: "x"), from: client)
        let (connection, reference, _) = bench.verifications[0]
        bench.run {
            $0.verified(
                connection, reference, .success(Principal(user: "bob", roles: ["user"])), at: bench.now, into: &$1)
            $0.adopt(branch, from: client, into: &$1)
        }
        #expect(bench.lines(branch) == ["ended t PERMISSION_DENIED"])
    }

    @Test("of a stranger may do nothing")
    func strangers() {
        let bench = Bench()
        bench.create("t")
        let branch = bench.branch(1, of: bench.open(0, nil))
        bench.send(.subscribe(Command.Subscribe(filters: [TopicFilter(topic("t"))])), from: branch)
        #expect(bench.lines(branch) == ["refused AUTH_REQUIRED: authentication is required: give a token"])
    }
}
