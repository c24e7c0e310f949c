import Broker
import Dialects
import Model
import Testing

@Suite("GraphQL over WebSocket")
struct GraphQLTranscriptTests {
    private let subscription =
        #"{"id":"1","type":"subscribe","payload":{"query":"subscription { messages(topic: \"chat\") { data offset } }"}}"#

    @Test("closes with 4406 where its sub-protocol was not agreed to")
    func subprotocol() {
        #expect(
            GraphQLBench(subprotocol: nil).open()
                == ["close 4406 Subprotocol not acceptable: graphql-transport-ws is spoken here"])
        #expect(DialectTable.door(atPath: "/graphql/ws", query: "")?.subprotocols == ["graphql-transport-ws"])
    }

    @Test("acknowledges an initialisation, once")
    func initialisation() {
        let bench = GraphQLBench()
        #expect(bench.open() == ["wake after 3 s"])
        #expect(bench.say(#"{"type":"connection_init","payload":{}}"#) == [#"{"type":"connection_ack"}"#])
        #expect(bench.wait() == [])
        #expect(bench.say(#"{"type":"connection_init"}"#) == ["close 4429 Too many initialisation requests"])
    }

    @Test("closes with 4408 without one")
    func late() {
        let bench = GraphQLBench()
        _ = bench.open()
        #expect(bench.wait() == ["close 4408 Connection initialisation timeout"])
    }

    @Test(
        "takes a token in either spelling, acknowledges when it is good, and closes with 4403 when it is not",
        arguments: ["authorization", "Authorization"])
    func tokens(key: String) {
        for good in [true, false] {
            let bench = GraphQLBench()
            _ = bench.open(stranger: true)
            #expect(bench.say(#"{"type":"connection_init","payload":{"\#(key)":"Bearer abc"}}"#) == [])
            guard case .authenticate("abc")? = bench.requests.first?.request.command else {
                Issue.record("no token was verified")
                return
            }
            #expect(bench.say(subscription) == ["close 4401 Unauthorized"])
            let reply: Reply =
                good
                ? .authenticated(Principal(user: "alice", roles: ["user"])) : .refused(.authenticationFailed("bad"))
            let expected =
                good ? #"{"type":"connection_ack"}"# : "close 4403 Forbidden: authentication failed: bad"
            #expect(bench.answer(reply) == [expected])
        }
    }

    @Test("closes with 4403 when a stranger initialises without a token, and with 4401 when anyone subscribes before")
    func strangers() {
        let bench = GraphQLBench()
        _ = bench.open(stranger: true)
        #expect(
            bench.say(#"{"type":"connection_init"}"#) == [#"close 4403 Forbidden: give a token as "authorization""#])
        let other = GraphQLBench()
        _ = other.open()
        #expect(other.say(subscription) == ["close 4401 Unauthorized"])
    }

    @Test(
        "closes with 4400 what is no message",
        arguments: [
            "nonsense", "[]", #"{"id":"1"}"#, #"{"type":1}"#, #"{"type":"start","id":"1"}"#,
            #"{"type":"subscribe","payload":{"query":"{__typename}"}}"#, #"{"type":"subscribe","id":"1"}"#,
            #"{"type":"subscribe","id":"","payload":{"query":"{__typename}"}}"#,
            #"{"type":"subscribe","id":"1","payload":{}}"#, #"{"type":"subscribe","id":"1","payload":[]}"#,
            #"{"type":"complete"}"#,
        ])
    func malformed(text: String) {
        let said = GraphQLBench().begin().say(text)
        #expect(said.count == 1 && said[0].hasPrefix("close 4400 "), "\(said)")
        #expect(said[0].utf8.count <= 11 + 123, "a close frame's reason has at most 123 bytes")
    }

    @Test("answers a ping with its payload, and passes over a pong")
    func pings() {
        let bench = GraphQLBench().begin()
        #expect(bench.say(#"{"type":"ping","payload":{"a": 1}}"#) == [])
        #expect(bench.answer(.pong) == [#"{"type":"pong","payload":{"a": 1}}"#])
        _ = bench.say(#"{"type":"ping"}"#)
        #expect(bench.answer(.pong) == [#"{"type":"pong"}"#])
        #expect(bench.say(#"{"type":"pong"}"#) == [])
    }

    @Test("follows a topic, gives its messages byte for byte, and ends when the client completes")
    func following() throws {
        let bench = GraphQLBench().begin()
        #expect(bench.say(subscription) == [])
        let (branch, request) = try #require(bench.requests.first)
        guard case .subscribe(let subscribe) = request.command else {
            Issue.record("no topic is followed")
            return
        }
        #expect(subscribe.filters == [filter("chat")])
        #expect(
            bench.answer(.subscribed(filter("chat"), cursors: [(name("chat"), Cursor())], recovered: true, missed: 0))
                == [])
        let form = try #require(branch.flatMap { bench.forms[$0] })
        #expect(
            String(decoding: form.text(of: message(#"{ "b":1.50 }"#)), as: UTF8.self)
                == #"{"id":"1","type":"next","payload":{"data":{"messages":{"data":{ "b":1.50 },"offset":7}}}}"#)
        #expect(bench.say(subscription) == ["close 4409 Subscriber for 1 already exists"])
        #expect(bench.say(#"{"type":"complete","id":"1"}"#) == ["end 1"])
        #expect(bench.say(#"{"type":"complete","id":"1"}"#) == [])
        #expect(bench.say(subscription) == [])
    }

    @Test("shares the result of an event among equal requests, whatever their ids")
    func sharing() {
        let bench = GraphQLBench().begin()
        _ = bench.say(subscription)
        _ = bench.say(subscription.replacing(#""id":"1""#, with: #""id":"2""#))
        _ = bench.say(subscription.replacing("offset", with: "event").replacing(#""id":"1""#, with: #""id":"3""#))
        let forms = (1...3).compactMap { bench.forms[BranchID(rawValue: $0)] }
        #expect(forms.count == 3)
        #expect(forms[0].body == forms[1].body && forms[0] != forms[1])
        #expect(forms[0].body != forms[2].body)
    }

    @Test("tells what was lost as an error of the field, and places only to those who ask")
    func notices() {
        let bench = GraphQLBench().begin()
        _ = bench.say(subscription)
        let branch = BranchID(rawValue: 1)
        #expect(bench.tell(.cursor(name("chat"), Cursor([partition: 6])), branch) == [])
        #expect(
            bench.tell(.gap(name("chat"), Gap(partition: partition, from: 2, to: 5, reason: .overrun)), branch) == [
                #"{"id":"1","type":"next","payload":{"data":{"messages":null},"errors":[{"message":"#
                    + #""messages 2 to 5 of partition AAAAAAAAAAEAAAAAAAAAAg.1 are lost","locations":[{"line":1,"column":16}],"#
                    + #""path":["messages"],"extensions":{"code":"GAP","topic":"chat","#
                    + #""partition":"AAAAAAAAAAEAAAAAAAAAAg.1","from":2,"to":5,"reason":"overrun"}}]}}"#
            ])
        _ = bench.say(
            #"{"id":"2","type":"subscribe","payload":{"query":"subscription { messages(topic: \"chat\", notices: true) { id } }"}}"#
        )
        #expect(
            bench.tell(.cursor(name("chat"), Cursor([partition: 6])), BranchID(rawValue: 2)) == [
                #"{"id":"2","type":"next","payload":{"data":{"messages":null},"extensions":{"cursor":"#
                    + #"{"chat":{"AAAAAAAAAAEAAAAAAAAAAg.1":6}}}}}"#
            ])
    }

    @Test("ends a subscription with error when it is refused, or its topic goes away", arguments: refusals)
    func failing(refusal: Refusal) {
        let expected = [
            "end 1",
            #"{"id":"1","type":"error","payload":[{"message":"\#(refusal.sentence.replacing("\"", with: "\\\""))","#
                + #""locations":[{"line":1,"column":16}],"path":["messages"],"extensions":{"code":"\#(refusal.code)"}}]}"#,
        ]
        let bench = GraphQLBench().begin()
        _ = bench.say(subscription)
        #expect(bench.answer(.refused(refusal)) == expected)
        let other = GraphQLBench().begin()
        _ = other.say(subscription)
        #expect(other.tell(.subscriptionEnded(name("chat"), refusal), BranchID(rawValue: 1)) == expected)
    }

    @Test("gives figures as the seed shows them")
    func figures() {
        let bench = GraphQLBench().begin()
        _ = bench.say(
            #"{"id":"sub-001","type":"subscribe","payload":{"query":"subscription { metricUpdated { cpu memory } }"}}"#)
        guard case .followFigures? = bench.requests.first?.request.command else {
            Issue.record("no figures are followed")
            return
        }
        #expect(bench.answer(.followingFigures) == [])
        #expect(
            bench.tell(.figures(report), BranchID(rawValue: 1)) == [
                #"{"id":"sub-001","type":"next","payload":{"data":{"metricUpdated":{"cpu":45.2,"memory":1024000000}}}}"#
            ])
    }

    @Test("carries out a query and completes it, and answers a wrong one with error")
    func queries() {
        let bench = GraphQLBench().begin()
        #expect(
            bench.say(#"{"id":"q","type":"subscribe","payload":{"query":"{ topic(name: \"chat\") { messages } }"}}"#)
                == [])
        #expect(
            bench.answer(description("chat")) == [
                #"{"id":"q","type":"next","payload":{"data":{"topic":{"messages":3}}}}"#,
                #"{"id":"q","type":"complete"}"#,
            ])
        #expect(
            bench.say(#"{"id":"q","type":"subscribe","payload":{"query":"{ topics { colour } }"}}"#) == [
                #"{"id":"q","type":"error","payload":[{"message":"Cannot query field \"colour\" on type \"Topic\".","#
                    + #""locations":[{"line":1,"column":12}],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}"#
            ])
    }

    @Test("says in a ping that a token ends, or that the client is too fast")
    func warnings() {
        let bench = GraphQLBench().begin()
        #expect(
            bench.tell(.tokenExpiring(time.wall)) == [
                #"{"type":"ping","payload":{"code":"AUTH_EXPIRING","message":"the token ends soon","#
                    + #""expires_at":"2026-01-31T12:00:00.250Z"}}"#
            ])
        #expect(
            bench.tell(.refused(.rateLimited)) == [
                #"{"type":"ping","payload":{"code":"RATE_LIMIT_EXCEEDED","message":"too many messages: slow down"}}"#
            ])
    }

    @Test("has at most a hundred operations at once")
    func bound() {
        let bench = GraphQLBench().begin()
        for index in 0..<BranchID.limit {
            #expect(bench.say(subscription.replacing(#""id":"1""#, with: #""id":"\#(index)""#)) == [])
        }
        let said = bench.say(subscription.replacing(#""id":"1""#, with: #""id":"more""#))
        #expect(said.count == 1 && said[0].contains(#""code":"CONNECTION_LIMIT""#))
    }

    @Test("tells who is in a topic, and who comes, changes and goes, but none of its messages")
    func presence() throws {
        let bench = GraphQLBench().begin()
        let query =
            #"subscription { presence(topic: \"chat\") { event count member { user state } members { user node since } } }"#
        _ = bench.say(#"{"id":"w","type":"subscribe","payload":{"query":"\#(query)"}}"#)
        guard case .subscribe(let subscribe)? = bench.requests.first?.request.command else {
            Issue.record("nothing is followed")
            return
        }
        #expect(subscribe.presence == .observer && subscribe.conditions == [.anyEvent([])])
        #expect(bench.answer(.subscribed(filter("chat"), cursors: [], recovered: true, missed: 0)) == [])
        guard case .presence? = bench.requests.first?.request.command else {
            Issue.record("nobody asks who is there")
            return
        }
        let entry = PresenceEntry(user: "bob", since: time.wall)
        let list = PresenceList(members: [PresenceList.Member(node: "n", connection: "s2", entry: entry)], count: 1)
        #expect(
            bench.answer(.presence(name("chat"), list)) == [
                #"{"id":"w","type":"next","payload":{"data":{"presence":{"event":"LIST","count":1,"member":null,"#
                    + #""members":[{"user":"bob","node":"n","since":"2026-01-31T12:00:00.250Z"}]}}}}"#
            ])
        let branch = BranchID(rawValue: 1)
        let key = PresenceKey(.member, in: name("chat"), connection: "s2")
        let said = PresenceEntry(user: "bob", since: time.wall, state: Array("[1]".utf8))
        #expect(
            bench.tell(.presence(PresenceEvent(.updated, key, said, node: "n", count: 1)), branch) == [
                #"{"id":"w","type":"next","payload":{"data":{"presence":{"event":"UPDATE","count":1,"#
                    + #""member":{"user":"bob","state":[1]},"members":null}}}}"#
            ])
        #expect(
            bench.tell(.presenceCount(name("chat"), 300), branch).first?.contains(#""event":"COUNT","count":300"#)
                == true)
        #expect(
            bench.tell(.gap(name("chat"), Gap(partition: partition, from: 2, to: 5, reason: .overrun)), branch) == [])
    }
}
