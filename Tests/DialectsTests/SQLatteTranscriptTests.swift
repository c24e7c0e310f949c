import Broker
import Dialects
import Model
import Testing

@Suite("SQLatte's dialect")
struct SQLatteTranscriptTests {
    private func bench(stranger: Bool = false) -> GraphQLBench {
        let bench = GraphQLBench(path: "/ws", subprotocol: nil)
        #expect(bench.open(stranger: stranger) == [])
        return bench
    }

    private func figures(_ rows: Int, of messages: UInt64 = 0, read: UInt64 = 0) -> QueryFigures {
        var figures = QueryFigures()
        figures.rows = UInt64(rows)
        figures.elapsed = .milliseconds(150)
        figures.sources = [QueryFigures.Source(topic: name("orders"))]
        figures.sources[0].messages = read
        figures.sources[0].total = messages
        return figures
    }

    private func chunk(_ rows: [[QueryValue]], _ figures: QueryFigures, end: QueryEnd? = nil) -> Reply {
        .rows(
            QueryChunk(
                number: 0, columns: [QueryColumn(name: "id"), QueryColumn(name: "amount")],
                rows: rows.map { QueryRow(values: $0) }, figures: figures, end: end))
    }

    private func numbers(_ count: Int) -> [[QueryValue]] {
        (0..<count).map { [.integer(Int64($0)), .integer(100)] }
    }

    /// Says what the answers to the first request are.
    private func says(_ bench: GraphQLBench, _ reply: Reply, to place: Int = 0) -> [String] {
        bench.conversation.steps(for: reply, to: bench.requests[place].request.reference).map { step in
            guard case .send(let text) = step else { return "no text" }
            return String(decoding: text, as: UTF8.self)
        }
    }

    @Test("answers a question that is SQL as the document shows it")
    func questions() {
        let bench = bench()
        let sql = "SELECT * FROM orders"
        #expect(
            bench.say(
                #"{"type":"query","data":{"question":"\#(sql)","schema":"Table: orders...","session_id":"abc123"}}"#)
                == [#"{"type":"query_start","data":{"query_id":"q_1"}}"#])
        guard case .query(let query)? = bench.requests.first?.request.command else {
            Issue.record("nothing is asked")
            return
        }
        #expect(query.sql == sql && query.parameters == .none && !query.isLive)
        #expect(
            says(bench, chunk([], figures(0, of: 200, read: 50)))
                == [
                    #"{"type":"query_progress","data":{"query_id":"q_1","progress":25,"message":"Processed 50 messages, 0 rows"}}"#
                ])
        #expect(
            says(
                bench,
                chunk([[.integer(1), .integer(100)], [.integer(2), .integer(200)]], figures(2), end: .complete)) == [
                    #"{"type":"query_progress","data":{"query_id":"q_1","progress":100,"message":"Processed 0 messages, 2 rows"}}"#,
                    #"{"type":"query_result","data":{"query_id":"q_1","sql":"SELECT * FROM orders","columns":["id","amount"],"#
                        + #""rows":[[1,100],[2,200]],"total_rows":2,"execution_time_ms":150}}"#,
                ])
    }

