import Broker
import Model
import Testing

@Suite("A shard's requests")
struct RequestTests {
    /// Somebody who responds, with what it was asked.
    private final class Answering {
        let client: ConnectionID
        var numbers: [UInt64] = []

        init(_ client: ConnectionID) {
            self.client = client
        }
    }

    private func bench(_ change: (inout ShardSettings) -> Void = { _ in }) -> Bench {
        var settings = ShardSettings()
        change(&settings)
        let bench = Bench(settings: settings)
        bench.create("work")
        return bench
    }

    /// Opens a connection that responds, and forgets what it was told by then.
    private func respond(_ bench: Bench, _ index: UInt32) -> Answering {
        let client = bench.open(index)
        let answering = Answering(client)
        let before = bench.onNotice
        bench.onNotice = { connection, notice in
            before(connection, notice)
            if connection == client, case .request(let request) = notice { answering.numbers.append(request.replyTo) }
        }
        bench.send(.follow("work", responds: true), from: client)
        _ = bench.announced()
        bench.confirm()
        _ = bench.lines(client)
        return answering
    }

    private func ask(_ payload: String = "1", timeout: Duration = .seconds(30)) -> Command {
        .request(Command.Ask(topic: topic("work"), payload: Array(payload.utf8), patience: timeout))
    }

    private func reply(_ number: UInt64, _ payload: String, isLast: Bool = true) -> Command {
        .reply(Command.RequestReply(replyTo: number, payload: Array(payload.utf8), isLast: isLast))
    }

    private func station(_ session: String, loop: Int = 3) -> (set: PresenceChange, remove: PresenceChange) {
        let station = Station(
            node: NodeID(rawValue: 2), loop: loop, connection: ConnectionID(index: 7, generation: 1), session: session)
        let key = PresenceKey(.responder, in: topic("work"), connection: session)
        let entry = PresenceEntry(user: "bob", since: WallTime(milliseconds: 1), state: station.announcement)
        return (.set(key, entry), .remove(key))
    }

    @Test("go to a responder, whose replies are passed on until it is done")
    func answers() {
        let bench = bench()
        let responder = respond(bench, 0)
        let client = bench.open(1)
        _ = bench.lines(client)
        bench.send(ask("{}"), from: client)
        #expect(bench.lines(responder.client) == ["request work {} by alice"])
        #expect(bench.lines(client) == [] && bench.shard.pendingCount(of: client) == 1)
        bench.send(reply(responder.numbers[0], "1", isLast: false), from: responder.client)
        bench.send(reply(responder.numbers[0], "2", isLast: false), from: responder.client)
        #expect(bench.lines(client) == ["reply work 1 of s0", "reply work 2 of s0"])
        bench.send(reply(responder.numbers[0], "3"), from: responder.client)
        #expect(bench.lines(client) == ["reply work 3 of s0", "finished work 3"])
        #expect(bench.lines(responder.client) == ["taken", "taken", "taken"] && bench.shard.pendingCount(of: client) == 0)
        bench.send(reply(responder.numbers[0], "4"), from: responder.client)
        #expect(bench.lines(responder.client).first?.hasPrefix("refused INVALID_MESSAGE: \"replyTo\" names no request") == true)
        #expect(bench.lines(client) == [])
    }

