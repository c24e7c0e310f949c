import Broker
import Model
import Testing

@Suite("A shard's presence")
struct PresenceTests {
    private func bench(_ change: (inout ShardSettings) -> Void = { _ in }) -> Bench {
        var settings = ShardSettings()
        change(&settings)
        let bench = Bench(settings: settings)
        bench.create("room")
        return bench
    }

    private func member(_ connection: String) -> PresenceChange {
        .set(
            PresenceKey(.member, in: topic("room"), connection: connection),
            PresenceEntry(user: "bob", since: WallTime(milliseconds: 1)))
    }

    /// Opens a connection that is a member, and forgets what it was told by then.
    private func join(_ bench: Bench, _ index: UInt32) -> ConnectionID {
        let client = bench.open(index)
        bench.send(.follow("room", presence: .member), from: client)
        _ = bench.announced()
        _ = bench.lines(client)
        return client
    }

    @Test("makes a subscriber who asks for it a member, whom the others are told of until it goes")
    func comesAndGoes() {
        let bench = bench()
        let first = join(bench, 0)
        let second = bench.open(1)
        bench.send(.follow("room", presence: .member), from: second)
        #expect(bench.announced() == ["set member room s1"])
        #expect(bench.lines(first) == ["joined room s1"])
        #expect(bench.lines(second).suffix(2) == ["subscribed room {}", "joined room s1"])
        bench.send(.setPresence(topic("room"), state: Array("7".utf8)), from: second)
        #expect(bench.announced() == ["set member room s1 7"])
        #expect(bench.lines(first) == ["updated room s1"] && bench.lines(second) == ["set room", "updated room s1"])
        bench.send(.presence(topic("room")), from: first)
        #expect(bench.lines(first) == ["presence room 2: s0 s1"])
        bench.send(.unsubscribe([filter("room")]), from: second)
        #expect(bench.announced() == ["remove member room s1"])
        #expect(bench.lines(first) == ["left room s1"] && bench.lines(second) == ["unsubscribed room"])
        bench.close(first)
        #expect(bench.announced() == ["remove member room s0"])
    }

    @Test("tells an observer who comes and goes, and nobody of the observer")
    func observers() {
        let bench = bench()
        let observer = bench.open(0)
        bench.send(.follow("room", conditions: [.anyEvent([])], presence: .observer), from: observer)
        #expect(bench.announced().isEmpty)
        _ = bench.lines(observer)
        let member = bench.open(1)
        bench.send(.follow("room", presence: .member), from: member)
        #expect(bench.announced() == ["set member room s1"])
        #expect(bench.lines(observer) == ["joined room s1"])
        bench.send(.typing(topic("room"), isTyping: true, state: []), from: member)
        _ = bench.announced()
        bench.publish("room", "7")
        bench.deliver()
        #expect(bench.lines(observer) == [], "neither typing nor messages are told")
        bench.send(.presence(topic("room")), from: observer)
        #expect(bench.lines(observer) == ["presence room 1: s1"])
        bench.send(.unsubscribe([filter("room")]), from: observer)
        bench.close(member)
        _ = bench.announced()
        #expect(bench.lines(observer) == ["unsubscribed room"])
        let wild = bench.open(2)
        bench.send(.follow("#", presence: .observer), from: wild)
        #expect(bench.lines(wild).last?.contains("presence needs a topic's name") == true)
    }

    @Test("ends when a subscription goes on without it, and begins when it goes on with it")
    func changesItsMind() {
        let bench = bench()
        let client = join(bench, 0)
        bench.send(.follow("room", presence: .member), from: client)
        #expect(bench.announced().isEmpty)
        bench.send(.follow("room"), from: client)
        #expect(bench.announced() == ["remove member room s0"])
        bench.send(.follow("room", presence: .typing), from: client)
        #expect(bench.announced().isEmpty)
        bench.send(.follow("room", presence: .member), from: client)
        #expect(bench.announced() == ["set member room s0"])
    }

    @Test("ends with the permission to read, and with the topic")
    func permission() {
        let bench = bench()
        let client = join(bench, 0)
        _ = client
        bench.run { $0.setAccess(AccessPolicy(roles: [:]), into: &$1) }
        #expect(bench.announced() == ["remove member room s0"])
        let other = self.bench()
        let owner = join(other, 0)
        other.send(.destroyTopic(topic("room")), from: owner)
        #expect(other.announced() == ["remove member room s0"])
    }

