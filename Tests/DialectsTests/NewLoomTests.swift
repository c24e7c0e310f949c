import Broker
import Dialects
import JSON
import Model
import Testing

@Suite("NewLoom's dialect")
struct NewLoomTests {
    private func open(_ path: String = "/ws/chat/", isLive: Bool = true) -> any TranslatingDialect {
        let context = ConversationContext(node: "node-a", cluster: "roost") { time.wall }
        guard let door = DialectTable.door(atPath: path, query: ""),
            let conversation = door.open(context) as? any TranslatingDialect
        else { preconditionFailure("\(path) is a door, and its dialect only translates") }
        if isLive { _ = begin(conversation) }
        return conversation
    }

    /// Makes its subscription live, and gives what it asks then.
    private func begin(_ conversation: any TranslatingDialect) -> [Request] {
        let request = conversation.begin()[0]
        guard case .subscribe(let subscribe) = request.command else { preconditionFailure("it begins by following") }
        let reply = Reply.subscribed(subscribe.filters[0], cursors: [], recovered: true, missed: 0)
        #expect(conversation.encode(reply, to: request.reference).isEmpty)
        return conversation.followUp()
    }

    private func ask(_ conversation: any TranslatingDialect, _ text: String) -> [Request] {
        conversation.receive(Array(text.utf8))
    }

    private func answer(_ conversation: any TranslatingDialect, _ reply: Reply, _ request: Request) -> [String] {
        conversation.encode(reply, to: request.reference).map { String(decoding: $0, as: UTF8.self) }
    }

    private func text(_ bytes: [UInt8]?) -> String? { bytes.map { String(decoding: $0, as: UTF8.self) } }

    /// A message of alice in a topic, at 2026-01-31T12:00:00.250Z.
    private func item(_ topic: String, _ payload: String, event: String = "new-message", user: String = "alice")
        -> Sequenced
    {
        let message = Message(
            topic: name(topic), generation: 1, offset: 7, event: event, key: nil, publisher: user, source: "s1",
            messageID: nil, expiry: nil, payload: Array(payload.utf8))
        return Sequenced(
            sequence: 9,
            record: Record(
                origin: partition.origin, slot: Slot(of: message.topic), position: 3, time: time, seen: 1,
                body: .message(message)))
    }

    @Test("follows every chat, and who types in it, or every stream")
    func begins() {
        for (path, level) in [("/ws/chat/", "chat"), ("/ws/chat", "chat"), ("/ws/streams/", "streams")] {
            guard case .subscribe(let subscribe) = open(path, isLive: false).begin()[0].command else {
                Issue.record("\(path) does not begin by following")
                continue
            }
            #expect(subscribe.filters == [filter("\(level)/+")])
            #expect(subscribe.presence == (level == "chat" ? .typing : .none))
        }
    }

    @Test("lets what a client says wait until it follows its chats, but for a heartbeat")
    func waits() {
        let conversation = open(isLive: false)
        #expect(ask(conversation, #"{"type":"message","content":"a","chat_id":1}"#).isEmpty)
        #expect(ask(conversation, #"{"type":"typing","chat_id":1,"is_typing":true}"#).isEmpty)
        #expect(ask(conversation, #"{"type":"heartbeat"}"#).count == 1)
        #expect(begin(conversation).map(\.reference.method) == ["message", "typing"])
        #expect(conversation.followUp().isEmpty)
    }

    @Test("publishes a message as the document has it, with the id's own type")
    func message() {
        let conversation = open()
        for id in ["123", #""general""#] {
            let said = #"{"type": "message", "content": "Your \"message\" here", "chat_id": \#(id)}"#
            guard case .publish(let publish) = ask(conversation, said)[0].command else {
                Issue.record("no publish")
                continue
            }
            #expect(publish.topic == name(id == "123" ? "chat/123" : "chat/general"))
            #expect(text(publish.payload) == #"{"content":"Your \"message\" here","chat_id":\#(id)}"#)
            #expect(
                text(conversation.encoding.encode(item(publish.topic.text, text(publish.payload)!)))
                    == #"{"type":"message","message":{"id":"AAAAAAAAAAEAAAAAAAAAAgGcE-ye-gAA","#
                    + #""content":"Your \"message\" here","user":"alice","timestamp":"2026-01-31T12:00:00.250Z","#
                    + #""chat_id":\#(id)}}"#)
        }
    }

    @Test("shows messages of other doors as its own, whatever they hold")
    func otherDoors() {
        let conversation = open()
        func content(_ payload: String, user: String = "alice") -> [String]? {
            let view = try? JSONView(parsing: conversation.encoding.encode(item("chat/5", payload, user: user)))
            return ["content", "user", "chat_id"].map {
                view?["message"]?[$0].map { String(decoding: $0.bytes, as: UTF8.self) } ?? "none"
            }
        }
        #expect(content(#""hello""#) == [#""hello""#, #""alice""#, "5"])
        #expect(content(#"{"name":"Ann","text":"hi"}"#, user: "") == [#""hi""#, #""Ann""#, "5"])
        #expect(content("[1, 2]") == ["[1, 2]", #""alice""#, "5"])
        #expect(content(#"{"content":"x","chat_id":"6"}"#) == [#""x""#, #""alice""#, "5"])
        #expect(
            text(conversation.encoding.encode(item("chat/5", "1", event: "moved")))
                == #"{"type":"event","event":"moved","chat_id":5,"data":1}"#)
    }