    @Test("gives a thousand rows whole, however they come, and one more in chunks of a thousand")
    func sizes() {
        let whole = bench()
        _ = whole.say(#"{"type":"query","data":{"sql":"SELECT 1","params":[7]}}"#)
        #expect(says(whole, chunk(numbers(300), figures(300))).count == 1)
        let said = says(whole, chunk(numbers(700), figures(1_000), end: .complete))
        #expect(
            said.count == 2 && said[1].hasPrefix(#"{"type":"query_result""#) && said[1].contains(#""total_rows":1000"#))

        let parts = bench()
        _ = parts.say(#"{"type":"query","data":{"sql":"SELECT 1"}}"#)
        #expect(says(parts, chunk(numbers(300), figures(300))).count == 1)
        let first = says(parts, chunk(numbers(1_000), figures(1_300)))
        #expect(
            first[0].hasPrefix(
                #"{"type":"result_chunk","data":{"query_id":"q_1","chunk":1,"columns":["id","amount"],"rows":[[0,100],[1,100],"#
            ))
        #expect(first.count == 2 && first[0].split(separator: "[").count == 1_002)
        let last = says(parts, chunk(numbers(1), figures(1_301), end: .complete))
        #expect(last.count == 3 && last[0].contains(#""chunk":2"#) && last[0].hasSuffix("[999,100],[0,100]]}}"))
        #expect(
            last[2] == #"{"type":"result_complete","data":{"query_id":"q_1","sql":"SELECT 1","total_rows":1301,"#
                + #""total_chunks":2,"execution_time_ms":150}}"#)
    }

    @Test("gives in chunks what is small in rows and large in bytes")
    func bytes() {
        let bench = bench()
        _ = bench.say(#"{"type":"query","data":{"sql":"SELECT 1"}}"#)
        let wide: [QueryValue] = [.text(String(repeating: "x", count: 700_000)), .null]
        #expect(says(bench, chunk([wide], figures(1))).count == 1)
        let said = says(bench, chunk([wide], figures(2)))
        #expect(said.count == 2 && said[0].hasPrefix(#"{"type":"result_chunk","data":{"query_id":"q_1","chunk":1,"#))
        #expect(says(bench, chunk([], figures(2), end: .complete)).last?.contains(#""total_chunks":1"#) == true)
    }

    @Test("tells what a limit ended, after the rows that were found")
    func limits() {
        let bench = bench()
        _ = bench.say(#"{"type":"query","data":{"sql":"SELECT 1"}}"#)
        let said = says(bench, chunk(numbers(1), figures(1), end: .limit(.rows(1))))
        #expect(said.count == 2 && said[0].hasPrefix(#"{"type":"result_chunk""#))
        #expect(
            said[1] == #"{"type":"error","data":{"message":"Query execution failed","#
                + #""error":"the query has more than the 1 rows that it may","code":"QUERY_ERROR","query_id":"q_1"}}"#)
    }

    private func asksInWords() -> GraphQLBench {
        let bench = bench()
        let question = #"{"type":"query","data":{"question":"Show top 10 customers","schema":"Table: customers"}}"#
        #expect(bench.say(question) == [#"{"type":"query_start","data":{"query_id":"q_1"}}"#])
        guard case .request(let ask)? = bench.requests.first?.request.command else {
            Issue.record("no translator is asked")
            return bench
        }
        #expect(ask.topic.text == "$query/translate" && ask.patience == .seconds(30))
        #expect(
            String(decoding: ask.payload, as: UTF8.self)
                == #"{"question":"Show top 10 customers","schema":"Table: customers"}"#)
        return bench
    }

    private func translates(_ bench: GraphQLBench, _ answer: String) -> [String] {
        let part = RequestProgress.part(
            SQLatteTranscriptTests.translator, payload: Array(answer.utf8), source: "s9", time: time.wall)
        #expect(says(bench, .requested(part)) == [])
        return bench.answer(.requested(.finished(SQLatteTranscriptTests.translator, replies: 1)))
    }

    private static let translator = name("$query/translate")

    @Test("has a question in words translated, and runs what comes of it")
    func words() {
        for answer in [#"{"sql":"SELECT 7"}"#, #""SELECT 7""#] {
            let bench = asksInWords()
            #expect(translates(bench, answer) == [])
            guard case .query(let query)? = bench.requests.first?.request.command else {
                Issue.record("nothing is asked")
                return
            }
            #expect(query.sql == "SELECT 7")
            let said = bench.answer(chunk([[.integer(7), .integer(8)]], figures(1), end: .complete))
            #expect(said.last?.contains(#""query_id":"q_1","sql":"SELECT 7","columns""#) == true)
        }
    }

    @Test("says what a translator could not do, and that there is none")
    func untranslated() {
        for (answer, words) in [(#"{"error":"no such thing"}"#, "no such thing"), ("7", "must be {\\\"sql\\\"")] {
            let said = translates(asksInWords(), answer)
            #expect(
                said.count == 1 && said[0].contains(words)
                    && said[0].contains(#""code":"QUERY_ERROR","query_id":"q_1""#))
        }
        let nobody: [Refusal] = [
            .requestFailed(.nobody(Self.translator)), .topicUnknown(Self.translator),
        ]
        for refusal in nobody {
            let said = asksInWords().answer(.refused(refusal))
            #expect(
                said.count == 1 && said[0].contains("no translator") && said[0].contains(#""code":"NOT_SUPPORTED""#))
        }
        let late = asksInWords().answer(.refused(.requestFailed(.timedOut(Self.translator))))
        #expect(late.first?.contains("REQUEST_TIMEOUT") == true)
    }

    @Test("tells those who follow query_completed of their own queries")
    func completions() {
        let bench = bench()
        #expect(
            bench.say(#"{"type":"subscribe","data":{"events":["query_completed"]}}"#)
                == [#"{"type":"subscribed","data":{"events":["query_completed"]}}"#])
        #expect(bench.requests.isEmpty)
        _ = bench.say(#"{"type":"query","data":{"sql":"SELECT 1"}}"#)
        #expect(
            bench.answer(chunk(numbers(1), figures(1), end: .complete)).last
                == #"{"type":"query_completed","data":{"query_id":"q_1","success":true,"total_rows":1,"execution_time_ms":150}}"#
        )
        _ = bench.say(#"{"type":"query","data":{"sql":"SELECT * FROM nowhere"}}"#)
        #expect(
            bench.answer(.refused(.tableUnknown("nowhere"))) == [
                #"{"type":"error","data":{"message":"Query execution failed","error":"there is no topic \"nowhere\" that you may read","#
                    + #""code":"TABLE_NOT_FOUND","query_id":"q_2"}}"#,
                #"{"type":"query_completed","data":{"query_id":"q_2","success":false,"total_rows":0,"execution_time_ms":0}}"#,
            ])
    }

    private func live(_ filter: String) -> Reply {
        .subscribed(SQLatteTranscriptTests.filter(filter), cursors: [], recovered: true, missed: 0)
    }

    private static func filter(_ text: String) -> TopicFilter {
        guard let filter = try? TopicFilter(text) else { preconditionFailure("\(text) is a filter") }
        return filter
    }

    private func subscriptions(_ bench: GraphQLBench) -> [String] {
        bench.requests.map { asked in
            switch asked.request.command {
            case .subscribe(let subscribe):
                "\(subscribe.filters.map(\.text)) \(subscribe.conditions.map { "\($0)" })"
            case .unsubscribe(let filters): "not \(filters.map(\.text))"
            default: "something else"
            }
        }
    }

    @Test("follows event types in every topic, and schedules where the system tells of them")
    func subscribing() {
        let bench = bench()
        #expect(
            bench.say(#"{"type":"subscribe","data":{"events":["schedule_executed","query_completed","sale"]}}"#) == [])
        #expect(
            subscriptions(bench) == [
                ##"["#"] ["anyEvent([\"sale\"])"]"##, ##"["$schedules/#"] ["anyEvent([\"schedule_executed\"])"]"##,
            ])
        #expect(bench.answer(live("#")) == [])
        #expect(
            bench.answer(live("$schedules/#"))
                == [#"{"type":"subscribed","data":{"events":["schedule_executed","query_completed","sale"]}}"#])
        // One type more is one change more; a type that is followed already is none.
        #expect(bench.say(#"{"type":"subscribe","data":{"events":["refund","sale"]}}"#) == [])
        #expect(subscriptions(bench) == [##"["#"] ["anyEvent([\"sale\", \"refund\"])"]"##])
        #expect(bench.answer(live("#")).count == 1)
        #expect(bench.say(#"{"type":"unsubscribe","data":{"events":["schedule_executed"]}}"#) == [])
        #expect(subscriptions(bench) == [##"not ["$schedules/#"]"##])
        #expect(
            bench.answer(.unsubscribed(Self.filter("$schedules/#")))
                == [#"{"type":"unsubscribed","data":{"events":["query_completed","sale","refund"]}}"#])
    }

    @Test("says once that a subscription is refused")
    func refusedSubscription() {
        let bench = bench()
        _ = bench.say(#"{"type":"subscribe","data":{"events":["schedule_executed","sale"]}}"#)
        #expect(
            bench.answer(.refused(.permissionDenied(action: "read", topic: "#"))) == [
                #"{"type":"error","data":{"message":"Subscription failed","#
                    + ##""error":"no permission to read on topic \"#\"","code":"PERMISSION_DENIED"}}"##
            ])
        #expect(bench.answer(live("$schedules/#")) == [])
    }

    @Test("shows an event by its own type, with the message as it was published")
    func events() {
        let encoding = bench().conversation.encoding
        #expect(
            String(
                decoding: encoding.encode(message(#"{ "b":1.50 }"#, key: "k", user: "alice", messageID: "m")),
                as: UTF8.self)
                == #"{"type":"new-message","data":{ "b":1.50 },"topic":"chat","id":"AAAAAAAAAAEAAAAAAAAAAgGcE-ye-gAA","#
                + #""partition":"AAAAAAAAAAEAAAAAAAAAAg.1","offset":7,"timestamp":"2026-01-31T12:00:00.250Z","user":"alice"}"#
        )
    }

    @Test("authenticates by session_id, in a message of its own or with the first query")
    func authentication() {
        let principal = Principal(user: "alice", groups: ["g"], roles: ["user"])
        let bench = bench(stranger: true)
        _ = bench.say(#"{"type":"auth","data":{"session_id":"abc123"}}"#)
        guard case .authenticate("abc123")? = bench.requests.first?.request.command else {
            Issue.record("no token was verified")
            return
        }
        #expect(
            bench.answer(.authenticated(principal))
                == [#"{"type":"auth_success","data":{"user":"alice","groups":["g"],"roles":["user"]}}"#])

        let other = self.bench(stranger: true)
        #expect(other.say(#"{"type":"query","data":{"sql":"SELECT 1","session_id":"abc123"}}"#) == [])
        #expect(other.say(#"{"type":"query","data":{"sql":"SELECT 2","session_id":"abc123"}}"#) == [])
        #expect(other.requests.count == 1)
        #expect(
            other.answer(.authenticated(principal)) == [
                #"{"type":"query_start","data":{"query_id":"q_1"}}"#,
                #"{"type":"query_start","data":{"query_id":"q_2"}}"#,
            ])
        #expect(other.requests.count == 2)

        let bad = self.bench(stranger: true)
        _ = bad.say(#"{"type":"query","data":{"sql":"SELECT 1","session_id":"abc123"}}"#)
        #expect(
            bad.answer(.refused(.authenticationFailed("bad")))
                == [
                    #"{"type":"error","data":{"message":"Authentication failed","error":"authentication failed: bad","code":"AUTH_FAILED"}}"#
                ])
    }

    @Test("takes a batch apart, of messages or of their texts, and answers each")
    func batches() {
        let bench = bench()
        let said = bench.say(
            #"{"type":"batch","data":{"messages":[{"type":"query","data":{"sql":"SELECT 1"}},"#
                + #""{\"type\":\"query\",\"data\":{\"sql\":\"SELECT 2\"}}",{"type":"dance"},{"type":"batch"},{"type":"ping"}]}}"#
        )
        #expect(said.count == 2 && bench.requests.count == 5)
        let refused = bench.requests.map { asked in
            if case .refuse(let refusal) = asked.request.command { refusal.sentence } else { "" }
        }
        #expect(refused[2].contains("unknown type") && refused[3].contains("holds a batch"))
        #expect(says(bench, .pong, to: 4) == [#"{"type":"pong","data":{}}"#])
    }

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
            (#"{"type":"ping","data":[]}"#, #""data" is an array; it must be an object"#),
            (#"{"type":"auth"}"#, #""session_id" is missing"#),
            (#"{"type":"auth","data":{"session_id":7}}"#, #""session_id" is 7; it must be a string"#),
            (#"{"type":"query"}"#, #""sql" and "question" are missing"#),
            (#"{"type":"query","data":{"sql":"SELECT 1","question":"why"}}"#, "given twice"),
            (#"{"type":"query","data":{"sql":"SELECT 1","params":1}}"#, "must be an array or an object"),
            (#"{"type":"query","data":{"question":"why","schema":1}}"#, #""schema" is 1"#),
            (#"{"type":"subscribe"}"#, #""events" is missing"#),
            (#"{"type":"subscribe","data":{"events":"a"}}"#, "must be an array"),
            (#"{"type":"subscribe","data":{"events":[]}}"#, "is empty"),
            (#"{"type":"subscribe","data":{"events":[7]}}"#, "array of strings"),
            (#"{"type":"subscribe","data":{"events":["query_result"]}}"#, "no event that could be followed"),
            (#"{"type":"unsubscribe","data":{"events":["sale"]}}"#, "not followed"),
            (#"{"type":"batch","data":{"messages":[]}}"#, "1 to 100"),
        ])
    func invalid(text: String, words: String) {
        let said = refusal(of: text, bench())
        #expect(said?.contains(words) == true, "\(said ?? "not refused")")
    }

    @Test("says every refusal in the document's shape", arguments: refusals)
    func errors(refusal: Refusal) {
        let bench = bench()
        _ = bench.say(#"{"type":"query","data":{"sql":"SELECT 1"}}"#)
        #expect(
            bench.answer(.refused(refusal)) == [
                #"{"type":"error","data":{"message":"Query execution failed","#
                    + #""error":"\#(refusal.sentence.replacing("\"", with: "\\\""))","code":"\#(refusal.code)","query_id":"q_1"}}"#
            ])
    }

    @Test("bounds its queries and its event types")
    func bounds() {
        let bench = bench()
        for _ in 0..<100 { _ = bench.say(#"{"type":"query","data":{"sql":"SELECT 1"}}"#) }
        #expect(refusal(of: #"{"type":"query","data":{"sql":"SELECT 1"}}"#, bench)?.contains("100 queries") == true)
        let events = (0...100).map { "\"e\($0)\"" }.joined(separator: ",")
        #expect(refusal(of: #"{"type":"subscribe","data":{"events":[\#(events)]}}"#, bench)?.contains("100") == true)
    }

    @Test("tells gaps and warnings")
    func notices() {
        let bench = bench()
        #expect(
            bench.tell(.gap(name("chat"), Gap(partition: partition, from: 2, to: 5, reason: .overrun))) == [
                #"{"type":"gap","data":{"topic":"chat","partition":"AAAAAAAAAAEAAAAAAAAAAg.1","#
                    + #""reason":"overrun","from":2,"to":5}}"#
            ])
        #expect(
            bench.tell(.tokenExpiring(time.wall))
                == [#"{"type":"auth_expiring","data":{"expires_at":"2026-01-31T12:00:00.250Z"}}"#])
        #expect(
            bench.tell(.draining(retryAfter: .milliseconds(1_500), nodes: ["node-b"]))
                == [#"{"type":"draining","data":{"retry_after_ms":1500,"nodes":["node-b"]}}"#])
        #expect(
            bench.tell(.refused(.rateLimited))
                == [
                    #"{"type":"error","data":{"message":"Request failed","error":"too many messages: slow down","code":"RATE_LIMIT_EXCEEDED"}}"#
                ])
    }
}
