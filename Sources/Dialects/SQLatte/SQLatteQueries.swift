import Broker
import JSON
import Model

/// The queries of one conversation that are under way, and what each says as its rows come.
struct SQLatteQueries {
    /// The most queries of a conversation that may be under way.
    static let limit = 100
    /// The most rows of a result that is given whole; a larger one comes in chunks of as many.
    static let chunkRows = 1_000
    /// About how many bytes of values a chunk has, and a result that is given whole: 1 MiB.
    static let chunkBytes = 1 << 20

    private var queries: [UInt32: Pending] = [:]
    private var lastNumber: UInt32 = 0

    /// One of them.
    private struct Pending {
        var sql: String
        let parameters: QueryParameters
        let started: WallTime
        /// What the translator of its question has said so far; its first word counts.
        var translation: [UInt8]?
        /// Rows that were not given yet, and about how many bytes they take: never more than a chunk holds, and what one
        /// more brings.
        var kept: [QueryRow] = []
        var bytes = 0
        var chunks: UInt64 = 0
        var rows: UInt64 = 0
    }

    /// How a query ended, as `query_completed` tells it.
    struct Completion {
        let id: String
        let succeeded: Bool
        let rows: UInt64
        let elapsed: Duration

        var text: [UInt8] {
            SQLatteReplies.message("query_completed") { writer in
                SQLatteReplies.strings([("query_id", id)], to: &writer)
                writer.key("success")
                writer.bool(succeeded)
                SQLatteQueries.numbers([("total_rows", rows)], elapsed, to: &writer)
            }
        }
    }

    /// The client's name of a query: its number in the conversation.
    static func id(_ number: UInt32) -> String { "q_\(number)" }

    /// Takes a query into account; gives its number.
    mutating func begin(
        _ sql: String, _ parameters: QueryParameters, at time: WallTime
    ) throws(Refusal) -> UInt32 {
        guard queries.count < Self.limit else { throw .queryLimit(Self.limit) }
        lastNumber &+= 1
        queries[lastNumber] = Pending(sql: sql, parameters: parameters, started: time)
        return lastNumber
    }

    /// Takes a part of what a translator says.
    mutating func translated(_ number: UInt32, _ payload: [UInt8]) {
        if queries[number]?.translation == nil { queries[number]?.translation = payload }
    }

    /// Puts the translation in the place of a question; gives what is to be asked, nil where the query is no more.
    mutating func translate(_ number: UInt32) throws(Refusal) -> (sql: String, parameters: QueryParameters)? {
        guard let query = queries[number] else { return nil }
        let sql = try SQLatteTranslation.sql(query.translation ?? [])
        queries[number]!.sql = sql
        return (sql, query.parameters)
    }

    /// Takes a part of a result.
    mutating func take(_ number: UInt32, _ chunk: QueryChunk) -> (texts: [[UInt8]], completion: Completion?) {
        guard var query = queries.removeValue(forKey: number) else { return ([], nil) }
        let id = Self.id(number)
        query.rows += UInt64(chunk.rows.count)
        query.kept += chunk.rows
        query.bytes += chunk.rows.reduce(0) { $0 + $1.values.reduce(0) { $0 + $1.size } }
        var texts: [[UInt8]] = []
        while query.kept.count > Self.chunkRows { texts.append(Self.part(id, &query, chunk.columns)) }
        guard let end = chunk.end else {
            if query.bytes > Self.chunkBytes { texts.append(Self.part(id, &query, chunk.columns)) }
            queries[number] = query
            return (texts + [Self.progress(id, Self.percent(chunk.figures), chunk.figures)], nil)
        }
        let isWhole = end == .complete && query.chunks == 0
        if !isWhole, !query.kept.isEmpty { texts.append(Self.part(id, &query, chunk.columns)) }
        switch end {
        case .complete:
            texts.append(Self.progress(id, 100, chunk.figures))
            texts.append(
                isWhole
                    ? Self.whole(id, query, chunk.columns, chunk.figures) : Self.complete(id, query, chunk.figures))
        case .limit(let limit):
            texts.append(SQLatteReplies.refusal(.queryWrong(limit.sentence), to: "query", query: id))
        case .cancelled:
            texts.append(SQLatteReplies.refusal(.queryWrong("the query was cancelled"), to: "query", query: id))
        }
        let completion = Completion(
            id: id, succeeded: end == .complete, rows: query.rows, elapsed: chunk.figures.elapsed)
        return (texts, completion)
    }

