import Broker
import Dialects
import Model
import Testing

@Suite("Daptin's dialect says")
struct DaptinTranscriptTests {
    let bench = DaptinBench()
    private let text = "AAAAAAAAAAEAAAAAAAAAAg.1"
    private let place =
        #""id":"AAAAAAAAAAEAAAAAAAAAAgGcE-ye-gAA","partition":"AAAAAAAAAAEAAAAAAAAAAg.1","offset":7,"#
        + #""timestamp":"2026-01-31T12:00:00.250Z""#

    /// Sends a message of one request and gives the text of its answer.
    private func exchange(_ message: String, _ reply: Reply) -> String {
        let requests = bench.ask(message)
        guard requests.count == 1 else { return "\(requests.count) requests" }
        return bench.answer(reply, to: requests[0])
    }

    @Test("who is there in its first frame")
    func session() {
        let principal = Principal(user: "alice", groups: ["staff"], roles: ["user"])
        #expect(
            bench.say(.opened(session: "s1", principal, authenticateWithin: nil))
                == #"{"type":"session","status":"open","data":{"user":"alice","#
                + #""groups":["staff"],"sessionId":"s1","node":"node-a","cluster":"roost"}}"#)
    }

    @Test("an event with the message byte for byte, as shared text and to one receiver alike")
    func event() {
        let payload = #"{ "b":1.50,  "a":"é\u00e9" }"#
        let expected =
            #"{"type":"event","topic":"chat","event":"new-message","source":"s1","data":\#(payload),\#(place),"#
            + #""key":"k","user":"alice"}"#
        let item = message(payload, key: "k", user: "alice")
        #expect(bench.say(.event(item)) == expected)
        #expect(bench.conversation.encoding.encode(item) == Array(expected.utf8))
        #expect(bench.say(.event(message("7")))?.hasSuffix(#""2026-01-31T12:00:00.250Z"}"#) == true)
    }

    @Test("the publisher's own id of a message, by which a client knows one that was sent again elsewhere")
    func messageID() {
        let said = bench.say(.event(message("7", user: "alice", messageID: "m1")))
        #expect(said?.hasSuffix(#""user":"alice","messageId":"m1"}"#) == true)
    }

