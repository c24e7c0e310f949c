import Broker
import Dialects
import JSON
import Model
import Testing

@Suite("Lenses' dialect says")
struct LensesTests {
    private let conversation = LensesConversation()
    private static let payments: TopicName = {
        guard let name = try? TopicName("cc_payments") else { preconditionFailure("it is a topic's name") }
        return name
    }()

    private func ask(_ text: String) throws -> Request {
        let requests = conversation.receive(Array(text.utf8))
        return try #require(requests.count == 1 ? requests[0] : nil)
    }

    private func query(_ text: String) throws -> Query {
        guard case .query(let query) = try ask(text).command else { throw Unexpected() }
        return query
    }

    private func say(_ reply: Reply, to request: Request) -> [String] {
        conversation.encode(reply, to: request.reference).map { String(decoding: $0, as: UTF8.self) }
    }

    private func chunk(_ columns: [QueryColumn], _ rows: [QueryRow], _ end: QueryEnd? = nil) -> Reply {
        var figures = QueryFigures()
        figures.id = "6a29ef99-3914-4640-b0dc-ec4a07c7ffc5"
        var source = QueryFigures.Source(topic: Self.payments)
        (source.messages, source.bytes, source.total) = (2, 20, 3)
        figures.sources = [source]
        figures.rows = UInt64(rows.count)
        figures.elapsed = .milliseconds(5)
        figures.started = WallTime(milliseconds: 1_678_901_355_694)
        return .rows(QueryChunk(number: 0, columns: columns, rows: rows, figures: figures, end: end))
    }

    private struct Unexpected: Error {}

    private let origin = QueryRow.Origin(
        partition: 1, offset: 71, time: WallTime(milliseconds: 1_678_707_744_267), keySize: 10, valueSize: 79)
    private let metadata =
        #""metadata":{"offset":71,"partition":1,"timestamp":"2023-03-13T11:42:24.267Z","__keysize":10,"__valuesize":79}"#
    private let tail = #""rowId":"6a29ef99-3914-4640-b0dc-ec4a07c7ffc5","statementIndex":null}"#

