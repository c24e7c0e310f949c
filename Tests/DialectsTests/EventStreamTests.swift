import Broker
import Dialects
import JSON
import Model
import Testing

/// A stream of events, asked for with query items, whose shard's answers are given by hand.
private func stream(
    _ items: [String: String] = [:], lastEventID: String? = nil
) -> Result<any StreamDialect, Refusal> {
    guard let open = DialectTable.stream(forPath: "/events") else { preconditionFailure("/events is a door") }
    let request = StreamRequest(
        query: { items[$0] }, lastEventID: lastEventID, time: WallTime(milliseconds: 1_769_860_700_000),
        retryAfter: .milliseconds(1_234))
    return open(ConversationContext(node: "node-a", cluster: "roost") { time.wall }, request)
}

private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// The value of the last `id:` line.
private func id(in text: String) -> String? {
    text.split(separator: "\n").last { $0.hasPrefix("id: ") }.map { String($0.dropFirst(4)) }
}

extension StreamDialect {
    /// Tells it that its subscriptions are live, and gives the id that it then has.
    fileprivate func live(_ cursors: [(topic: TopicName, cursor: Cursor)]) -> String? {
        var said = ""
        for request in begin() {
            guard case .subscribe(let subscribe) = request.command else { continue }
            let found = cursors.filter { subscribe.filters[0].matches($0.topic) }
            let reply = Reply.subscribed(subscribe.filters[0], cursors: found, recovered: true, missed: 0)
            for bytes in encode(reply, to: request.reference) { said += text(bytes) }
        }
        return id(in: said)
    }
}

@Suite("A stream of Server-Sent Events")
struct EventStreamTests {
    private let event =
        #"{"type":"event","topic":"chat","event":"new-message","source":"s1","data":7,"#
        + #""id":"AAAAAAAAAAEAAAAAAAAAAgGcE-ye-gAA","partition":"AAAAAAAAAAEAAAAAAAAAAg.1","offset":7,"#
        + #""timestamp":"2026-01-31T12:00:00.250Z"}"#

    @Test("subscribes to each topic that is named, and to everything where none is")
    func filters() throws {
        let named = try stream(["topics": "a,b/+,a"]).get().begin()
        #expect(named.map(\.reference.method) == ["a", "b/+"])
        #expect(try stream().get().begin().map(\.reference.method) == ["#"])
        #expect(try text(stream().get().opening) == "retry: 1234\n\n")
    }

    @Test("says what is wrong with a request before it begins")
    func refusals() throws {
        func refusal(_ items: [String: String], _ lastEventID: String? = nil) -> String? {
            guard case .failure(let refusal) = stream(items, lastEventID: lastEventID) else { return nil }
            #expect(refusal.code == "INVALID_MESSAGE")
            return refusal.sentence
        }
        #expect(refusal(["topics": "a,,b"])?.contains("a topic name is empty") == true)
        #expect(refusal(["topics": "a/#/b"])?.contains("# alone in the last level") == true)
        let many = (0...100).map { "t\($0)" }.joined(separator: ",")
        #expect(refusal(["topics": many])?.contains("101 topics; it may name at most 100") == true)
        #expect(refusal(["since": "last:0"])?.contains("1 to 1000000") == true)
        #expect(refusal(["since": "yesterday"])?.contains("beginning, last:N or an ISO 8601 time") == true)
        #expect(refusal([:], "17")?.contains("Last-Event-ID") == true)
    }

    @Test("writes a shared body and an ending of its own, and the same to one receiver alone")
    func events() throws {
        let some = try stream(["topics": "chat"]).get()
        _ = some.live([(name("chat"), Cursor([partition: 6]))])
        let item = message("7")
        let body = text(some.encoding.encode(item))
        #expect(body == "data: \(event)\n")
        let ending = text(some.ending(of: item))
        #expect(ending.hasPrefix("id: ") && ending.hasSuffix("\n\n") && ending.split(separator: "\n").count == 1)
        let alone = try stream(["topics": "chat"]).get()
        _ = alone.live([(name("chat"), Cursor([partition: 6]))])
        #expect(alone.encode(.event(item)).map(text) == body + ending)
    }

    @Test("keeps a message's own line ends, each in a data line of its own")
    func lines() throws {
        let some = try stream().get()
        let lines = text(some.encoding.encode(message("{\n\"a\":\r\n1,\r\"b\":2}"))).split(separator: "\n")
        #expect(lines.allSatisfy { $0.hasPrefix("data: ") } && lines.count == 4)
        let joined = lines.map { $0.dropFirst(6) }.joined(separator: "\n")
        #expect(try JSONView(parsing: Array(joined.utf8))["data"]?["b"]?.integer == 2)
    }

