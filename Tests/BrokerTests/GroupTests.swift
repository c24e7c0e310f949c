import Broker
import JSON
import Model
import Testing

@Suite("A shard's groups")
struct GroupTests {
    func bench(
        ledger: TestLedger = TestLedger(), _ change: (inout ShardSettings) -> Void = { _ in }
    ) -> Bench {
        var settings = ShardSettings()
        change(&settings)
        let bench = Bench(settings: settings, ledger: ledger)
        bench.run { $0.begin(at: bench.now, into: &$1) }
        bench.settle()
        return bench
    }

    /// What a member was given: its numbers to acknowledge, in order.
    final class Member {
        let client: ConnectionID
        var numbers: [UInt64] = []

        init(_ client: ConnectionID) {
            self.client = client
        }
    }

    func join(_ bench: Bench, _ index: UInt32, acknowledges: Bool = false) -> Member {
        let member = Member(bench.open(index))
        let before = bench.onNotice
        bench.onNotice = { connection, notice in
            before(connection, notice)
            if connection == member.client, case .work(let work) = notice, let number = work.acknowledgementID {
                member.numbers.append(number)
            }
        }
        bench.send(
            .follow("work", group: Command.GroupWish(name: "g", acknowledges: acknowledges)), from: member.client)
        bench.replicate()
        _ = bench.announced()
        bench.settle()
        return member
    }

    func given(_ bench: Bench, _ member: Member) -> [String] {
        bench.lines(member.client).filter { $0.hasPrefix("work ") }
    }

    func far(_ session: String, of name: String = "work", acknowledges: Bool = false) -> PresenceChange {
        let key = PresenceKey(.worker, in: topic(name), connection: session)
        var state = ByteWriter()
        for number: UInt64 in [3, 7, 1] { state.varint(number) }
        state.u8(acknowledges ? 1 : 0)
        state.varint(30_000)
        state.string("g")
        return .set(key, PresenceEntry(user: "", since: WallTime(milliseconds: 1), state: state.bytes))
    }

    func records(_ bench: Bench) -> [String] {
        bench.ledger.records.compactMap(\.record.message).filter { $0.topic == topic("$groups") }
            .map { String(decoding: $0.payload, as: UTF8.self) }
    }

    @Test("give each message to one member, this node's first, and to others as far as those have room")
    func oneEach() {
        let bench = bench { $0.groupWindow = 2 }
        bench.create("work")
        bench.tellPresence([far("far")])
        let members = [join(bench, 0), join(bench, 1)]
        for number in 1...4 { bench.publish("work", "\(number)") }
        bench.deliver()
        let shown = members.map { given(bench, $0) }
        #expect(shown.map(\.count) == [2, 2] && Set(shown.joined()).count == 4 && bench.errands.isEmpty)
        // A member that does not read is passed over, and so is its node at last.
        for member in members { bench.congest(member.client) }
        for number in 5...6 { bench.publish("work", "\(number)") }
        bench.deliver()
        #expect(bench.errands.count == 2)
        for case (.work(let errand), let node, let loop) in bench.errands {
            #expect(errand.session == "far" && node == NodeID(rawValue: 2) && loop == 3)
        }
        bench.publishRemotely("work", "not ours")
        #expect(members.allSatisfy { given(bench, $0).isEmpty })
    }

    @Test("explain to a member what others were given, before its next message and in time")
    func cursors() {
        let bench = bench()
        bench.create("work")
        let members = [join(bench, 0), join(bench, 1)]
        for member in members { _ = bench.lines(member.client) }
        for number in 1...4 {
            bench.publish("work", "\(number)")
            bench.deliver()
        }
        bench.wait(.seconds(10))
        for member in members {
            var place: UInt64 = 0
            for line in bench.lines(member.client) {
                if line.hasPrefix("cursor work {A:") {
                    place = UInt64(line.dropFirst(15).dropLast())!
                } else {
                    let offset = UInt64(line.split(separator: " ")[2].dropFirst(2))!
                    #expect(offset == place + 1, "\(line) after \(place)")
                    place = offset
                }
            }
            #expect(place == 4)
        }
    }

    @Test("that acknowledge begin when a majority knows of them, and write how far they have come")
    func records() {
        let bench = bench()
        bench.create("work")
        bench.publish("work", "before")
        bench.deliver()
        let client = bench.open(0)
        _ = bench.lines(client)
        bench.send(.follow("work", group: Command.GroupWish(name: "g", acknowledges: true)), from: client)
        bench.wait(.seconds(1))
        #expect(bench.announced().isEmpty && bench.lines(client).isEmpty && records(bench).count == 1)
        bench.replicate()
        #expect(bench.announced() == ["set worker work s0"])
        bench.settle()
        #expect(bench.lines(client) == ["subscribed work {A:1}"])
        bench.publish("work", "after")
        bench.deliver()
        let line = bench.lines(client)
        #expect(line == ["work work A:2 after of g attempt 1"])
        bench.wait(.seconds(2))
        #expect(records(bench).count == 1)
    }

