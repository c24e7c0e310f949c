import Broker
import Hummingbird
import HummingbirdCore
import JSON
import Model
import NIOCore

/// `POST /api/v1/query`: one query in SQL, whose result is written as it comes.
///
/// `{"success":true,"data":{"columns":[…],"rows":[[…],…],"row_count":n,"limit":null}}`; `limit` is a sentence where one
/// ended the query. A failure after the first rows leaves `"success":false` and `"error"` at the end instead of `limit`.
struct QueryDoor {
    let query: Query
    let principal: Principal
    let front: FrontPort

    /// Reads a request's body.
    static func query(_ body: JSONView) throws(Refusal) -> Query {
        guard let sql = try RequestReading.string(body, "sql") else {
            throw .invalidMessage("\"sql\" is missing; it must be one SELECT")
        }
        var query = Query(sql: sql)
        if let parameters = body["params"] { query.parameters = try QueryParameters(parameters) }
        return query
    }

    func respond(_ context: RoostContext) async throws -> Response {
        let call = StreamedCall(.query(query), as: principal, on: front)
        // A client that goes while no rows come would not be noticed by writing.
        context.channel.closeFuture.whenComplete { _ in call.close() }
        guard let first = await call.next() else { throw Refusal.internal("the node is stopping") }
        if case .refused(let refusal) = first { throw refusal }
        let body = ResponseBody { writer in
            defer { call.close() }
            var text = QueryText()
            var reply: Reply? = first
            while let next = reply {
                try await writer.write(ByteBuffer(bytes: text.write(next)))
                if next.isLast { break }
                call.more()
                reply = await call.next()
            }
            if !text.isWhole { try await writer.write(ByteBuffer(bytes: text.broken())) }
            try await writer.finish(nil)
        }
        return Response(status: .ok, headers: [.contentType: "application/json"], body: body)
    }
}

/// A result as JSON, part by part.
private struct QueryText {
    private var count = 0
    private var hasBegun = false
    private(set) var isWhole = false

    mutating func write(_ reply: Reply) -> [UInt8] {
        switch reply {
        case .rows(let chunk): return rows(chunk)
        case .refused(let refusal): return end(refusal: refusal)
        default: return end(refusal: .internal("the broker gave an answer to another question"))
        }
    }

    mutating func broken() -> [UInt8] { end(refusal: .internal("the query ended before its result")) }

    private mutating func rows(_ chunk: QueryChunk) -> [UInt8] {
        var bytes: [UInt8] = []
        if !hasBegun {
            hasBegun = true
            var columns = JSONWriter()
            columns.beginArray()
            for column in chunk.columns { columns.string(column.name) }
            columns.endArray()
            bytes += Array(#"{"data":{"columns":"#.utf8) + columns.bytes + Array(#","rows":["#.utf8)
        }
        for row in chunk.rows {
            if count > 0 { bytes.append(UInt8(ascii: ",")) }
            count += 1
            var writer = JSONWriter()
            writer.beginArray()
            for value in row.values { writer.value(value) }
            writer.endArray()
            bytes += writer.bytes
        }
        guard let end = chunk.end else { return bytes }
        isWhole = true
        var limit = JSONWriter()
        if case .limit(let met) = end { limit.string(met.sentence) } else { limit.null() }
        return bytes + Array("],\"row_count\":\(count),\"limit\":".utf8) + limit.bytes + Array("},\"success\":true}".utf8)
    }

    private mutating func end(refusal: Refusal) -> [UInt8] {
        isWhole = true
        var error = JSONWriter()
        error.beginObject()
        error.key("code")
        error.string(refusal.code)
        error.key("message")
        error.string(refusal.sentence)
        error.endObject()
        let opening = hasBegun ? "" : #"{"data":{"columns":[],"rows":["#
        return Array("\(opening)],\"row_count\":\(count)},\"success\":false,\"error\":".utf8) + error.bytes + Array("}".utf8)
    }
}