    /// Takes a refusal, which ends a query.
    mutating func take(
        _ number: UInt32, _ refusal: Refusal, at time: WallTime
    ) -> (texts: [[UInt8]], completion: Completion?) {
        guard let query = queries.removeValue(forKey: number) else { return ([], nil) }
        let id = Self.id(number)
        let elapsed = Duration.milliseconds(max(0, time.milliseconds - query.started.milliseconds))
        return (
            [SQLatteReplies.refusal(refusal, to: "query", query: id)],
            Completion(id: id, succeeded: false, rows: query.rows, elapsed: elapsed)
        )
    }
}

// What is said of a query.
extension SQLatteQueries {
    static func start(_ number: UInt32) -> [UInt8] {
        SQLatteReplies.message("query_start") { SQLatteReplies.strings([("query_id", id(number))], to: &$0) }
    }

    /// How much of the topics' messages was read: never 100 before the end, since a join may read them more than once.
    private static func percent(_ figures: QueryFigures) -> UInt64 {
        let total = figures.sources.reduce(0) { $0 + $1.total }
        return total == 0 ? 0 : min(99, figures.messages * 100 / total)
    }

    private static func progress(_ id: String, _ percent: UInt64, _ figures: QueryFigures) -> [UInt8] {
        SQLatteReplies.message("query_progress") { writer in
            SQLatteReplies.strings([("query_id", id)], to: &writer)
            writer.key("progress")
            writer.unsigned(percent)
            let words = "Processed \(figures.messages) messages, \(figures.rows) rows"
            SQLatteReplies.strings([("message", words)], to: &writer)
        }
    }

    private static func whole(
        _ id: String, _ query: Pending, _ columns: [QueryColumn], _ figures: QueryFigures
    ) -> [UInt8] {
        SQLatteReplies.message("query_result") { writer in
            SQLatteReplies.strings([("query_id", id), ("sql", query.sql)], to: &writer)
            table(columns, query.kept[...], to: &writer)
            numbers([("total_rows", query.rows)], figures.elapsed, to: &writer)
        }
    }

    /// As many of the rows that are kept as a chunk holds; they are kept no longer.
    private static func part(_ id: String, _ query: inout Pending, _ columns: [QueryColumn]) -> [UInt8] {
        query.chunks += 1
        let rows = query.kept.prefix(chunkRows)
        let text = SQLatteReplies.message("result_chunk") { writer in
            SQLatteReplies.strings([("query_id", id)], to: &writer)
            writer.key("chunk")
            writer.unsigned(query.chunks)
            table(columns, rows, to: &writer)
        }
        query.bytes -= rows.reduce(0) { $0 + $1.values.reduce(0) { $0 + $1.size } }
        query.kept.removeFirst(rows.count)
        return text
    }

    private static func complete(_ id: String, _ query: Pending, _ figures: QueryFigures) -> [UInt8] {
        SQLatteReplies.message("result_complete") { writer in
            SQLatteReplies.strings([("query_id", id), ("sql", query.sql)], to: &writer)
            numbers([("total_rows", query.rows), ("total_chunks", query.chunks)], figures.elapsed, to: &writer)
        }
    }

    private static func table(_ columns: [QueryColumn], _ rows: ArraySlice<QueryRow>, to writer: inout JSONWriter) {
        SQLatteReplies.names("columns", columns.map(\.name), to: &writer)
        writer.key("rows")
        writer.beginArray()
        for row in rows {
            writer.beginArray()
            for value in row.values { writer.value(value) }
            writer.endArray()
        }
        writer.endArray()
    }

    fileprivate static func numbers(
        _ members: [(StaticString, UInt64)], _ elapsed: Duration, to writer: inout JSONWriter
    ) {
        for (key, value) in members {
            writer.key(key)
            writer.unsigned(value)
        }
        writer.key("execution_time_ms")
        writer.integer(elapsed.milliseconds)
    }
}