    @Test(
        "data in base64 where the client wants it, and under another encoding",
        arguments: [
            (#""M""#, "Ik0i"), ("12", "MTI="), ("7", "Nw=="), ("true", "dHJ1ZQ=="),
        ])
    func base64(payload: String, encoded: String) {
        let other = DaptinBench(query: "token=x&encoding=base64")
        #expect(other.say(.event(message(payload)))?.contains(#""data":"\#(encoded)","#) == true)
        #expect(other.conversation.encoding != bench.conversation.encoding)
        #expect(DaptinBench(query: "encoding=plain").conversation.encoding == bench.conversation.encoding)
    }

    @Test("where a publish came to stand, with the id that its event has")
    func published() {
        let receipt = Receipt(partition: partition, offset: 7, time: time, sequence: 9, isRepeat: false)
        let answer = exchange(
            #"{"id":"q1","method":"publish","attributes":{"topicName":"chat","message":1,"ack":"stored"}}"#,
            .published(name("chat"), receipt, .stored))
        #expect(
            answer == #"{"type":"response","id":"q1","method":"publish","ok":true,"data":{\#(place),"ack":"stored"}}"#)
    }

    @Test("one subscription as it became live, and a wildcard by topic")
    func subscribed() {
        let cursor = Cursor([partition: 6])
        #expect(
            exchange(
                #"{"id":1,"method":"subscribe","attributes":{"topicName":"chat"}}"#,
                .subscribed(filter("chat"), cursors: [(name("chat"), cursor)], recovered: true, missed: 0))
                == #"{"type":"response","id":1,"method":"subscribe","ok":true,"data":{"topic":"chat","#
                + #""cursor":{"\#(text)":6},"#
                + #""recovered":true,"missed":0}}"#)
        #expect(
            exchange(
                #"{"method":"subscribe","attributes":{"topicName":"+"}}"#,
                .subscribed(
                    filter("+"), cursors: [(name("a"), Cursor()), (name("b"), cursor)], recovered: false, missed: 3))
                == #"{"type":"response","method":"subscribe","ok":true,"data":{"topic":"+","#
                + #""cursor":{"a":{},"b":{"\#(text)":6}},"recovered":false,"missed":3}}"#)
    }

    @Test("cursors, gaps, ends and warnings in the protocol's words")
    func notices() {
        #expect(
            bench.say(.cursor(name("chat"), Cursor([partition: 6])))
                == #"{"type":"cursor","topic":"chat","cursor":{"\#(text)":6}}"#)
        #expect(
            bench.say(.gap(name("chat"), Gap(partition: partition, from: 2, to: 5, reason: .overrun)))
                == #"{"type":"gap","topic":"chat","partition":"\#(text)","from":2,"to":5,"reason":"overrun"}"#)
        #expect(
            bench.say(.subscriptionEnded(name("chat"), .topicUnknown(name("chat"))))
                == #"{"type":"unsubscribed","topic":"chat","error":"topic \"chat\" does not exist: create it first","#
                + #""code":"TOPIC_NOT_FOUND"}"#)
        #expect(
            bench.say(.tokenExpiring(time.wall))
                == #"{"type":"auth","status":"expiring","data":{"expires_at":"2026-01-31T12:00:00.250Z"}}"#)
        #expect(
            bench.say(.draining(retryAfter: .milliseconds(1_500), nodes: ["node-b"]))
                == #"{"type":"drain","data":{"retryAfterMs":1500,"nodes":["node-b"]}}"#)
    }

    @Test("what became of topics")
    func topics() {
        let definition = TopicDefinition(
            name: name("chat"), generation: 1, kind: .stream, durability: .disk, owner: "alice", groups: [],
            created: time,
            creator: partition.origin,
            settings: TopicSettings(retention: Retention(messages: 10, seconds: 60), permission: .ownerOnly))
        let facts =
            #""name":"chat","kind":"stream","durability":"disk","owner":"alice","created":"2026-01-31T12:00:00.250Z""#
        let settings = #""retention":{"messages":10,"seconds":60},"permission":16256"#
        let expected: [(String, Reply, String)] = [
            ("create-topic", .topicCreated(definition), #"{"topicName":"chat","created":true}"#),
            ("destroy-topicName", .topicDestroyed(name("chat")), #"{"topicName":"chat","destroyed":true}"#),
            ("list-topic", .topics([definition], more: true), #"{"topics":[{\#(facts)}],"more":true}"#),
            (
                "get-topic-permission", .permission(name("chat"), .ownerOnly),
                #"{"topicName":"chat","permission":16256}"#
            ),
            ("unsubscribe", .unsubscribed(filter("chat")), #"{"topic":"chat"}"#),
            (
                "get-topic",
                .topic(
                    TopicDescription(
                        definition: definition, statistics: TopicStatistics(messages: 3, bytes: 30), subscribers: 2,
                        heads: Cursor([partition: 3]))),
                #"{\#(facts),\#(settings),"messages":3,"bytes":30,"subscribers":2,"heads":{"\#(text)":3}}"#
            ),
        ]
        for (method, reply, data) in expected {
            let answer = exchange(#"{"id":"x","method":"\#(method)","attributes":{"topicName":"chat"}}"#, reply)
            #expect(answer == #"{"type":"response","id":"x","method":"\#(method)","ok":true,"data":\#(data)}"#)
        }
    }

    @Test("history as the events that were")
    func history() {
        let page = TopicPage(messages: [message("7")], cursor: Cursor([partition: 7]), more: false)
        let event = bench.say(.event(message("7")))!
        #expect(
            exchange(
                #"{"id":"h","method":"history","attributes":{"topicName":"chat"}}"#, .history(name("chat"), page))
                == #"{"type":"response","id":"h","method":"history","ok":true,"data":{"messages":[\#(event)],"#
                + #""cursor":{"\#(text)":7},"more":false}}"#)
    }

    @Test("pong to a ping, and who a token was for")
    func small() {
        #expect(exchange(#"{"method":"ping"}"#, .pong) == #"{"type":"pong"}"#)
        #expect(
            exchange(
                #"{"id":2,"method":"auth","attributes":{"token":"a.b.c"}}"#,
                .authenticated(Principal(user: "alice", groups: [], roles: [], expiry: time.wall)))
                == #"{"type":"response","id":2,"method":"auth","ok":true,"data":{"user":"alice","groups":[],"#
                + #""expires_at":"2026-01-31T12:00:00.250Z"}}"#)
    }

    @Test("a batch's responses together, in order, when the last is there")
    func batch() {
        let requests = bench.ask(
            #"{"id":"b","method":"batch","attributes":{"messages":[{"id":"b1","method":"subscribe","#
                + #""attributes":{"topicName":"x,y"}},"#
                + #"{"method":"publish","attributes":{"topicName":"x","message":1,"ack":"none"}},"#
                + #"{"id":"b3","method":"jump"},{"method":"ping"}]}}"#)
        #expect(requests.count == 4)
        guard case .publish(let publish) = requests[1].command, case .refuse(let refusal) = requests[2].command else {
            Issue.record("a publish and a refusal are missing")
            return
        }
        #expect(publish.acknowledgement == .accepted && requests[1].reference.wantsReply)
        #expect(bench.answer(.pong, to: requests[3]) == "")
        #expect(bench.answer(.refused(refusal), to: requests[2]) == "")
        #expect(bench.answer(.unsubscribed(filter("x")), to: requests[0]) == "")
        #expect(bench.answer(.refused(.rateLimited), to: requests[1]) == "")
        let response = #"{"type":"response","id":"b1","method":"subscribe","ok":true,"data":{"topic":""#
        #expect(
            bench.answer(.unsubscribed(filter("y")), to: requests[0])
                == #"{"type":"response","id":"b","method":"batch","ok":true,"data":[\#(response)x"}},\#(response)y"}},"#
                + #"{"type":"response","method":"publish","ok":false,"error":"too many messages: slow down","#
                + #""code":"RATE_LIMIT_EXCEEDED"},{"type":"response","id":"b3","method":"jump","ok":false,"#
                + #""error":"unknown method "#
                + #"\"jump\"; known methods are subscribe, unsubscribe, publish, new-message, create-topic, "#
                + #"destroy-topic, "#
                + #"list-topic, get-topic, set-topic, set-topic-permission, get-topic-permission, history, get-row, "#
                + #"list-rows, presence, set-presence, typing, request, reply, ack, auth, batch, cluster, metrics, ping","#
                + #""code":"INVALID_MESSAGE"},{"type":"pong"}]}"#)
    }
}
