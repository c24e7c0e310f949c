import Broker
import JSON

/// The queries of one conversation that are under way: those that are answered as they come, those that are answered whole,
/// and those that are part of a batch.
struct RustyDBQueries {
    /// The most queries of a batch.
    static let batchLimit = 100
    /// The most queries of a conversation that may be under way.
    static let limit = 100
    /// The most bytes that rows may take until they are answered, all queries of the conversation together: 16 MiB. A
    /// streaming query keeps none.
    static let byteLimit = 16 << 20

    private var queries: [UInt32: Pending] = [:]
    private var batches: [UInt32: Batch] = [:]
    private var lastNumber: UInt32 = 0
    private var keptBytes = 0

    private struct Pending {
        let id: [UInt8]?
        let isStreaming: Bool
        /// Its batch and its place in it.
        let place: (batch: UInt32, index: Int)?
        /// The rows so far, each as JSON.
        var rows: [[UInt8]] = []
        var bytes = 0
    }

    private struct Batch {
        let id: [UInt8]?
        /// The payloads in the order of the queries; nil for those under way.
        var results: [[UInt8]?]
    }

    /// What a reply comes to.
    enum Outcome {
        /// Nothing can be said yet.
        case wait
        /// Payloads, as `data` and `error`.
        case payloads([(payload: [UInt8], isError: Bool)], id: [UInt8]?)
        /// The payloads of a whole batch.
        case batch([[UInt8]], id: [UInt8]?)
    }

    /// Takes a query into account; gives its number.
    mutating func begin(_ id: [UInt8]?, isStreaming: Bool) throws(Refusal) -> UInt32 {
        guard queries.count < Self.limit else { throw .queryLimit(Self.limit) }
        lastNumber &+= 1
        queries[lastNumber] = Pending(id: id, isStreaming: isStreaming, place: nil)
        return lastNumber
    }

    /// Takes a batch into account; gives the numbers of its queries.
    mutating func begin(_ id: [UInt8]?, batch count: Int) throws(Refusal) -> [UInt32] {
        guard queries.count + count <= Self.limit else { throw .queryLimit(Self.limit) }
        lastNumber &+= 1
        let batch = lastNumber
        batches[batch] = Batch(id: id, results: Array(repeating: nil, count: count))
        return (0..<count).map { index in
            lastNumber &+= 1
            queries[lastNumber] = Pending(id: nil, isStreaming: false, place: (batch, index))
            return lastNumber
        }
    }

    /// Whether a query with that id of the client's is under way.
    func isRunning(_ id: [UInt8]) -> Bool { queries.values.contains { $0.id == id } }

    /// Takes a part of a result.
    mutating func take(_ number: UInt32, _ chunk: QueryChunk) -> Outcome {
        guard var query = queries[number] else { return .wait }
        let rows = chunk.rows.map(Self.row)
        if case .limit(let limit) = chunk.end {
            let outcome = end(number, Self.failure(.queryWrong(limit.sentence)), isError: true)
            guard query.isStreaming, !rows.isEmpty, case .payloads(let payloads, let id) = outcome else { return outcome }
            return .payloads([(payload: Self.payload(chunk, rows, hasMore: true), isError: false)] + payloads, id: id)
        }
        if query.isStreaming {
            guard chunk.end != nil || !rows.isEmpty else { return .wait }
            if chunk.end != nil { queries[number] = nil }
            let payload = Self.payload(chunk, rows, hasMore: chunk.end == nil)
            return .payloads([(payload, false)], id: query.id)
        }
        let bytes = rows.reduce(0) { $0 + $1.count }
        guard keptBytes + bytes <= Self.byteLimit else {
            let words = "the result takes more than \(Self.byteLimit >> 20) MiB at once: ask for it with \"streaming\": true"
            return end(number, Self.failure(.queryWrong(words)), isError: true)
        }
        keptBytes += bytes
        query.bytes += bytes
        query.rows += rows
        queries[number] = query
        guard chunk.end != nil else { return .wait }
        return end(number, Self.payload(chunk, query.rows, hasMore: false), isError: false)
    }

    /// Takes a refusal, which ends a query.
    mutating func take(_ number: UInt32, _ refusal: Refusal) -> Outcome {
        end(number, Self.failure(refusal), isError: true)
    }

    private mutating func end(_ number: UInt32, _ payload: [UInt8], isError: Bool) -> Outcome {
        guard let query = queries.removeValue(forKey: number) else { return .wait }
        keptBytes -= query.bytes
        guard let (batch, index) = query.place else { return .payloads([(payload, isError)], id: query.id) }
        batches[batch]?.results[index] = payload
        guard let done = batches[batch], !done.results.contains(where: { $0 == nil }) else { return .wait }
        batches[batch] = nil
        return .batch(done.results.compactMap { $0 }, id: done.id)
    }

    private static func row(_ row: QueryRow) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginArray()
        for value in row.values { writer.value(value) }
        writer.endArray()
        return writer.bytes
    }

    private static func payload(_ chunk: QueryChunk, _ rows: [[UInt8]], hasMore: Bool) -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: rows.reduce(256) { $0 + $1.count + 1 })
        writer.beginObject()
        writer.key("status")
        writer.string(chunk.end == .cancelled ? "cancelled" : "success")
        writer.key("rows")
        writer.beginArray()
        for row in rows { writer.raw(row) }
        writer.endArray()
        writer.key("columns")
        writer.beginArray()
        for column in chunk.columns { writer.string(column.name) }
        writer.endArray()
        writer.key("rows_affected")
        writer.unsigned(UInt64(rows.count))
        writer.key("has_more")
        writer.bool(hasMore)
        writer.endObject()
        return writer.bytes
    }

    private static func failure(_ refusal: Refusal) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        RustyDBReplies.refusal(refusal, to: &writer)
        writer.endObject()
        return writer.bytes
    }
}