    @Test("are refused without an answer from a majority")
    func notReplicated() {
        let bench = bench()
        bench.create("work")
        let client = bench.open(0)
        _ = bench.lines(client)
        bench.send(.follow("work", group: Command.GroupWish(name: "g", acknowledges: true)), from: client)
        bench.wait(.seconds(5))
        #expect(bench.lines(client).map { $0.prefix(23) } == ["refused NOT_REPLICATED:"])
        #expect(bench.shard.pendingCount(of: client) == 0)
    }

    @Test("give what was not acknowledged to another, and after five attempts to the dead letters")
    func deadLetters() throws {
        let bench = bench()
        bench.create("work")
        let members = [join(bench, 0, acknowledges: true), join(bench, 1, acknowledges: true)]
        for member in members { _ = bench.lines(member.client) }
        bench.publish("work", "{}")
        bench.publish("work", "2")
        bench.deliver()
        #expect(members.map(\.numbers.count) == [1, 1])
        let second = members.map { (member: $0, lines: given(bench, $0)) }
            .first { $0.lines == ["work work A:2 2 of g attempt 1"] }!.member
        bench.send(.acknowledge(second.numbers[0]), from: second.client)
        #expect(bench.lines(second.client) == ["acknowledged"])
        bench.send(.acknowledge(second.numbers[0]), from: second.client)
        #expect(bench.lines(second.client).map { $0.prefix(24) } == ["refused INVALID_MESSAGE:"])
        for attempt in 2...5 {
            bench.wait(.seconds(30))
            #expect(members.flatMap { given(bench, $0) } == ["work work A:1 {} of g attempt \(attempt)"])
        }
        #expect(bench.ledger.registry.topic(topic("$dead/work")) == nil)
        bench.wait(.seconds(30))
        #expect(members.flatMap { given(bench, $0) }.isEmpty)
        let letters = bench.ledger.records.compactMap(\.record.message).filter { $0.topic == topic("$dead/work") }
        #expect(letters.count == 1)
        let letter = try JSONView(parsing: letters[0].payload)
        #expect(letter["attempts"]?.unsigned == 5 && letter["group"]?.string == "g" && letter["offset"]?.unsigned == 1)
        #expect(letter["reason"]?.string?.contains("not acknowledged in time") == true && letter["data"]?.kind == .object)
        // Both messages are done with, and the record says so.
        bench.wait(.seconds(1))
        let last = try JSONView(parsing: Array(records(bench).last!.utf8))
        let done = try Cursor(compactText: last["done"]!.string!)
        #expect(done.offsets.values.sorted() == [2])
    }

    @Test("give what a member had to another when it goes, and show nobody else's number any regard")
    func memberGoes() {
        let bench = bench()
        bench.create("work")
        let members = [join(bench, 0, acknowledges: true), join(bench, 1, acknowledges: true)]
        bench.publish("work", "1")
        bench.deliver()
        let (first, other) = members[0].numbers.isEmpty ? (members[1], members[0]) : (members[0], members[1])
        _ = bench.lines(other.client)
        bench.send(.acknowledge(first.numbers[0]), from: other.client)
        #expect(bench.lines(other.client).map { $0.prefix(24) } == ["refused INVALID_MESSAGE:"])
        bench.close(first.client)
        _ = bench.announced()
        #expect(given(bench, other) == ["work work A:1 1 of g attempt 2"])
        bench.send(.acknowledge(other.numbers[0]), from: other.client)
        bench.wait(.seconds(300))
        #expect(given(bench, other).isEmpty)
    }

    @Test("without acknowledgements give nothing twice, whoever goes")
    func atMostOnce() {
        let bench = bench()
        bench.create("work")
        let first = join(bench, 0)
        bench.publish("work", "1")
        bench.deliver()
        #expect(given(bench, first) == ["work work A:1 1 of g"])
        let second = join(bench, 1)
        bench.close(first.client)
        _ = bench.announced()
        bench.wait(.seconds(60))
        #expect(given(bench, second).isEmpty)
    }

    @Test("keep what comes while nobody is there or has room in the log, and give it out from there")
    func backlog() {
        for acknowledges in [true, false] {
            let bench = bench {
                $0.groupWaiting = 8
                $0.groupWaitingBytes = 10
                $0.groupWindow = 4
            }
            bench.create("work")
            let member = join(bench, 0, acknowledges: acknowledges)
            if !acknowledges { bench.congest(member.client) }
            for number in 1...100 { bench.publish("work", "\(number)") }
            bench.deliver()
            var shown: [String] = []
            var rounds = 0
            if !acknowledges { bench.drain(member.client) }
            while shown.count < 100, rounds < 1_000 {
                rounds += 1
                let numbers = member.numbers
                member.numbers = []
                for number in numbers { bench.send(.acknowledge(number), from: member.client) }
                bench.settle()
                shown += given(bench, member).map { String($0.split(separator: " ")[3]) }
                bench.wait(.milliseconds(200))
            }
            #expect(shown.sorted { Int($0)! < Int($1)! } == (1...100).map { "\($0)" }, "acknowledges: \(acknowledges)")
        }
    }