    @Test("a whole message with its key and metadata where * asks for it, and the end")
    func star() throws {
        let request = try ask(#"{"sql": "SELECT * FROM sea_vessel_position_reports", "live": false}"#)
        let columns = [QueryColumn(name: "_key", role: .key), QueryColumn(name: "_value", role: .message)]
        let rows = [
            QueryRow(values: [.text(#"{"MMSI":219005662}"#), .text(#"{"Type": 1}"#)], origin: origin),
            QueryRow(values: [.null, .text("7")], origin: origin),
        ]
        let reply = chunk(columns, rows, .complete)
        #expect(
            say(reply, to: request) == [
                #"{"type":"METADATA","data":{"fields":["offset","partition","timestamp","__keysize","__valuesize"]}}"#,
                #"{"type":"RECORD","data":{"key":{"MMSI":219005662},"value":{"Type": 1},\#(metadata),"rownum":0},\#(tail)"#,
                #"{"type":"RECORD","data":{"value":7,\#(metadata),"rownum":1},\#(tail)"#, #"{"type":"END"}"#,
            ])
        #expect(conversation.ends(after: reply, to: request.reference))
    }

    @Test("columns as an object, without metadata where rows are aggregates")
    func aggregates() throws {
        let request = try ask(#"{"sql": "SELECT count(*), currency FROM cc_payments GROUP BY currency"}"#)
        let row = QueryRow(values: [.integer(20_066), .text("NOR")])
        let reply = chunk([QueryColumn(name: "count"), QueryColumn(name: "currency")], [row])
        #expect(
            say(reply, to: request) == [
                #"{"type":"METADATA","data":{"fields":[]}}"#,
                #"{"type":"RECORD","data":{"value":{"count":20066,"currency":"NOR"},"rownum":0},\#(tail)"#,
            ])
        #expect(!conversation.ends(after: reply, to: request.reference))
        #expect(say(chunk([], []), to: request) == [#"{"type":"HEARTBEAT"}"#])
    }

    @Test("figures where they are asked for, and the threshold that was met")
    func thresholds() throws {
        let request = try ask(#"{"sql": "SET max.size = 1k; SELECT a FROM cc_payments", "stats": 2}"#)
        guard case .query(let query) = request.command else { throw Unexpected() }
        #expect(query.limits == QueryLimits(bytes: 1_024) && query.pulse == .milliseconds(100))
        let texts = say(chunk([], [], .limit(.bytes(1_024))), to: request)
        let source = "6a29ef99-3914-4640-b0dc-ec4a07c70000"
        #expect(
            texts == [
                #"{"type":"STATS","data":{"id":"6a29ef99-3914-4640-b0dc-ec4a07c7ffc5","bytesRead":20,"#
                    + #""sources":{"\#(source)":"cc_payments"},"sourceConfigs":{"\#(source)":{"live.aggs":false,"#
                    + #""format.timestamp":true,"show.bad.records":true,"max.size":1024}},"sourcesStats":{"\#(source)":{"0":{"#
                    + #""begin":0,"end":3,"offsetBound":3,"bytesRead":20,"recordsScanned":2}}},"badRecordsTotal":0,"#
                    + #""recordsSkipped":0,"results":0,"recordsScanned":2,"duration":5,"startedAt":1678901355694}}"#,
                #"{"type":"SENTINEL","data":{"event":"THRESHOLD_REACHED","reason":{"type":"max.size","amount":1024,"#
                    + #""source":"cc_payments","sourceId":"\#(source)"}}}"#,
                #"{"type":"END"}"#,
            ])
    }

    @Test(
        "settings before the query, with units or without",
        arguments: [
            ("SET max.query.time = 10s; SELECT 1", QueryLimits(time: .seconds(10))),
            ("set max.idle.time='250'; SET max.size = 2mb; SELECT 1", QueryLimits(bytes: 2 << 20, idle: .milliseconds(250))),
            ("SELECT 1", QueryLimits()),
        ])
    func settings(sql: String, limits: QueryLimits) throws {
        let query = try query(#"{"sql": "\#(sql)", "live": true}"#)
        #expect(query.limits == limits)
        #expect(query.sql == "SELECT 1" && query.isLive)
    }

    @Test(
        "what is wrong with the first message, and ends",
        arguments: [
            ("[]", "INVALID_MESSAGE"), (#"{"query": "SELECT 1"}"#, "\\\"sql\\\" is missing"),
            (#"{"sql": "SELECT 1", "live": 1}"#, "must be true or false"), (#"{"sql": "SELECT 1", "stats": 0}"#, "milliseconds"),
            (#"{"sql": "SET parallel = 2; SELECT 1"}"#, "cannot be set"), (#"{"sql": "SET max.size = 0; SELECT 1"}"#, "above 0"),
        ])
    func wrong(text: String, words: String) throws {
        let request = try ask(text)
        guard case .refuse(let refusal) = request.command else { throw Unexpected() }
        let texts = say(.refused(refusal), to: request)
        #expect(texts.count == 2 && texts[1] == #"{"type":"END"}"#)
        #expect(texts[0].hasPrefix(#"{"type":"ERROR","data":""#) && texts[0].contains(words), "\(texts)")
    }

    @Test("that a connection has one query, and goes on with it")
    func again() throws {
        let first = try ask(#"{"sql": "SELECT 1"}"#)
        let second = try ask(#"{"sql": "SELECT 2"}"#)
        guard case .refuse(let refusal) = second.command else { throw Unexpected() }
        #expect(say(.refused(refusal), to: second).count == 1)
        #expect(!conversation.ends(after: .refused(refusal), to: second.reference))
        #expect(conversation.ends(after: .refused(refusal), to: first.reference))
    }

    @Test("every refusal of the core with its code")
    func refusals() throws {
        let request = try ask(#"{"sql": "SELECT 1"}"#)
        for refusal in [Refusal.queryWrong("x"), .tableUnknown("t"), .queryLimit(64), .rateLimited, .authenticationExpired, .internal("y")] {
            #expect(say(.refused(refusal), to: request)[0].hasPrefix(#"{"type":"ERROR","data":"\#(refusal.code): "#))
        }
    }
}