    @Test("creates the chat of a message that has none, and says once why it may not")
    func creates() {
        let conversation = open()
        let request = ask(conversation, #"{"type":"message","content":"a","chat_id":1}"#)[0]
        #expect(answer(conversation, .refused(.topicUnknown(name("chat/1"))), request).isEmpty)
        let due = conversation.followUp()
        guard due.count == 2, case .createTopic(let create) = due[0].command,
            case .publish(let publish) = due[1].command
        else {
            Issue.record("no creation and publish")
            return
        }
        #expect(create.name == name("chat/1") && publish.topic == name("chat/1"))
        #expect(answer(conversation, .refused(.topicExists(name("chat/1"))), due[0]).isEmpty)
        let again = ask(conversation, #"{"type":"message","content":"a","chat_id":2}"#)[0]
        #expect(answer(conversation, .refused(.topicUnknown(name("chat/2"))), again).isEmpty)
        let refused = conversation.followUp()
        #expect(
            answer(conversation, .refused(.permissionDenied(action: "create", topic: "chat/2")), refused[0]) == [
                #"{"type":"error","code":"permission_denied","message":"Not authorized for this chat: "#
                    + #"no permission to create on topic \"chat/2\""}"#
            ])
        #expect(answer(conversation, .refused(.topicUnknown(name("chat/2"))), refused[1]).isEmpty)
        #expect(conversation.followUp().isEmpty)
    }

    @Test("tells who types with the id that came, and passes over typing where there is no chat")
    func typing() {
        let conversation = open()
        let request = ask(
            conversation, #"{"type": "typing", "chat_id": 123, "user": "username", "is_typing": true}"#)[0]
        guard case .typing(let topic, true, let state) = request.command else {
            Issue.record("no typing")
            return
        }
        #expect(topic == name("chat/123") && text(state) == "123" && !request.reference.wantsReply)
        #expect(answer(conversation, .refused(.topicUnknown(topic)), request).isEmpty)
        for (state, id) in [(#""123""#, #""123""#), ("", "123")] {
            let entry = PresenceEntry(user: "bob", since: time.wall, state: Array(state.utf8))
            let key = PresenceKey(.typing, in: topic, connection: "s2")
            let event = PresenceEvent(.joined, key, entry, node: "node-a", count: 1)
            #expect(
                text(conversation.encode(.typing(event)))
                    == #"{"type":"typing","chat_id":\#(id),"user":"bob","is_typing":true}"#)
            let end = PresenceEvent(.left, key, entry, node: "node-a", count: 0)
            #expect(text(conversation.encode(.typing(end)))?.hasSuffix(#""is_typing":false}"#) == true)
        }
    }

    @Test("passes receipts on to the chat")
    func receipts() {
        let conversation = open()
        let request = ask(conversation, #"{"type":"status","chat_id":"a","message_id":"m1","status":"read"}"#)[0]
        guard case .publish(let publish) = request.command else {
            Issue.record("no publish")
            return
        }
        #expect(publish.event == "status" && publish.topic == name("chat/a"))
        #expect(
            text(conversation.encoding.encode(item("chat/a", text(publish.payload)!, event: "status")))
                == #"{"type":"status","chat_id":"a","message_id":"m1","status":"read","user":"alice","#
                + #""timestamp":"2026-01-31T12:00:00.250Z"}"#)
    }

    @Test("answers heartbeats, and ends with 1000 when it is told to")
    func small() {
        let conversation = open()
        let heartbeat = ask(conversation, #"{"type": "heartbeat"}"#)[0]
        #expect(answer(conversation, .pong, heartbeat) == [#"{"type":"heartbeat"}"#])
        guard case .close(1000, "") = ask(conversation, #"{"type": "disconnect"}"#)[0].command else {
            Issue.record("no close")
            return
        }
    }

    @Test("shows a stream's events in the document's shapes, whichever door published them")
    func streams() {
        let conversation = open("/ws/streams/")
        func said(_ event: String, _ payload: String) -> String? {
            text(conversation.encoding.encode(item("streams/123", payload, event: event)))
        }
        let update = #"{"type":"status_update","stream_id":123,"status":"running","timestamp":"2024-02-05T12:00:00Z"}"#
        #expect(said("new-message", update) == update)
        #expect(
            said("status_update", #"{"status":"done"}"#)
                == #"{"type":"status_update","stream_id":123,"status":"done","timestamp":"2026-01-31T12:00:00.250Z"}"#)
        let stats = #"{"processed_count":50,"failed_count":2,"total_count":52,"execution_time":"00:05:23"}"#
        let whole = #"{"type":"execution_stats","stream_id":123,"stats":\#(stats)}"#
        #expect(said("execution_stats", stats) == whole && said("new-message", whole) == whole)
        let error =
            #"{"type":"error","stream_id":"123","error":{"message":"Error description","code":"ERROR_CODE","#
            + #""timestamp":"2024-02-05T12:00:00Z"}}"#
        #expect(said("error", error) == error)
        #expect(
            said("error", #"{"message":"m","code":"C"}"#)
                == #"{"type":"error","stream_id":123,"error":{"message":"m","code":"C","#
                + #""timestamp":"2026-01-31T12:00:00.250Z"}}"#)
        #expect(said("other", "7") == #"{"type":"event","event":"other","stream_id":123,"data":7}"#)
        for wrong in [#"{"type":"message","content":"a","chat_id":1}"#, #"{"type":"status_update"}"#] {
            guard case .refuse(let refusal) = ask(conversation, wrong)[0].command else {
                Issue.record("\(wrong) is taken")
                continue
            }
            #expect(refusal.sentence.contains("it must be heartbeat or disconnect"))
        }
    }

    @Test(
        "says what is wrong with a message",
        arguments: [
            ("x", "the message is no JSON object"), ("[]", "the message is no JSON object"),
            ("{}", #""type" is missing; it must be message, typing, status, heartbeat or disconnect"#),
            (#"{"type":"jump"}"#, #""type" is "jump"; it must be message"#),
            (#"{"type":"message","content":"a"}"#, #""chat_id" is missing; it must be a whole number, or a string"#),
            (#"{"type":"message","content":"a","chat_id":1.5}"#, #""chat_id" is 1.5;"#),
            (#"{"type":"message","content":"a","chat_id":"a/b"}"#, #""chat_id" is "a/b";"#),
            (#"{"type":"message","content":"a","chat_id":"a#"}"#, #""chat_id" names no chat"#),
            (#"{"type":"message","chat_id":1}"#, #""content" is missing; it must be a string"#),
            (#"{"type":"message","content":7,"chat_id":1}"#, #""content" is 7; it must be a string"#),
            (#"{"type":"typing","chat_id":1}"#, #""is_typing" is missing; it must be true or false"#),
            (#"{"type":"status","chat_id":1,"status":"read"}"#, #""message_id" is missing"#),
            (#"{"type":"status","chat_id":1,"message_id":1,"status":"seen"}"#, #"must be "delivered" or "read""#),
        ])
    func wrong(said: String, why: String) {
        let conversation = open()
        let request = ask(conversation, said)[0]
        guard case .refuse(let refusal) = request.command else {
            Issue.record("\(said) is taken")
            return
        }
        #expect(refusal.sentence.contains(why))
        let view = try? JSONView(parsing: Array(answer(conversation, .refused(refusal), request)[0].utf8))
        #expect(view?["code"]?.string == "invalid_format")
        #expect(view?["message"]?.string?.hasPrefix("Invalid message format: ") == true)
    }

    @Test("has a flat error for every refusal of the core, with one of the document's codes")
    func errors() {
        let topic = name("chat/5")
        let table: [(Refusal, String)] = [
            (.authenticationRequired, "connection_error"), (.authenticationFailed("bad"), "connection_error"),
            (.authenticationExpired, "connection_error"), (.originForbidden("o"), "connection_error"),
            (.permissionDenied(action: "read", topic: "chat/5"), "permission_denied"),
            (.invalidMessage("x"), "invalid_format"), (.topicUnknown(topic), "invalid_format"),
            (.topicExists(topic), "invalid_format"), (.rowUnknown(topic, "a"), "invalid_format"),
            (.notATable(topic), "invalid_format"), (.notSupported("x"), "invalid_format"),
            (.cursorTooOld(topic, []), "invalid_format"), (.notReplicated("x"), "connection_error"),
            (.rateLimited, "connection_error"), (.connectionLimit, "connection_error"),
            (.addressLimit, "connection_error"), (.attachLimit, "connection_error"),
            (.subscriptionLimit(1), "connection_error"), (.presenceLimit(1), "connection_error"),
            (.requestFailed(.nodeBusy), "connection_error"),
            (.queryWrong("x"), "invalid_format"), (.tableUnknown("t"), "invalid_format"),
            (.queryLimit(1), "connection_error"), (.internal("x"), "connection_error"),
        ]
        let conversation = open()
        for (refusal, code) in table {
            let view = try? JSONView(parsing: conversation.encode(.refused(refusal)) ?? [])
            #expect(view?["type"]?.string == "error" && view?["code"]?.string == code, "\(refusal)")
            #expect(view?["message"]?.string?.hasSuffix(": \(refusal.sentence)") == true)
        }
        #expect(
            text(conversation.encode(.subscriptionEnded(topic, .permissionDenied(action: "read", topic: "chat/5"))))
                == #"{"type":"error","code":"permission_denied","message":"Not authorized for this chat: "#
                + #"no permission to read on topic \"chat/5\"","chat_id":5}"#)
        #expect(conversation.explainsRefusals && !conversation.authenticatesByMessage)
    }
}