    @Test("is refused for a wildcard, to who may not read, and beyond its limits")
    func refusals() {
        let bench = bench {
            $0.presences = 2; $0.presencesPerConnection = 1
        }
        bench.create("hall")
        bench.create("secret", mask: PermissionMask(rawValue: 0)!)
        let client = bench.open(0)
        bench.send(.follow("room/#", presence: .member), from: client)
        #expect(bench.lines(client).last?.hasPrefix("refused INVALID_MESSAGE: presence needs a topic's name") == true)
        let stranger = bench.open(3, Principal(user: "eve", roles: ["user"]))
        for command in [Command.presence(topic("secret")), .typing(topic("secret"), isTyping: true, state: [])] {
            bench.send(command, from: stranger)
            #expect(bench.lines(stranger).last?.hasPrefix("refused PERMISSION_DENIED") == true)
        }
        bench.send(.setPresence(topic("room"), state: []), from: client)
        #expect(bench.lines(client).last?.contains("subscribe to it with \"presence\": true first") == true)
        bench.send(.follow("room", presence: .member), from: client)
        bench.send(.setPresence(topic("room"), state: [UInt8](repeating: 49, count: 1_025)), from: client)
        #expect(bench.lines(client).last?.contains("1025 bytes; it may have at most 1024") == true)
        bench.send(.follow("hall", presence: .member), from: client)
        #expect(bench.lines(client).last?.hasPrefix("refused CONNECTION_LIMIT: no more than 1") == true)
        _ = join(bench, 1)
        let late = bench.open(2)
        bench.send(.follow("room", presence: .member), from: late)
        #expect(bench.lines(late).last?.hasPrefix("refused CONNECTION_LIMIT: no more than 2") == true)
        bench.close(client)
        bench.send(.follow("room", presence: .member), from: late)
        #expect(bench.lines(late).last == "subscribed room {}")
    }

    @Test("tells only how many there are, once a second, where there are too many to tell of each")
    func crowd() {
        let bench = bench { $0.listedMembers = 3 }
        let client = join(bench, 0)
        bench.tellPresence((1...2).map { member("x\($0)") })
        #expect(bench.lines(client) == ["joined room x1", "joined room x2"])
        bench.tellPresence((3...50).map { member("x\($0)") })
        #expect(bench.lines(client).isEmpty)
        bench.wait(.seconds(1))
        #expect(bench.lines(client) == ["count room 51"])
        bench.wait(.seconds(5))
        #expect(bench.lines(client).isEmpty)
        bench.send(.presence(topic("room")), from: client)
        #expect(bench.lines(client) == ["presence room 51: "])
        bench.tellPresence((2...50).map { .remove(member("x\($0)").key) })
        #expect(bench.lines(client).suffix(2) == ["left room x49", "left room x50"])
        bench.wait(.seconds(1))
        #expect(bench.lines(client).isEmpty)
    }

    @Test("tells the others who types, until the message comes, they say so, fall silent or go")
    func typing() {
        let bench = bench()
        let typist = bench.open(0)
        bench.send(.follow("+", presence: .typing), from: typist)
        let other = bench.open(1)
        bench.send(.follow("+", presence: .typing), from: other)
        bench.settle()
        (_, _) = (bench.lines(typist), bench.lines(other))
        func type(_ isTyping: Bool = true) {
            bench.send(.typing(topic("room"), isTyping: isTyping, state: []), from: typist)
        }
        type()
        type()
        #expect(bench.announced() == ["set typing room s0"])
        #expect(bench.lines(other) == ["types room s0"] && bench.lines(typist) == ["noted room", "noted room"])
        type(false)
        #expect(bench.announced() == ["remove typing room s0"] && bench.lines(other) == ["stops room s0"])
        type()
        bench.send(.say("room"), from: typist)
        #expect(bench.announced() == ["set typing room s0", "remove typing room s0"])
        _ = bench.lines(other)
        type()
        bench.wait(.seconds(6))
        type()
        bench.wait(.seconds(6))
        #expect(bench.announced() == ["set typing room s0"])
        bench.wait(.seconds(3))
        #expect(bench.announced() == ["remove typing room s0"])
        type()
        bench.close(typist)
        #expect(bench.announced() == ["set typing room s0", "remove typing room s0"])
    }

    @Test("tells of typing only those who may read the topic")
    func typingIsPrivate() {
        let bench = bench()
        bench.create("secret", mask: PermissionMask(rawValue: 0)!)
        let client = bench.open(0, Principal(user: "eve", roles: ["user"]))
        bench.send(.follow("+", presence: .typing), from: client)
        bench.settle()
        _ = bench.lines(client)
        let key = PresenceKey(.typing, in: topic("secret"), connection: "x")
        bench.tellPresence([.set(key, PresenceEntry(user: "bob", since: WallTime(milliseconds: 1)))])
        #expect(bench.lines(client).isEmpty)
    }
}
