import Broker
import Model
import Testing

@Suite("A subscription")
struct SubscribingTests {
    let bench = Bench()

    @Test("begins now where no start is given, and gets each message once")
    func beginsNow() {
        bench.create("t")
        bench.publish("t", "1")
        let client = bench.open(0)
        bench.publish("t", "2")
        bench.send(.follow("t"), from: client)
        bench.publish("t", "3")
        bench.deliver()
        #expect(bench.lines(client) == ["opened alice", "subscribed t {A:2}", "event t A:3 3"])
    }

    @Test("to a topic that does not exist is refused")
    func unknown() {
        let client = bench.open(0)
        bench.send(.follow("t"), from: client)
        #expect(bench.lines(client).last == "refused TOPIC_NOT_FOUND: topic \"t\" does not exist: create it first")
    }

    @Test("to a topic that another loop created a moment ago finds it in the mailbox")
    func justCreated() {
        let client = bench.open(0)
        _ = bench.ledger.createTopic(
            TopicCreation(
                name: topic("t"), kind: .stream, durability: .disk, owner: "bob", groups: [], settings: TopicSettings())
        )
        bench.send(.follow("t"), from: client)
        #expect(bench.lines(client).last == "subscribed t {}")
    }

    @Test("to several topics is answered one by one, the unknown ones too")
    func several() {
        bench.create("a")
        bench.create("c")
        let client = bench.open(0)
        bench.send(.follow("a", "b", "c"), from: client)
        let lines = bench.lines(client)
        #expect(lines.count == 4)
        #expect(
            lines[1] == "subscribed a {}" && lines[2].hasPrefix("refused TOPIC_NOT") && lines[3] == "subscribed c {}")
    }

    @Test("with a cursor gets what follows it, then the live stream, and is told how much is lost")
    func resumes() {
        bench.create("t")
        for number in 1...6 { bench.publish("t", "\(number)") }
        bench.deliver()
        bench.ledger.expire(4)  // offset 3: the creation has local sequence 1
        let client = bench.open(0)
        let cursor = Cursor([Partition(origin: bench.ledger.home, generation: 1): 2])
        bench.send(.follow("t", since: .start(.cursor(cursor))), from: client)
        #expect(bench.lines(client) == ["opened alice"])
        bench.settle()
        bench.publish("t", "7")
        bench.deliver()
        #expect(
            bench.lines(client) == [
                "subscribed t {A:2} missed 1", "gap t A:3-3 expired", "event t A:4 4", "event t A:5 5", "event t A:6 6",
                "event t A:7 7",
            ])
        #expect(bench.lists.values.map(\.count) == [1])
    }

    @Test("that is level with the live stream needs no page")
    func level() {
        bench.create("t")
        bench.publish("t", "1")
        bench.deliver()
        let client = bench.open(0)
        bench.send(.follow("t", since: .start(.cursor(bench.ledger.head(topic("t"))))), from: client)
        bench.answerRead()
        #expect(bench.reads.isEmpty)
        #expect(bench.lists.values.map(\.count) == [1])
    }

    @Test("whose cursor is ahead of this node waits for it, and gets nothing twice")
    func ahead() {
        bench.create("t")
        bench.ledger.publishRemotely(topic("t"), "1")
        bench.deliver()
        let client = bench.open(0)
        let ahead = Cursor([Partition(origin: TestLedger.origin(2), generation: 1): 3])
        bench.send(.follow("t", since: .start(.cursor(ahead))), from: client)
        bench.settle()
        for number in 2...5 { bench.ledger.publishRemotely(topic("t"), "\(number)") }
        bench.deliver()
        #expect(bench.lines(client) == ["opened alice", "subscribed t {B:3}", "event t B:4 4", "event t B:5 5"])
        #expect(bench.lists.values.map(\.count) == [1])
    }

    @Test("whose cursor names an offset that this node has never given is refused, and withholds nothing")
    func invented() {
        bench.create("t")
        bench.publish("t", "1")
        let client = bench.open(0)
        let cursor = Cursor([Partition(origin: bench.ledger.home, generation: 1): 3])
        bench.send(.follow("t", since: .start(.cursor(cursor))), from: client)
        let answer = bench.lines(client).last ?? ""
        #expect(answer.hasPrefix("refused INVALID_MESSAGE: \"since\" of topic \"t\" names offset 3"))
        #expect(answer.contains("whose last is 1"))
        #expect(bench.shard.subscriptionCount == 0)
    }

    @Test("that names a forgotten epoch is told so")
    func forgotten() {
        bench.create("t")
        let client = bench.open(0)
        let partition = Partition(origin: TestLedger.origin(7), generation: 1)
        bench.send(.follow("t", since: .start(.cursor(Cursor([partition: 3])))), from: client)
        bench.answer(bench.reads.removeFirst().id, .success(TopicPage(forgotten: [partition])))
        let answer = bench.lines(client).last ?? ""
        #expect(answer.hasPrefix("refused CURSOR_TOO_OLD") && answer.contains("missed of \(partition)"))
        #expect(bench.shard.subscriptionCount == 0)
    }

    @Test("joins the live stream although the log always lags behind it")
    func lag() {
        bench.create("t")
        bench.publish("t", "1")
        bench.deliver()
        let client = bench.open(0)
        bench.send(.follow("t", since: .start(.beginning)), from: client)
        bench.answerRead()
        #expect(bench.reads.count == 1)
        let (id, read) = bench.reads.removeFirst()
        let page = bench.ledger.read(read)
        bench.publish("t", "2")
        bench.deliver()
        bench.answer(id, .success(page))
        #expect(bench.reads.isEmpty)
        bench.publish("t", "3")
        bench.deliver()
        #expect(
            bench.lines(client) == [
                "opened alice", "subscribed t {}", "event t A:1 1", "event t A:2 2", "event t A:3 3",
            ])
    }

    @Test("that begins again at an earlier place is not moved on by the page of a read before")
    func beginsAgain() {
        bench.create("t")
        for number in 1...3 { bench.publish("t", "\(number)") }
        bench.deliver()
        let client = bench.open(0)
        bench.send(.follow("t", since: .start(.last(1))), from: client)
        bench.answerRead()
        let stale = bench.reads.removeFirst()
        bench.send(.follow("t", since: .start(.beginning)), from: client)
        bench.answerRead()
        bench.answer(stale.id, .success(bench.ledger.read(stale.read)))
        bench.settle()
        #expect(
            bench.lines(client) == [
                "opened alice", "subscribed t {A:2}", "subscribed t {}", "event t A:1 1", "event t A:2 2",
                "event t A:3 3",
            ])
    }

    @Test("is not told twice of the part of a gap that it knows")
    func knownGap() {
        bench.create("t")
        let client = bench.open(0)
        let partition = Partition(origin: TestLedger.origin(2), generation: 1)
        bench.send(.follow("t", since: .start(.cursor(Cursor([partition: 2])))), from: client)
        bench.settle()
        bench.ledger.publishRemotely(topic("t"), "5", lost: 4)
        bench.deliver()
        #expect(bench.lines(client).dropFirst() == ["subscribed t {B:2}", "gap t B:3-4 lost", "event t B:5 5"])
    }

    @Test("of a connection that follows the topic already gives each message once, however many filters match")
    func overlapping() {
        bench.create("a/b")
        let client = bench.open(0)
        bench.send(.follow("a/b"), from: client)
        bench.send(.follow("a/+", "#"), from: client)
        bench.settle()
        bench.publish("a/b", "1")
        bench.deliver()
        #expect(bench.lines(client).filter { $0.hasPrefix("event") } == ["event a/b A:1 1"])
        bench.send(.unsubscribe([filter("a/b"), filter("#")]), from: client)
        bench.publish("a/b", "2")
        bench.deliver()
        bench.send(.unsubscribe([filter("a/+")]), from: client)
        bench.publish("a/b", "3")
        bench.deliver()
        #expect(
            bench.lines(client) == [
                "unsubscribed a/b", "unsubscribed #", "event a/b A:2 2", "unsubscribed a/+",
            ])
        #expect(bench.shard.subscriptionCount == 0 && bench.lists.isEmpty)
    }

    @Test("is bounded in number, and says the bound")
    func limit() {
        var settings = ShardSettings()
        settings.subscriptionsPerConnection = 2
        let bench = Bench(settings: settings)
        for name in ["a", "b", "c"] { bench.create(name) }
        let client = bench.open(0)
        bench.send(.follow("a", "b", "c", "a"), from: client)
        #expect(
            bench.lines(client) == [
                "opened alice", "subscribed a {}", "subscribed b {}",
                "refused CONNECTION_LIMIT: a connection may have at most 2 subscriptions", "subscribed a {}",
            ])
    }

    @Test("that is taken back before it is live is answered")
    func takenBack() {
        bench.create("t")
        let client = bench.open(0)
        bench.send(.follow("t", since: .start(.beginning)), from: client)
        bench.send(.unsubscribe([filter("t")]), from: client)
        bench.settle()
        #expect(
            bench.lines(client) == [
                "opened alice", "refused INVALID_MESSAGE: an unsubscribe came before the subscription was live",
                "unsubscribed t",
            ])
        #expect(bench.shard.subscriberCount(of: topic("t")) == 0)
    }

    @Test("ends with its topic, and its client is told")
    func destroyed() {
        bench.create("t")
        let (named, wild) = (bench.open(0), bench.open(1))
        bench.send(.follow("t"), from: named)
        bench.send(.follow("+"), from: wild)
        bench.settle()
        _ = bench.ledger.destroyTopic(topic("t"))
        bench.create("t")
        bench.publish("t", "new")
        bench.deliver()
        #expect(bench.lines(named).last == "ended t TOPIC_NOT_FOUND")
        #expect(bench.lines(wild).last == "event t A2:1 new")
    }
}

