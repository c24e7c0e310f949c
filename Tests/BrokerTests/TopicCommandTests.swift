import Broker
import Model
import Testing

@Suite("Topic commands")
struct TopicCommandTests {
    let bench = Bench()

    private func create(_ name: String, _ change: (inout Command.CreateTopic) -> Void = { _ in }) -> Command {
        var create = Command.CreateTopic(name: topic(name))
        change(&create)
        return .createTopic(create)
    }

    @Test("create a topic, answered when stored, usable at once by the one who asked")
    func creation() {
        let client = bench.open(0)
        bench.send(create("t"), from: client)
        bench.send(.say("t"), from: client)
        #expect(bench.lines(client) == ["opened alice", "published t A:1 accepted"])
        bench.durable()
        #expect(bench.lines(client) == ["created t"])
        bench.send(create("t"), from: client)
        #expect(bench.lines(client) == ["refused TOPIC_EXISTS: topic \"t\" exists already"])
    }

    @Test("refuse tables in memory, system names and other owners")
    func refusals() {
        let client = bench.open(0)
        bench.send(create("t") {
            $0.kind = .table
            $0.durability = .memory
        }, from: client)
        bench.send(create("$t"), from: client)
        bench.send(create("t") { $0.owner = "bob" }, from: client)
        #expect(
            bench.lines(client).dropFirst() == [
                "refused NOT_SUPPORTED: a table is kept on disk: \"durability\" must be \"disk\"",
                "refused PERMISSION_DENIED: no permission to create on topic \"$t\"",
                "refused PERMISSION_DENIED: no permission to create for another owner on topic \"t\"",
            ])
        let admin = bench.open(1, Principal(user: "root", roles: ["admin"]))
        bench.send(create("$t") { $0.owner = "bob" }, from: admin)
        bench.durable()
        #expect(bench.lines(admin).last == "created $t")
    }

    @Test("list what may be read, in order, in pages")
    func list() {
        for name in ["c", "a", "b/x"] { bench.create(name) }
        bench.create("secret", mask: .ownerOnly)
        let (owner, guest) = (bench.open(0), bench.open(1, Principal(user: "bob", roles: ["user"])))
        bench.send(.listTopics(Command.ListTopics()), from: owner)
        bench.send(.listTopics(Command.ListTopics(limit: 2)), from: guest)
        bench.send(.listTopics(Command.ListTopics(limit: 2, after: topic("b/x"))), from: guest)
        bench.send(.listTopics(Command.ListTopics(filter: filter("b/+"))), from: guest)
        bench.send(.listTopics(Command.ListTopics(limit: 0)), from: guest)
        #expect(bench.lines(owner).last == "topics a b/x c secret")
        #expect(
            bench.lines(guest).dropFirst() == [
                "topics a b/x …", "topics c", "topics b/x",
                "refused INVALID_MESSAGE: \"limit\" is 0; it must be 1 to 10000",
            ])
    }

    @Test("describe a topic, tell its mask and read its history")
    func reading() {
        bench.create("t")
        for number in 1...3 { bench.publish("t", "\(number)") }
        let client = bench.open(0)
        bench.send(.describeTopic(topic("t")), from: client)
        bench.send(.topicPermission(topic("t")), from: client)
        bench.send(.history(Command.History(topic: topic("t"), limit: 2)), from: client)
        let (id, definition) = bench.describes.removeFirst()
        let description = TopicDescription(
            definition: definition, statistics: TopicStatistics(messages: 3, bytes: 3), subscribers: 7, heads: Cursor())
        bench.run { $0.described(id, .success(description), into: &$1) }
        bench.settle()
        #expect(
            bench.lines(client).dropFirst() == [
                "permission t \(PermissionMask.standard.rawValue)", "topic t of 7", "history t 2 {A:3}",
            ])
        bench.send(.history(Command.History(topic: topic("t"), limit: 1_001)), from: client)
        #expect(bench.lines(client) == ["refused INVALID_MESSAGE: \"limit\" is 1001; it must be 1 to 1000"])
    }

    @Test("change and destroy a topic, answered when stored")
    func changes() {
        bench.create("t")
        let client = bench.open(0)
        bench.send(.changeTopic(topic("t"), retention: nil, permission: .ownerOnly), from: client)
        bench.send(.destroyTopic(topic("t")), from: client)
        bench.send(.destroyTopic(topic("t")), from: client)
        bench.durable()
        #expect(
            bench.lines(client).dropFirst() == [
                "refused TOPIC_NOT_FOUND: topic \"t\" does not exist: create it first", "changed t", "destroyed t",
            ])
    }
}
