import Broker
import Dialects
import Model
import Testing

@Suite("Daptin's dialect reads")
struct DaptinReadingTests {
    let bench = DaptinBench()

    private func command(_ method: String, _ attributes: String) -> Command? {
        bench.ask(#"{"id":1,"method":"\#(method)","attributes":\#(attributes)}"#).first?.command
    }

    private func since(_ text: String) -> Command.Since? {
        guard case .subscribe(let subscribe) = command("subscribe", #"{"topicName":"a","since":\#(text)}"#) else {
            return nil
        }
        return subscribe.since
    }

    @Test(
        "every spelling of a method in circulation",
        arguments: [
            ("create-topic", "create-topicName"), ("destroy-topic", "destroy-topicName"),
            ("list-topic", "list-topicName"),
            ("publish", "new-message"),
        ])
    func spellings(first: String, second: String) {
        for method in [first, second] {
            let kind =
                switch command(method, #"{"topicName":"a","message":1}"#) {
                case .createTopic: "create-topic"
                case .destroyTopic: "destroy-topic"
                case .listTopics: "list-topic"
                case .publish: "publish"
                default: "none"
                }
            #expect(kind == first)
        }
    }

    @Test(
        "topics under three names, as a list in text or an array",
        arguments: [
            #"{"topicName":"a,b/+"}"#, #"{"topic":["a","b/+"]}"#, #"{"name":"a,b/+"}"#,
            #"{"topic":null,"name":"a,b/+"}"#,
        ])
    func names(attributes: String) {
        guard case .subscribe(let subscribe) = command("subscribe", attributes) else {
            Issue.record("no subscribe")
            return
        }
        #expect(subscribe.filters == [filter("a"), filter("b/+")])
        #expect(subscribe.since.map { _ in false } ?? true)
    }

    @Test("a publish as Daptin's document has it, without an answer, and with all that it may carry")
    func publish() {
        let plain = bench.ask(#"{"method":"new-message","attributes":{"topicName":"chat-room-1","message":"Hello!"}}"#)[
            0]
        guard case .publish(let hello) = plain.command,
            case .publish(let full) = command(
                "publish",
                #"{"topic":"a","message":{ "x" : [1.0] },"event":"e","key":"k","messageId":"m","#
                    + #""ack":"replicated","ttl":1500}"#
            )
        else {
            Issue.record("no publish")
            return
        }
        #expect(!plain.reference.wantsReply && hello.acknowledgement == .none)
        #expect(hello.topic == name("chat-room-1") && hello.payload == Array(#""Hello!""#.utf8))
        #expect(hello.event == "new-message" && hello.key == nil)
        #expect(full.payload == Array(#"{ "x" : [1.0] }"#.utf8) && full.event == "e" && full.key == "k")
        #expect(full.messageID == "m" && full.acknowledgement == .replicated && full.timeToLive == .milliseconds(1_500))
        guard case .publish(let nothing) = command("publish", #"{"topic":"a","message":null}"#) else {
            Issue.record("null is a message")
            return
        }
        #expect(nothing.payload == Array("null".utf8) && nothing.acknowledgement == .accepted)
    }

    @Test("a creation with its settings")
    func create() {
        let attributes =
            #"{"name":"a","kind":"table","durability":"memory","retention":{"messages":5,"bytes":6,"seconds":7},"#
            + #""permission":16256,"owner":"bob"}"#
        guard case .createTopic(let create) = command("create-topic", attributes) else {
            Issue.record("no creation")
            return
        }
        #expect(create.kind == .table && create.durability == .memory && create.owner == "bob")
        #expect(create.retention == Retention(messages: 5, bytes: 6, seconds: 7) && create.permission == .ownerOnly)
    }

    @Test("filters as conditions")
    func filters() {
        guard
            case .subscribe(let subscribe) = command(
                "subscribe", #"{"topicName":"a","filters":{"EventType":"update","n":{"x": 1}}}"#)
        else {
            Issue.record("no subscribe")
            return
        }
        #expect(subscribe.conditions == [.event("update"), .field("n", equals: Array(#"{"x": 1}"#.utf8))])
    }

    @Test("every form of a start")
    func starts() {
        let cursor = Cursor([partition: 6])
        func start(_ text: String) -> ReadStart? {
            if case .start(let start) = since(text) { start } else { nil }
        }
        #expect(start(#""beginning""#) == .beginning)
        #expect(start(#"{"last":50}"#) == .last(50))
        #expect(start(#"{"time":"2026-01-31T12:00:00.250Z"}"#) == .time(time.wall))
        #expect(start("{}") == .cursor(Cursor()))
        #expect(start(#"{"\#(partition)":6}"#) == .cursor(cursor))
        #expect(start(#""\#(cursor.compactText)""#) == .cursor(cursor))
        guard case .cursors(let cursors) = since(#"{"a":{"\#(partition)":6},"last":{},"c":"\#(cursor.compactText)"}"#)
        else {
            Issue.record("no cursors by topic")
            return
        }
        #expect(cursors == [name("a"): cursor, name("last"): Cursor(), name("c"): cursor])
    }

    @Test("a history's bounds, and each topic's own cursor")
    func history() {
        let attributes =
            #"{"topicName":["a","b"],"since":{"a":{"\#(partition)":6}},"until":"2026-01-31T12:00:00.250Z","limit":5}"#
        let commands = bench.ask(#"{"id":1,"method":"history","attributes":\#(attributes)}"#).map(\.command)
        guard commands.count == 2, case .history(let first) = commands[0], case .history(let second) = commands[1]
        else {
            Issue.record("two histories are missing")
            return
        }
        #expect(first.since == .cursor(Cursor([partition: 6])) && second.since == .cursor(Cursor()))
        #expect(first.until == time.wall && first.limit == 5)
    }

    @Test("an id as it was sent", arguments: [#""q\u0031""#, "42", "-1.50", #""""#])
    func ids(id: String) {
        let request = bench.ask(#"{"id":\#(id),"method":"ping"}"#)[0]
        #expect(request.reference.id == Array(id.utf8))
    }
}

@Suite("Daptin's dialect refuses")
struct DaptinRefusalTests {
    let bench = DaptinBench()

    @Test(
        "what is no request, with the id where there is one and words that say what would be right",
        arguments: [
            ("nonsense", #""method":"","ok":false,"error":"the message is no JSON: unexpected 'o' at byte 1"#),
            ("", #""error":"the message is no JSON: the text ends at byte 0, expected a value"#),
            ("[]", "the message is an array; it must be an object"),
            ("{}", #"\"method\" is missing; known methods are "#),
            (
                #"{"id":1,"method":7}"#,
                #""id":1,"method":"","ok":false,"error":"\"method\" is a number; it must be a string"#
            ),
            (#"{"id":[],"method":"ping"}"#, #"\"id\" is an array; it must be a string or a number"#),
            (#"{"id":1,"id":2,"method":"ping"}"#, #"the key \"id\" occurs again"#),
            (
                #"{"method":"ping","attributes":[]}"#,
                #""method":"ping","ok":false,"error":"\"attributes\" is an array; it must be"#
            ),
            (#"{"method":"jump-topic"}"#, #"unknown method \"jump-topic\"; known methods are subscribe, "#),
            (#"{"method":"subscribe"}"#, #"\"topicName\" is missing; it must name a topic"#),
            (
                #"{"method":"subscribe","attributes":{"topicName":7}}"#,
                #"\"topicName\" is 7; it must be a string or an array"#
            ),
            (#"{"method":"subscribe","attributes":{"topicName":[]}}"#, "at least one topic"),
            (
                #"{"method":"subscribe","attributes":{"topicName":["a",1]}}"#,
                #"\"topicName\" is 1; it must be a string in"#
            ),
            (#"{"method":"subscribe","attributes":{"topicName":"a","name":"b"}}"#, "the topic is named twice"),
            (#"{"method":"subscribe","attributes":{"topicName":"a/#/b"}}"#, "# alone in the last level"),
            (#"{"method":"subscribe","attributes":{"topicName":"a,"}}"#, "a topic name is empty"),
            (
                #"{"method":"subscribe","attributes":{"topicName":"a","since":7}}"#,
                #"\"since\" is 7; it must be a cursor, "#
            ),
            (
                #"{"method":"subscribe","attributes":{"topicName":"a","since":{"x":1}}}"#,
                #"\"x\" in \"since\" is no partition"#
            ),
            (#"{"method":"subscribe","attributes":{"topicName":"a","since":"now"}}"#, #"\"since\" is no cursor"#),
            (
                #"{"method":"subscribe","attributes":{"topicName":"a","since":{"last":0}}}"#,
                #"\"last\" must be a whole number"#
            ),
            (
                #"{"method":"subscribe","attributes":{"topicName":"a","filters":{"EventType":1}}}"#,
                #"\"EventType\" is 1; it must"#
            ),
            (
                #"{"method":"publish","attributes":{"topicName":"a"}}"#,
                #"\"message\" is missing; it may be any JSON value"#
            ),
            (
                #"{"method":"publish","attributes":{"topicName":"a","message":1,"ack":"all"}}"#,
                #"\"ack\" is \"all\"; it must be none"#
            ),
            (
                #"{"method":"publish","attributes":{"topicName":"a","message":1,"ttl":0}}"#,
                #"\"ttl\" is 0; it must be a whole number, 1"#
            ),
            (#"{"method":"create-topic","attributes":{"name":"a,b"}}"#, "a topic name holds U+2C"),
            (#"{"method":"create-topic","attributes":{"name":""}}"#, "a topic name is empty; it has 1 to 255 bytes"),
            (
                #"{"method":"create-topic","attributes":{"name":"a","kind":"queue"}}"#,
                #"\"kind\" is \"queue\"; it must be stream"#
            ),
            (
                #"{"method":"create-topic","attributes":{"name":"a","permission":2097152}}"#,
                #"\"permission\" is 2097152; it must be"#
            ),
            (
                #"{"method":"create-topic","attributes":{"name":"a","retention":{"messages":0}}}"#,
                #"\"messages\" is 0; it must"#
            ),
            (#"{"method":"set-topic-permission","attributes":{"name":"a"}}"#, #"\"permission\" is missing"#),
            (
                #"{"method":"history","attributes":{"name":"a","limit":1001}}"#,
                #"\"limit\" is 1001; it must be a whole number, 1 to 1000"#
            ),
            (#"{"method":"history","attributes":{"name":"a","until":"noon"}}"#, #"\"until\" is no ISO 8601 time"#),
            (#"{"method":"auth"}"#, #"\"token\" is missing"#),
            (#"{"method":"batch","attributes":{"messages":{}}}"#, #"\"messages\" is an object; it must be an array"#),
            (#"{"method":"batch","attributes":{"messages":[]}}"#, #"\"messages\" is empty"#),
        ])
    func wrong(message: String, words: String) {
        let refusal = bench.refusal(message)
        #expect(refusal?.contains(words) == true, "\(refusal ?? "nothing was refused")")
        #expect(refusal?.hasSuffix(#""code":"INVALID_MESSAGE"}"#) == true)
    }

    @Test("a batch in a batch, and one of more than 1,000")
    func batches() {
        let nested = bench.ask(#"{"method":"batch","attributes":{"messages":[{"method":"batch"}]}}"#)
        guard nested.count == 1, case .refuse(let refusal) = nested[0].command else {
            Issue.record("a batch in a batch was not refused")
            return
        }
        #expect(bench.answer(.refused(refusal), to: nested[0]).contains("a batch cannot hold a batch"))
        let pings = Array(repeating: #"{"method":"ping"}"#, count: 1_001).joined(separator: ",")
        #expect(
            bench.refusal(#"{"method":"batch","attributes":{"messages":[\#(pings)]}}"#)?
                .contains("holds 1001 requests; it may hold at most 1000") == true)
    }

    @Test("a message for more topics than it may name")
    func manyTopics() {
        let names = (0...100).map { "t\($0)" }.joined(separator: ",")
        #expect(
            bench.refusal(#"{"method":"publish","attributes":{"topicName":"\#(names)","message":1}}"#)?
                .contains("names 101 topics; it may name at most 100") == true)
    }

    @Test("a path without a door")
    func door() {
        #expect(DialectTable.door(atPath: "/nowhere", query: "") == nil)
    }
}