    @Test("goes on, at another node, where the id says")
    func resumes() throws {
        let some = try stream(["topics": "chat,other"]).get()
        _ = some.live([(name("chat"), Cursor([partition: 6])), (name("other"), Cursor())])
        let seen = try #require(id(in: text(some.ending(of: message("7")))))
        let resumed = try stream(["topics": "chat,other", "since": "beginning"], lastEventID: seen).get()
        guard case .subscribe(let subscribe) = resumed.begin()[0].command, case .cursors(let cursors) = subscribe.since
        else {
            Issue.record("the id is not read as cursors")
            return
        }
        #expect(cursors == [name("chat"): Cursor([partition: 7]), name("other"): Cursor()])
    }

    @Test("moves its id over gaps and what is rightly not shown, and tells of gaps where a handler sees it")
    func gaps() throws {
        let some = try stream(["topics": "chat"]).get()
        let begin = try #require(some.live([(name("chat"), Cursor([partition: 6]))]))
        let cursor = try #require(some.encode(.cursor(name("chat"), Cursor([partition: 9]))).map(text))
        #expect(cursor.hasPrefix("id: ") && !cursor.contains("data:") && id(in: cursor) != begin)
        let gap = Gap(partition: partition, from: 10, to: 12, reason: .expired)
        let told = try #require(some.encode(.gap(name("chat"), gap)).map(text))
        #expect(
            told.hasPrefix(
                #"data: {"type":"gap","topic":"chat","partition":"AAAAAAAAAAEAAAAAAAAAAg.1","from":10,"to":12,"#
                    + #""reason":"expired"}"# + "\nid: "))
        #expect(!told.contains("event:") && id(in: told) != id(in: cursor))
    }

    @Test("names the topic in an error, and says where to go when the node ends")
    func notices() throws {
        let some = try stream(["topics": "chat,none"]).get()
        let requests = some.begin()
        let refused = some.encode(.refused(.topicUnknown(name("none"))), to: requests[1].reference)
        #expect(
            refused.map(text) == [
                #"data: {"type":"error","topic":"none","error":"topic \"none\" does not exist: create it first","#
                    + #""code":"TOPIC_NOT_FOUND"}"# + "\n\n"
            ])
        #expect(
            some.encode(.draining(retryAfter: .milliseconds(250), nodes: ["a:1"])).map(text)
                == "retry: 250\n" + #"data: {"type":"drain","data":{"retryAfterMs":250,"nodes":["a:1"]}}"# + "\n\n")
        #expect(
            text(some.farewell(code: 1008, reason: "AUTH_EXPIRED: the token has expired"))
                == #"data: {"type":"close","code":1008,"reason":"AUTH_EXPIRED: the token has expired"}"# + "\n\n")
    }

    @Test("keeps its id within 4 KiB, and begins what it had to leave out a minute earlier")
    func manyTopics() throws {
        let some = try stream().get()
        let topics = (0..<2_000).map { number in
            (topic: name("sensors/building-\(number)"), cursor: Cursor([partition: UInt64(number + 1)]))
        }
        let long = try #require(some.live(topics))
        #expect(long.utf8.count <= 4_096 && long.utf8.count > 3_600)
        guard case .subscribe(let subscribe) = try stream(lastEventID: long).get().begin()[0].command,
            case .recent(let cursors, let time) = subscribe.since
        else {
            Issue.record("the id does not say that topics are left out")
            return
        }
        #expect(time == WallTime(milliseconds: 1_769_860_700_000 - 60_000))
        // Those that changed last are named.
        #expect(cursors.count > 50 && cursors[name("sensors/building-1999")] == Cursor([partition: 2_000]))
        #expect(cursors[name("sensors/building-0")] == nil)
    }

    @Test("counts topics whose subscription is not live yet as left out")
    func begun() throws {
        let some = try stream(["topics": "chat,other"]).get()
        let request = some.begin()[0]
        let reply = Reply.subscribed(
            filter("chat"), cursors: [(name("chat"), Cursor([partition: 6]))], recovered: true, missed: 0)
        let early = try #require(id(in: some.encode(reply, to: request.reference).map(text).joined()))
        guard case .subscribe(let subscribe) = try stream(lastEventID: early).get().begin()[0].command,
            case .recent = subscribe.since
        else {
            Issue.record("a topic that was not there yet would be given from its beginning")
            return
        }
    }

    @Test("forgets the places of a generation that has ended")
    func generations() throws {
        let some = try stream(["topics": "chat"]).get()
        _ = some.live([(name("chat"), Cursor([partition: 6]))])
        let next = Partition(origin: partition.origin, generation: 2)
        let told = try #require(some.encode(.cursor(name("chat"), Cursor([next: 3]))).map(text))
        guard case .subscribe(let subscribe) = try stream(lastEventID: id(in: told)).get().begin()[0].command,
            case .cursors(let cursors) = subscribe.since
        else {
            Issue.record("no cursors")
            return
        }
        #expect(cursors == [name("chat"): Cursor([next: 3])])
    }
}