    @Test("are refused where nobody responds, or nobody may ask, or the topic is unknown")
    func refusals() {
        let bench = bench()
        let client = bench.open(0)
        _ = bench.lines(client)
        bench.send(ask(), from: client)
        #expect(bench.lines(client).map { $0.prefix(21) } == ["refused NO_RESPONDER:"])
        bench.send(.request(Command.Ask(topic: topic("none"), payload: [])), from: client)
        #expect(bench.lines(client).map { $0.prefix(24) } == ["refused TOPIC_NOT_FOUND:"])
        for timeout in [Duration.zero, .seconds(301)] {
            bench.send(ask(timeout: timeout), from: client)
            #expect(bench.lines(client).map { $0.prefix(24) } == ["refused INVALID_MESSAGE:"])
        }
        bench.create("closed", mask: PermissionMask(rawValue: 0)!)
        let stranger = bench.open(1, Principal(user: "bob", roles: ["user"]))
        _ = bench.lines(stranger)
        bench.send(.request(Command.Ask(topic: topic("closed"), payload: [])), from: stranger)
        bench.send(.follow("closed", responds: true), from: stranger)
        bench.send(.follow("+", responds: true), from: stranger)
        #expect(
            bench.lines(stranger).map { $0.split(separator: ":")[0] } == [
                "refused PERMISSION_DENIED", "refused PERMISSION_DENIED", "refused INVALID_MESSAGE",
            ])
    }

    @Test("under $ are open to whom the mask lets publish, and answered by admins only")
    func systemTopics() {
        let bench = bench()
        bench.create("$query/translate")
        let client = bench.open(0)
        let admin = bench.open(1, Principal(user: "root", roles: ["admin"]))
        for each in [client, admin] { _ = bench.lines(each) }
        bench.send(.follow("$query/translate", responds: true), from: client)
        #expect(bench.lines(client).map { $0.prefix(25) } == ["refused PERMISSION_DENIED"])
        bench.send(.follow("$query/translate", responds: true), from: admin)
        _ = bench.announced()
        bench.confirm()
        _ = bench.lines(admin)
        bench.send(.request(Command.Ask(topic: topic("$query/translate"), payload: Array("7".utf8))), from: client)
        #expect(bench.lines(admin) == ["request $query/translate 7 by alice"])
        bench.send(.say("$query/translate"), from: client)
        #expect(bench.lines(client).map { $0.prefix(25) } == ["refused PERMISSION_DENIED"])
    }

    @Test("can be answered by nobody but the responder that was shown them")
    func forgery() {
        let bench = bench()
        let responder = respond(bench, 0)
        let other = respond(bench, 1)
        let client = bench.open(2)
        _ = bench.lines(client)
        bench.send(ask(), from: client)
        let (shown, idle) = responder.numbers.isEmpty ? (other, responder) : (responder, other)
        for thief in [idle.client, client] {
            bench.send(reply(shown.numbers[0], "666"), from: thief)
            #expect(bench.lines(thief).map { $0.prefix(24) } == ["refused INVALID_MESSAGE:"])
        }
        bench.send(reply(shown.numbers[0], "1"), from: shown.client)
        #expect(bench.lines(client).first?.hasPrefix("reply work 1 ") == true)
    }

    @Test("prefer this node's responders, and of those the one with fewest")
    func choice() {
        let bench = bench()
        bench.tellPresence([station("far").set])
        let responders = [respond(bench, 0), respond(bench, 1)]
        let client = bench.open(2)
        for _ in 0..<10 { bench.send(ask(), from: client) }
        #expect(responders.map(\.numbers.count) == [5, 5] && bench.errands.isEmpty)
        for number in responders[0].numbers { bench.send(reply(number, "1"), from: responders[0].client) }
        for _ in 0..<5 { bench.send(ask(), from: client) }
        #expect(responders.map(\.numbers.count) == [10, 5])
        for number in responders[0].numbers[5...] { bench.send(reply(number, "1"), from: responders[0].client) }
        for number in responders[1].numbers { bench.send(reply(number, "1"), from: responders[1].client) }
        // Idle ones take turns, too.
        for _ in 0..<10 {
            let before = responders.map(\.numbers.count)
            bench.send(ask(), from: client)
            for (index, each) in responders.enumerated() where each.numbers.count > before[index] {
                bench.send(reply(each.numbers.last!, "1"), from: each.client)
            }
        }
        #expect(responders.map(\.numbers.count) == [15, 10])
        for responder in responders { bench.send(.unsubscribe([filter("work")]), from: responder.client) }
        _ = bench.announced()
        bench.send(ask(), from: client)
        guard bench.errands.count == 1, case .request(let errand) = bench.errands[0].errand else {
            Issue.record("the far one was not asked")
            return
        }
        #expect(errand.session == "far" && bench.errands[0].node == NodeID(rawValue: 2) && bench.errands[0].loop == 3)
    }

    @Test("end when their responder's connection closes, its node dies, or it responds no more")
    func responderGoes() {
        for isFar in [false, true] {
            let bench = bench()
            let responder = isFar ? nil : respond(bench, 0)
            if isFar { bench.tellPresence([station("far").set]) }
            let client = bench.open(1)
            _ = bench.lines(client)
            bench.send(ask(), from: client)
            #expect(bench.lines(client) == [])
            if let responder { bench.close(responder.client) } else { bench.tellPresence([station("far").remove]) }
            #expect(bench.lines(client).map { $0.prefix(21) } == ["refused NO_RESPONDER:"])
            #expect(bench.shard.pendingCount(of: client) == 0)
        }
    }

    @Test("go to another responder when one is not there or has too much to do, and are refused when all have")
    func turnedDown() {
        let bench = bench { $0.openRequestsPerConnection = 1 }
        let responder = respond(bench, 0)
        bench.tellPresence([station("far").set])
        let client = bench.open(1)
        _ = bench.lines(client)
        bench.send(ask("1"), from: client)
        #expect(responder.numbers.count == 1 && bench.errands.isEmpty)
        bench.send(ask("2"), from: client)
        guard case .request(let errand)? = bench.errands.first?.errand else {
            Issue.record("the far one was not asked")
            return
        }
        bench.run { $0.receive(.unanswered(errand.id, .absent, from: "stranger"), at: bench.now, into: &$1) }
        #expect(bench.lines(client) == [])
        bench.run { $0.receive(.unanswered(errand.id, .absent, from: "far"), at: bench.now, into: &$1) }
        #expect(bench.lines(client).map { $0.prefix(28) } == ["refused RATE_LIMIT_EXCEEDED:"])
    }

    @Test("end at their timeout, at both ends")
    func timeout() {
        let bench = bench()
        let responder = respond(bench, 0)
        let client = bench.open(1)
        _ = bench.lines(client)
        bench.send(ask("1", timeout: .milliseconds(500)), from: client)
        bench.send(ask("2", timeout: .seconds(5)), from: client)
        bench.wait(.milliseconds(499))
        #expect(bench.lines(client) == [])
        bench.wait(.milliseconds(1))
        #expect(bench.lines(client).map { $0.prefix(24) } == ["refused REQUEST_TIMEOUT:"])
        _ = bench.lines(responder.client)
        bench.send(reply(responder.numbers[0], "1"), from: responder.client)
        #expect(bench.lines(responder.client).map { $0.prefix(24) } == ["refused INVALID_MESSAGE:"])
        bench.send(reply(responder.numbers[1], "2"), from: responder.client)
        #expect(bench.lines(client) == ["reply work 2 of s0", "finished work 1"])
        bench.wait(.seconds(60))
        #expect(bench.lines(client) == [] && bench.shard.nextDeadline == .distantFuture)
    }

    @Test("are bounded by connection, by bytes of the answer, and by what a slow requester has not read")
    func bounds() {
        let bench = bench {
            $0.requestsPerConnection = 2
            $0.replyBytes = 4
        }
        let responder = respond(bench, 0)
        let client = bench.open(1)
        _ = bench.lines(client)
        for _ in 0..<3 { bench.send(ask(), from: client) }
        #expect(bench.lines(client).map { $0.prefix(28) } == ["refused RATE_LIMIT_EXCEEDED:"])
        bench.send(reply(responder.numbers[0], "12345"), from: responder.client)
        #expect(bench.lines(client).map { $0.prefix(28) } == ["refused RATE_LIMIT_EXCEEDED:"])
        bench.congest(client)
        bench.send(reply(responder.numbers[1], "123", isLast: false), from: responder.client)
        bench.drain(client)
        bench.congest(client)
        bench.send(reply(responder.numbers[1], "4", isLast: false), from: responder.client)
        #expect(bench.lines(client) == ["reply work 123 of s0", "reply work 4 of s0"])
        bench.send(ask(), from: client)
        bench.send(reply(responder.numbers[2], "1234"), from: responder.client)
        #expect(bench.lines(client).map { $0.prefix(28) } == ["refused RATE_LIMIT_EXCEEDED:"])
    }

    @Test("of a connection that closes are forgotten at both ends")
    func requesterGoes() {
        let bench = bench()
        let responder = respond(bench, 0)
        let client = bench.open(1)
        bench.send(ask(), from: client)
        bench.close(client)
        _ = bench.lines(responder.client)
        bench.send(reply(responder.numbers[0], "1"), from: responder.client)
        #expect(bench.lines(responder.client).map { $0.prefix(24) } == ["refused INVALID_MESSAGE:"])
    }

    @Test("announce who answers them before the subscription is answered")
    func announcing() {
        let bench = bench()
        let client = bench.open(0)
        _ = bench.lines(client)
        bench.send(.follow("work", responds: true), from: client)
        #expect(bench.announced() == ["set responder work s0"] && bench.lines(client) == [])
        bench.confirm()
        #expect(bench.lines(client) == ["subscribed work {}"])
        bench.send(.follow("work"), from: client)
        #expect(bench.announced() == ["remove responder work s0"])
        bench.send(.follow("work", responds: true), from: client)
        #expect(bench.announced() == ["set responder work s0"])
        bench.close(client)
        #expect(bench.announced() == ["remove responder work s0"])
    }

    @Test("cross the wire as they are")
    func wire() throws {
        let id = RequestID(origin: TestLedger.origin(3), loop: 2, number: 1 << 40)
        let connection = ConnectionID(index: 9, generation: 4)
        let errands: [Errand] = [
            .request(
                RequestErrand(
                    id: id, connection: connection, session: "s", topic: topic("work"), user: "bob",
                    patience: .milliseconds(1_500), payload: Array("{}".utf8))),
            .reply(id, payload: [1, 2], isLast: true, from: "s"), .reply(id, payload: [], isLast: false, from: "s"),
            .unanswered(id, .busy, from: "s"), .withdrawn(id, from: connection, session: "s"),
        ]
        for errand in errands {
            #expect(try Errand(errand.encoded).encoded == errand.encoded)
            for length in 0..<errand.encoded.count {
                #expect(throws: FormatError.self) { try Errand(Array(errand.encoded[..<length])) }
            }
        }
        #expect(throws: FormatError.self) { try Errand([99]) }
    }
}
