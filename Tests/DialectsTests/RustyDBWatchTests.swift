import Broker
import Dialects
import Model
import Testing

@Suite("RustyDB's watch of a collection")
struct RustyDBWatchTests {
    private let now = #""timestamp":"2026-01-31T12:00:00.250Z""#

    private func conversation(_ path: String, query: String = "") throws -> any Dialect {
        let door = try #require(DialectTable.door(atPath: path, query: query))
        return door.open(ConversationContext(node: "node-a", cluster: "roost") { time.wall })
    }

    private func texts(_ steps: [DialectStep]) -> [String] {
        steps.compactMap { step in
            switch step {
            case .send(let text): String(decoding: text, as: UTF8.self)
            case .close(let code, let reason): "close \(code) \(reason)"
            default: nil
            }
        }
    }

    private func change(_ event: String, _ payload: String, offset: UInt64) -> Notice {
        let message = Message(
            topic: name("shop/orders"), generation: 1, offset: offset, event: event, key: "a", publisher: "", source: "s",
            messageID: nil, expiry: nil, payload: Array(payload.utf8), row: RowVersion(revision: offset))
        return .event(
            Sequenced(
                sequence: offset,
                record: Record(
                    origin: partition.origin, slot: Slot(of: message.topic), position: offset, time: time, seen: 0,
                    body: .message(message))))
    }

    @Test("follows a table from now on, and gives each change the token of the place after it")
    func changes() throws {
        let conversation = try conversation("/api/v1/documents/collections/shop/orders/watch")
        let requests = conversation.begin()
        guard requests.count == 2, case .history(let rows) = requests[0].command,
            case .subscribe(let subscribe) = requests[1].command
        else {
            Issue.record("it asks for the table, and to follow it")
            return
        }
        #expect(rows.rowsOnly && subscribe.filters.map(\.text) == ["shop/orders"] && subscribe.snapshot == false)
        #expect(texts(conversation.steps(for: .history(name("shop/orders"), TopicPage()), to: requests[0].reference)) == [])
        func token(_ offset: UInt64) -> String { #""resumeToken":"\#(Cursor([partition: offset]).compactText)""# }
        let live = Reply.subscribed(
            subscribe.filters[0], cursors: [(name("shop/orders"), Cursor([partition: 6]))], recovered: true, missed: 0)
        #expect(
            texts(conversation.steps(for: live, to: requests[1].reference)) == [
                #"{"type":"data","payload":{"status":"subscribed","collection":"shop/orders",\#(token(6))},\#(now)}"#
            ])
        let place = #""ns":{"coll":"shop/orders"},"documentKey":{"_id":"a"}"#
        let clock = #""clusterTime":"2026-01-31T12:00:00.250Z""#
        for (event, payload, offset, words) in [
            ("create", #"{ "n":1.0 }"#, 7 as UInt64, #""operationType":"insert",\#(place),"fullDocument":{ "n":1.0 }"#),
            ("update", "2", 8, #""operationType":"update",\#(place),"fullDocument":2"#),
            ("delete", "null", 9, #""operationType":"delete",\#(place)"#),
        ] {
            #expect(
                texts(conversation.steps(for: change(event, payload, offset: offset), on: nil)) == [
                    #"{"type":"data","payload":{"status":"change",\#(words),\#(clock),\#(token(offset))},\#(now)}"#
                ])
        }
        #expect(
            texts(conversation.steps(for: .cursor(name("shop/orders"), Cursor([partition: 12])), on: nil)) == [
                #"{"type":"data","payload":{"status":"cursor",\#(token(12))},\#(now)}"#
            ])
    }

    @Test("goes on from a token, and says what is wrong with one")
    func tokens() throws {
        let path = "/api/v1/documents/collections/orders/watch"
        let cursor = Cursor([partition: 7])
        let resumed = try conversation(path, query: "resume_token=\(cursor.compactText)").begin()
        guard case .subscribe(let subscribe)? = resumed.last?.command, case .start(.cursor(cursor))? = subscribe.since else {
            Issue.record("it does not begin at the token")
            return
        }
        guard case .refuse(.invalidMessage)? = try conversation(path, query: "resume_token=nonsense").begin().first?.command else {
            Issue.record("a token that is none is not refused")
            return
        }
    }

    @Test("tells what cannot be watched, and closes")
    func refusals() throws {
        let conversation = try conversation("/api/v1/documents/collections/orders/watch")
        let request = conversation.begin()[0]
        let lines = texts(conversation.steps(for: .refused(.notATable(name("orders"))), to: request.reference))
        #expect(lines.count == 2 && lines[0].contains(#""code":"NOT_SUPPORTED""#) && lines[1] == "close 1008 NOT_SUPPORTED")
        #expect(DialectTable.door(atPath: "/api/v1/documents/collections//watch", query: "") == nil)
    }
}
