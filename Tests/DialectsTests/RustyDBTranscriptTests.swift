import Broker
import Dialects
import Model
import Testing

@Suite("RustyDB's dialect")
struct RustyDBTranscriptTests {
    private let now = #""timestamp":"2026-01-31T12:00:00.250Z""#
    private let place =
        #""id":"AAAAAAAAAAEAAAAAAAAAAgGcE-ye-gAA","partition":"AAAAAAAAAAEAAAAAAAAAAg.1","offset":7,"#
        + #""timestamp":"2026-01-31T12:00:00.250Z""#

    private func bench(_ path: String = "/api/v1/stream", stranger: Bool = false) -> GraphQLBench {
        let bench = GraphQLBench(path: path, subprotocol: nil)
        #expect(bench.open(stranger: stranger) == [])
        return bench
    }

    @Test("answers a ping as the document shows it, with the ping's id where it has one")
    func pings() {
        let bench = bench()
        #expect(bench.say(#"{"type":"ping","timestamp":"2025-12-13T10:30:00.000Z"}"#) == [])
        #expect(bench.answer(.pong) == [#"{"type":"pong",\#(now)}"#])
        _ = bench.say(#"{"type":"ping","id":7}"#)
        #expect(bench.answer(.pong) == [#"{"type":"pong",\#(now),"id":7}"#])
    }

    @Test("authenticates by a message, and again on the same connection")
    func authentication() {
        let bench = bench(stranger: true)
        for _ in 0..<2 {
            _ = bench.say(#"{"type":"auth","payload":{"token":"abc"},"id":"a"}"#)
            guard case .authenticate("abc")? = bench.requests.first?.request.command else {
                Issue.record("no token was verified")
                return
            }
            let principal = Principal(user: "alice", groups: ["g"], roles: ["user"], expiry: time.wall)
            #expect(
                bench.answer(.authenticated(principal)) == [
                    #"{"type":"auth_success","payload":{"status":"success","user":"alice","groups":["g"],"#
                        + #""expires_at":"2026-01-31T12:00:00.250Z","roles":["user"]},\#(now),"id":"a"}"#
                ])
        }
        _ = bench.say(#"{"type":"auth","payload":{"token":"abc"}}"#)
        #expect(
            bench.answer(.refused(.authenticationFailed("bad"))) == [
                #"{"type":"auth_error","payload":{"status":"error","message":"authentication failed: bad","#
                    + #""code":"AUTH_FAILED","details":{}},\#(now)}"#
            ])
    }

    @Test("publishes")
    func publishing() {
        let bench = bench()
        _ = bench.say(
            #"{"type":"publish","payload":{"topic":"chat","message":{ "a":1.0 },"event":"e","key":"k","ack":"stored"},"id":"p"}"#)
        guard case .publish(let publish)? = bench.requests.first?.request.command else {
            Issue.record("nothing was published")
            return
        }
        #expect(String(decoding: publish.payload, as: UTF8.self) == #"{ "a":1.0 }"#)
        #expect(publish.event == "e" && publish.key == "k" && publish.acknowledgement == .stored)
        let receipt = Receipt(partition: partition, offset: 7, time: time, sequence: 9, isRepeat: false)
        #expect(
            bench.answer(.published(name("chat"), receipt, .stored))
                == [#"{"type":"data","payload":{"status":"success",\#(place),"ack":"stored"},\#(now),"id":"p"}"#])
    }

    @Test("acknowledges a subscription once all its topics are live, and gives every event its id")
    func subscribing() throws {
        let bench = bench()
        #expect(bench.say(#"{"type":"subscribe","payload":{"topics":["chat","b"],"topic":"chat"},"id":"s1"}"#) == [])
        let (branch, request) = try #require(bench.requests.first)
        let cursor = Cursor([partition: 6])
        let live = Reply.subscribed(
            filter("chat"), cursors: [(name("chat"), cursor)], recovered: true, missed: 0)
        #expect(bench.answer(live) == [])
        let second = Reply.subscribed(filter("b"), cursors: [(name("b"), Cursor())], recovered: true, missed: 0)
        let said = bench.conversation.steps(for: second, to: request.reference)
        guard case .send(let text)? = said.first else {
            Issue.record("no acknowledgement")
            return
        }
        #expect(
            String(decoding: text, as: UTF8.self)
                == #"{"type":"data","payload":{"status":"subscribed","topics":["chat","b"],"#
                + #""cursor":{"chat":{"AAAAAAAAAAEAAAAAAAAAAg.1":6},"b":{}}},\#(now),"id":"s1"}"#)
        let form = try #require(branch.flatMap { bench.forms[$0] })
        #expect(
            String(decoding: form.text(of: message(#"{ "b":1.50 }"#, key: "k", user: "alice", messageID: "m")), as: UTF8.self)
                == #"{"type":"data","payload":{"status":"event","topic":"chat","event":"new-message","source":"s1","#
                + #""data":{ "b":1.50 },\#(place),"key":"k","user":"alice","message_id":"m"},\#(now),"id":"s1"}"#)
        #expect(bench.say(#"{"type":"unsubscribe","id":"s1"}"#) == ["end 1"])
        #expect(
            bench.answer(.pong) == [#"{"type":"data","payload":{"status":"unsubscribed"},\#(now),"id":"s1"}"#])
    }

    @Test("shares the body of an event among subscriptions, and the whole frame among those of one id")
    func sharing() throws {
        let forms = try ["\"a\"", "\"a\"", "7"].map { id in
            let bench = bench()
            _ = bench.say(#"{"type":"subscribe","payload":{"topic":"chat"},"id":\#(id)}"#)
            return try #require(bench.forms[BranchID(rawValue: 1)])
        }
        #expect(forms[0] == forms[1])
        #expect(forms[0] != forms[2] && forms[0].body == forms[2].body)
    }

    @Test("ends a subscription without an id by its topics, and refuses what it does not know")
    func unsubscribing() {
        let bench = bench()
        _ = bench.say(#"{"type":"subscribe","payload":{"topic":"a"}}"#)
        _ = bench.say(#"{"type":"subscribe","payload":{"topics":["b","c"]}}"#)
        #expect(bench.say(#"{"type":"unsubscribe","payload":{"topics":["c","b"]}}"#) == ["end 2"])
        #expect(refusal(of: #"{"type":"unsubscribe","payload":{"topics":["c"]}}"#, bench)?.contains("these topics") == true)
        #expect(refusal(of: #"{"type":"unsubscribe","id":"x"}"#, bench)?.contains(#"has the id "x""#) == true)
    }

    /// The sentence with which a message is refused; nil when it is not.
    private func refusal(of text: String, _ bench: GraphQLBench) -> String? {
        _ = bench.say(text)
        guard case .refuse(let refusal)? = bench.requests.last?.request.command else { return nil }
        return refusal.sentence
    }

    @Test(
        "says what is wrong with a message, and what would be right",
        arguments: [
            ("nonsense", "is no JSON"), ("[1]", "must be an object"), ("{}", #""type" is missing; known types are"#),
            (#"{"type":7}"#, "must be a string"), (#"{"type":"dance"}"#, "unknown type \"dance\""),
            (#"{"type":"ping","payload":null}"#, #""payload" is null; it must be an object"#),
            (#"{"type":"ping","payload":[]}"#, #""payload" is an array"#),
            (#"{"type":"ping","id":{}}"#, "must be a string or a number"),
            (#"{"type":"ping","type":"ping"}"#, "type"), (#"{"type":"auth"}"#, #""token" is missing"#),
            (#"{"type":"subscribe"}"#, #""topic" or "topics" is missing"#),
            (#"{"type":"subscribe","payload":{"topic":"a+"}}"#, "stands alone"),
            (#"{"type":"subscribe","payload":{"topics":"a"}}"#, "must be an array"),
            (#"{"type":"subscribe","payload":{"query":"SELECT 1"}}"#, "not built yet"),
            (#"{"type":"query"}"#, #""sql" is missing"#),
            (#"{"type":"query","payload":{"sql":"SELECT 1","params":1}}"#, "must be an array or an object"),
            (#"{"type":"batch","payload":{"queries":[]}}"#, "1 to 100"),
            (#"{"type":"batch","payload":{"queries":[1]}}"#, "may hold objects"),
            (#"{"type":"publish","payload":{"topic":"a"}}"#, #""message" is missing"#),
            (#"{"type":"publish","payload":{"message":1}}"#, #""topic" is missing"#),
            (#"{"type":"publish","payload":{"topic":"a","message":1,"ack":"none"}}"#, "accepted, stored or replicated"),
        ])
    func invalid(text: String, words: String) {
        let said = refusal(of: text, bench())
        #expect(said?.contains(words) == true, "\(said ?? "not refused")")
    }

    @Test("says every refusal in the document's shape", arguments: refusals)
    func errors(refusal: Refusal) {
        let bench = bench()
        _ = bench.say(#"{"type":"publish","payload":{"topic":"chat","message":1},"id":"p"}"#)
        let details = refusal.sentence.contains("\"chat\"") ? #"{"topic":"chat"}"# : "{}"
        let error =
            #"{"type":"error","payload":{"status":"error","message":"\#(refusal.sentence.replacing("\"", with: "\\\""))","#
            + #""code":"\#(refusal.code)","details":\#(details)},\#(now),"id":"p"}"#
        #expect(bench.answer(.refused(refusal)) == [error])
        _ = bench.say(#"{"type":"subscribe","payload":{"topic":"chat"},"id":"p"}"#)
        #expect(bench.answer(.refused(refusal)) == ["end 1", error])
    }

    private func chunk(_ number: Int, _ rows: [[QueryValue]], end: QueryEnd? = nil) -> Reply {
        .rows(
            QueryChunk(
                number: number, columns: [QueryColumn(name: "name"), QueryColumn(name: "age")],
                rows: rows.map { QueryRow(values: $0) }, figures: QueryFigures(), end: end))
    }

    private let alice: [QueryValue] = [.text("Alice"), .integer(25)]
    private let bob: [QueryValue] = [.text("Bob"), .integer(30)]

    @Test("answers a query as the document shows it, whole where it is not streaming")
    func queries() throws {
        let bench = bench()
        _ = bench.say(
            #"{"type":"query","payload":{"sql":"SELECT 1","params":[18,{"a":1}],"streaming":false},"id":"query-001"}"#)
        let reference = try #require(bench.requests.first?.request.reference)
        guard case .query(let query)? = bench.requests.first?.request.command else {
            Issue.record("nothing is asked")
            return
        }
        #expect(query.sql == "SELECT 1" && query.chunkRows == 1_000)
        #expect(query.parameters == .positional([.integer(18), .json(Array(#"{"a":1}"#.utf8))]))
        #expect(bench.conversation.steps(for: chunk(0, [alice]), to: reference).isEmpty)
        #expect(
            bench.answer(chunk(1, [bob], end: .complete)) == [
                #"{"type":"data","payload":{"status":"success","rows":[["Alice",25],["Bob",30]],"columns":["name","age"],"#
                    + #""rows_affected":2,"has_more":false},\#(now),"id":"query-001"}"#
            ])
    }

    @Test("streams a query's rows, with has_more on all but the last, and ends it by unsubscribe")
    func streaming() throws {
        let bench = bench()
        _ = bench.say(#"{"type":"query","payload":{"sql":"SELECT 1","streaming":true},"id":7}"#)
        let request = try #require(bench.requests.first?.request)
        func said(_ reply: Reply) -> [String] {
            bench.conversation.steps(for: reply, to: request.reference).map { step in
                guard case .send(let text) = step else { return "no text" }
                return String(decoding: text, as: UTF8.self)
            }
        }
        #expect(
            said(chunk(0, [alice])) == [
                #"{"type":"data","payload":{"status":"success","rows":[["Alice",25]],"columns":["name","age"],"#
                    + #""rows_affected":1,"has_more":true},\#(now),"id":7}"#
            ])
        _ = bench.say(#"{"type":"unsubscribe","id":7}"#)
        guard case .cancelQuery(let id)? = bench.requests.last?.request.command else {
            Issue.record("nothing is cancelled")
            return
        }
        #expect(id == Array("7".utf8))
        #expect(
            said(chunk(1, [], end: .cancelled)) == [
                #"{"type":"data","payload":{"status":"cancelled","rows":[],"columns":["name","age"],"#
                    + #""rows_affected":0,"has_more":false},\#(now),"id":7}"#
            ])
        _ = bench.say(#"{"type":"query","payload":{"sql":"SELECT 1","streaming":true},"id":7}"#)
        let last = try #require(bench.requests.last?.request.reference)
        guard case .send(let text)? = bench.conversation.steps(for: chunk(0, [], end: .limit(.rows(5))), to: last).first
        else {
            Issue.record("a limit is not told")
            return
        }
        let words = String(decoding: text, as: UTF8.self)
        #expect(words.hasPrefix(#"{"type":"error""#) && words.contains("QUERY_ERROR") && words.contains("5 rows"))
    }

    @Test("answers a batch once, in the order of its queries, refusals among them")
    func batches() {
        let bench = bench()
        _ = bench.say(#"{"type":"batch","payload":{"queries":[{"sql":"SELECT 1"},{"sql":"SELECT 2"}]},"id":"b"}"#)
        #expect(bench.requests.count == 2)
        let first = bench.requests[0].request.reference
        let second = bench.requests[1].request.reference
        #expect(bench.conversation.steps(for: .refused(.queryWrong("wrong")), to: second).isEmpty)
        let steps = bench.conversation.steps(for: chunk(0, [alice], end: .complete), to: first)
        guard case .send(let text)? = steps.first else {
            Issue.record("no answer")
            return
        }
        #expect(
            String(decoding: text, as: UTF8.self)
                == #"{"type":"data","payload":{"results":[{"status":"success","rows":[["Alice",25]],"columns":["name","age"],"#
                + #""rows_affected":1,"has_more":false},{"status":"error","message":"wrong","code":"QUERY_ERROR","details":{}}]},"#
                + #"\#(now),"id":"b"}"#)
    }

    @Test("refuses an id that is in use, and more subscriptions than a connection may have")
    func bounds() {
        let bench = bench()
        for index in 0..<BranchID.limit {
            _ = bench.say(#"{"type":"subscribe","payload":{"topic":"a"},"id":\#(index)}"#)
        }
        #expect(refusal(of: #"{"type":"subscribe","payload":{"topic":"a"},"id":"more"}"#, bench)?.contains("100") == true)
        _ = bench.say(#"{"type":"unsubscribe","id":0}"#)
        #expect(
            refusal(of: #"{"type":"subscribe","payload":{"topic":"a"},"id":1}"#, bench)
                == "a subscription has the id 1 already")
        #expect(bench.conversation.requestsPerSecond == 100)
    }

    @Test("tells gaps, places, ends and warnings")
    func notices() {
        let bench = bench()
        _ = bench.say(#"{"type":"subscribe","payload":{"topic":"chat"},"id":"s"}"#)
        let branch = BranchID(rawValue: 1)
        #expect(
            bench.tell(.gap(name("chat"), Gap(partition: partition, from: 2, to: 5, reason: .overrun)), branch) == [
                #"{"type":"data","payload":{"status":"gap","topic":"chat","partition":"AAAAAAAAAAEAAAAAAAAAAg.1","#
                    + #""reason":"overrun","from":2,"to":5},\#(now),"id":"s"}"#
            ])
        #expect(
            bench.tell(.cursor(name("chat"), Cursor([partition: 6])), branch) == [
                #"{"type":"data","payload":{"status":"cursor","topic":"chat","cursor":{"AAAAAAAAAAEAAAAAAAAAAg.1":6}},\#(now),"id":"s"}"#
            ])
        #expect(
            bench.tell(.subscriptionEnded(name("chat"), .topicUnknown(name("chat"))), branch).first?
                .hasPrefix(#"{"type":"error","payload":{"status":"error","message":"topic \"chat\" does not exist"#) == true)
        #expect(
            bench.tell(.tokenExpiring(time.wall))
                == [#"{"type":"data","payload":{"status":"auth_expiring","expires_at":"2026-01-31T12:00:00.250Z"},\#(now)}"#])
        #expect(
            bench.tell(.draining(retryAfter: .milliseconds(1_500), nodes: ["node-b"])) == [
                #"{"type":"data","payload":{"status":"draining","retry_after_ms":1500,"nodes":["node-b"]},\#(now)}"#
            ])
    }

    @Test("gives figures at the door for metrics as soon as it knows who asks")
    func metrics() {
        let stranger = bench("/api/v1/metrics/stream", stranger: true)
        #expect(stranger.requests.isEmpty)
        _ = stranger.say(#"{"type":"auth","payload":{"token":"abc"}}"#)
        #expect(stranger.answer(.authenticated(Principal(user: "a", roles: []))).count == 1)
        guard case .followFigures? = stranger.requests.first?.request.command else {
            Issue.record("no figures are followed")
            return
        }
        #expect(stranger.answer(.followingFigures) == [])
        #expect(
            stranger.tell(.figures(report), BranchID(rawValue: 1)) == [
                #"{"type":"data","payload":{"status":"metrics","node":"node-a","cpu":45.2,"memory":1024000000,"#
                    + #""connections":3,"subscriptions":4,"messages_in":5,"messages_out":6,"topics":7,"#
                    + #""cluster":{"name":"roost","members":1,"alive":1,"lag":0}},\#(now)}"#
            ])
        #expect(
            stranger.tell(.figuresEnded(.permissionDenied(action: "monitor", topic: "$monitor")), BranchID(rawValue: 1))
                .first == "end 1")
    }
}