    @Test("go on after a restart where they had come")
    func restart() {
        let ledger = TestLedger()
        let before = bench(ledger: ledger)
        before.create("work")
        let member = join(before, 0, acknowledges: true)
        for number in 1...10 { before.publish("work", "\(number)") }
        before.deliver()
        for number in member.numbers.prefix(6) { before.send(.acknowledge(number), from: member.client) }
        before.wait(.seconds(2))
        let after = bench(ledger: ledger)
        let heir = join(after, 0, acknowledges: true)
        // What it was offered before its subscription was live is offered again a little later.
        after.wait(.milliseconds(200))
        #expect(given(after, heir).map { $0.split(separator: " ")[3] } == ["7", "8", "9", "10"])
    }

    @Test("are refused where they cannot be", arguments: [true, false])
    func refusals(acknowledges: Bool) {
        let bench = bench()
        bench.create("work")
        bench.create("ring", durability: .memory)
        let client = bench.open(0)
        _ = bench.lines(client)
        let wish = Command.GroupWish(name: "g", acknowledges: acknowledges)
        bench.send(.follow("+", group: wish), from: client)
        bench.send(.follow("work", since: .start(.beginning), group: wish), from: client)
        bench.send(.follow("work", conditions: [.event("x")], group: wish), from: client)
        bench.send(.follow("work", group: Command.GroupWish(name: "", acknowledges: acknowledges)), from: client)
        bench.send(.follow("none", group: wish), from: client)
        #expect(
            bench.lines(client).map { $0.split(separator: ":")[0] }
                == Array(repeating: "refused INVALID_MESSAGE", count: 4) + ["refused TOPIC_NOT_FOUND"])
        guard acknowledges else { return }
        bench.send(.follow("ring", group: wish), from: client)
        #expect(bench.lines(client).map { $0.prefix(22) } == ["refused NOT_SUPPORTED:"])
    }

    @Test("that acknowledge need a topic whose dead letters can have a name")
    func longNames() {
        let bench = bench()
        let (longest, tooLong) = (String(repeating: "x", count: 249), String(repeating: "y", count: 250))
        bench.create(longest)
        bench.create(tooLong)
        let client = bench.open(0)
        _ = bench.lines(client)
        bench.send(.follow(tooLong, group: Command.GroupWish(name: "g", acknowledges: true)), from: client)
        let told = bench.lines(client)
        #expect(told.count == 1 && told[0].hasPrefix("refused NOT_SUPPORTED: the topic's name has 250 bytes:"))
        #expect(told[0].contains("at most 249"))
        for (name, acknowledges) in [(tooLong, false), (longest, true)] {
            bench.send(.follow(name, group: Command.GroupWish(name: "g", acknowledges: acknowledges)), from: client)
            bench.replicate()
            _ = bench.announced()
            bench.settle()
            #expect(bench.lines(client) == ["subscribed \(name) {}"])
        }
        // A record of such a group, whoever wrote it, is none.
        bench.ledger.publishRemotely(
            topic("$groups"), #"{"topic":"\#(tooLong)","group":"g","generation":1,"start":"","done":""}"#)
        bench.tellPresence([far("far", of: tooLong, acknowledges: true)])
        bench.publish(tooLong, "1")
        bench.deliver()
        #expect(bench.errands.isEmpty)
    }

    @Test("have dead letters that whoever may read the topic may read")
    func deadLetterAccess() {
        let bench = bench()
        bench.create("$dead/work")
        bench.create("$other")
        let client = bench.open(0)
        _ = bench.lines(client)
        bench.send(.follow("$dead/work"), from: client)
        bench.send(.follow("$other"), from: client)
        bench.send(.say("$dead/work"), from: client)
        #expect(
            bench.lines(client).map { $0.split(separator: ":")[0] } == [
                "subscribed $dead/work {}", "refused PERMISSION_DENIED", "refused PERMISSION_DENIED",
            ])
    }
}

extension Bench {
    /// A peer's message, which this node does not give out while the peer lives.
    func publishRemotely(_ name: String, _ payload: String) {
        ledger.publishRemotely(topic(name), payload)
        deliver()
    }

    /// Lets everything be on the disks of a majority, and what waits for that go on.
    func replicate() {
        run { $0.replicated(through: ledger.sequence, into: &$1) }
        durable()
        wait(.zero)
    }
}