@Suite("A wildcard subscription")
struct WildcardTests {
    let bench = Bench()

    @Test("is answered with the cursor of every topic that it matches")
    func cursors() {
        for name in ["a/x", "a/y", "b"] { bench.create(name) }
        bench.publish("a/x", "1")
        let client = bench.open(0)
        bench.send(.follow("a/#"), from: client)
        #expect(bench.lines(client) == ["opened alice"])
        bench.confirm()
        #expect(bench.lines(client) == ["subscribed a/# a/x{A:1} a/y{}"])
    }

    @Test("follows a topic created later from its beginning, in the same batch even")
    func later() {
        let client = bench.open(0)
        bench.send(.follow("a/+"), from: client)
        bench.settle()
        _ = bench.ledger.createTopic(
            TopicCreation(
                name: topic("a/x"), kind: .stream, durability: .disk, owner: "bob", groups: [],
                settings: TopicSettings()))
        bench.publish("a/x", "1")
        bench.deliver()
        #expect(bench.lines(client) == ["opened alice", "subscribed a/+ ", "event a/x A:1 1"])
    }

    @Test("resumes each topic at its cursor, and unnamed ones at their beginning")
    func resumes() {
        for name in ["a/x", "a/y"] {
            bench.create(name)
            bench.publish(name, "1")
            bench.publish(name, "2")
        }
        bench.deliver()
        let client = bench.open(0)
        let seen = Cursor([Partition(origin: bench.ledger.home, generation: 1): 1])
        bench.send(.follow("a/#", since: .cursors([topic("a/x"): seen])), from: client)
        bench.confirm()
        bench.create("a/z")
        bench.publish("a/z", "1")
        bench.deliver()
        bench.settle()
        let lines = bench.lines(client)
        #expect(lines[1] == "subscribed a/# a/x{A:1} a/y{} a/z{}")
        #expect(
            Set(lines.dropFirst(2)) == [
                "event a/x A:2 2", "event a/y A:1 1", "event a/y A:2 2", "event a/z A:1 1",
            ])
        #expect(lines.count == 6)
    }

    @Test("is live after 2 s although a member did not confirm the interest")
    func unconfirmed() {
        let client = bench.open(0)
        bench.send(.follow("#"), from: client)
        #expect(bench.interests.map(\.added) == [[filter("#")]])
        bench.wait(.seconds(1))
        #expect(bench.lines(client) == ["opened alice"])
        bench.wait(.seconds(1))
        #expect(bench.lines(client) == ["subscribed # "])
    }

    @Test("announces its interest once for all who share it, and takes it back with the last")
    func interest() {
        let clients = [bench.open(0), bench.open(1)]
        for client in clients { bench.send(.follow("#"), from: client) }
        #expect(bench.interests.count == 1)
        bench.confirm()
        for client in clients { #expect(bench.lines(client).last == "subscribed # ") }
        bench.close(clients[0])
        #expect(bench.interests.isEmpty)
        bench.send(.unsubscribe([filter("#")]), from: clients[1])
        #expect(bench.interests.map(\.removed) == [[filter("#")]])
    }

    @Test("does not take up a topic past the connection's limit, and says so")
    func limit() {
        var settings = ShardSettings()
        settings.subscriptionsPerConnection = 2
        let bench = Bench(settings: settings)
        let client = bench.open(0)
        bench.send(.follow("#"), from: client)
        bench.settle()
        bench.create("a")
        bench.create("b")
        #expect(bench.lines(client).suffix(1) == ["ended b CONNECTION_LIMIT"])
    }
}
