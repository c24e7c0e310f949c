import Broker
import JSON
import Model

/// Writes what one query's client is told.
struct LensesAnswer {
    private let query: Query
    private let tellsStats: Bool
    /// The query's own id, which `rowId` and `STATS` say.
    private var id = ""
    private var rowNumber: Int64 = 0
    private var hasMetadata = false

    static let end = Array(#"{"type":"END"}"#.utf8)

    init(query: Query, tellsStats: Bool) {
        self.query = query
        self.tellsStats = tellsStats
    }

    mutating func texts(_ chunk: QueryChunk) -> [[UInt8]] {
        id = chunk.figures.id
        var texts: [[UInt8]] = []
        if !hasMetadata, !chunk.columns.isEmpty {
            hasMetadata = true
            texts.append(metadata(chunk))
        }
        for row in chunk.rows { texts.append(record(row, chunk.columns)) }
        guard let end = chunk.end else {
            if chunk.rows.isEmpty { texts.append(tellsStats ? stats(chunk.figures) : Array(#"{"type":"HEARTBEAT"}"#.utf8)) }
            return texts
        }
        if tellsStats { texts.append(stats(chunk.figures)) }
        if case .limit(let limit) = end { texts.append(sentinel(limit, chunk.figures)) }
        texts.append(Self.end)
        return texts
    }

    static func error(_ refusal: Refusal) -> [UInt8] {
        write("ERROR") { $0.string("\(refusal.code): \(refusal.sentence)") }
    }

    private static func write(_ type: String, _ data: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("type")
        writer.string(type)
        writer.key("data")
        data(&writer)
        writer.endObject()
        return writer.bytes
    }

    private func metadata(_ chunk: QueryChunk) -> [UInt8] {
        Self.write("METADATA") { writer in
            writer.beginObject()
            writer.key("fields")
            writer.beginArray()
            if chunk.rows.first.map({ $0.origin != nil }) ?? chunk.columns.contains(where: { $0.role != .plain }) {
                for field in ["offset", "partition", "timestamp", "__keysize", "__valuesize"] { writer.string(field) }
            }
            writer.endArray()
            writer.endObject()
        }
    }

    private mutating func record(_ row: QueryRow, _ columns: [QueryColumn]) -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: 256)
        writer.beginObject()
        writer.key("type")
        writer.string("RECORD")
        writer.key("data")
        writer.beginObject()
        values(row, columns, to: &writer)
        if let origin = row.origin {
            writer.key("metadata")
            writer.beginObject()
            writer.key("offset")
            writer.unsigned(origin.offset)
            writer.key("partition")
            writer.integer(origin.partition)
            writer.key("timestamp")
            writer.string(Timestamp.text(origin.time))
            writer.key("__keysize")
            writer.integer(Int64(origin.keySize))
            writer.key("__valuesize")
            writer.integer(Int64(origin.valueSize))
            writer.endObject()
        }
        writer.key("rownum")
        writer.integer(rowNumber)
        rowNumber += 1
        writer.endObject()
        writer.key("rowId")
        writer.string(id)
        writer.key("statementIndex")
        writer.null()
        writer.endObject()
        return writer.bytes
    }

    /// Writes `key`, where `*` brought one, and `value`: the message itself, or an object of the columns.
    private func values(_ row: QueryRow, _ columns: [QueryColumn], to writer: inout JSONWriter) {
        if let place = columns.firstIndex(where: { $0.role == .key }), case .text(let key) = row.values[place] {
            writer.key("key")
            json(key, to: &writer)
        }
        writer.key("value")
        let message = columns.firstIndex { $0.role == .message }
        if let message, !columns.contains(where: { $0.role == .plain }), case .text(let text) = row.values[message] {
            return json(text, to: &writer)
        }
        writer.beginObject()
        for (column, value) in zip(columns, row.values) where column.role != .key {
            writer.key(column.name)
            if column.role == .message, case .text(let text) = value { json(text, to: &writer) } else { writer.value(value) }
        }
        writer.endObject()
    }

    /// A text that may be JSON as that, and as a string where it is none.
    private func json(_ text: String, to writer: inout JSONWriter) {
        if let view = try? JSONView(parsing: Array(text.utf8)) { writer.raw(view.bytes) } else { writer.string(text) }
    }

    private func sentinel(_ limit: QueryLimit, _ figures: QueryFigures) -> [UInt8] {
        Self.write("SENTINEL") { writer in
            writer.beginObject()
            writer.key("event")
            writer.string("THRESHOLD_REACHED")
            writer.key("reason")
            writer.beginObject()
            writer.key("type")
            switch limit {
            case .time(let time):
                writer.string("max.query.time")
                writer.key("timeout")
                writer.integer(time.milliseconds)
            case .idle(let time):
                writer.string("max.idle.time")
                writer.key("timeout")
                writer.integer(time.milliseconds)
            case .bytes(let count):
                writer.string("max.size")
                writer.key("amount")
                writer.integer(Int64(count))
            case .rows(let count):
                writer.string("max.rows")
                writer.key("amount")
                writer.integer(Int64(count))
            }
            writer.key("source")
            writer.string(figures.sources.map(\.topic.text).joined(separator: ","))
            writer.key("sourceId")
            writer.string(sourceID(0))
            writer.endObject()
            writer.endObject()
        }
    }
}

extension LensesAnswer {
    private func stats(_ figures: QueryFigures) -> [UInt8] {
        Self.write("STATS") { writer in
            writer.beginObject()
            writer.key("id")
            writer.string(id)
            number("bytesRead", figures.bytes, to: &writer)
            bySource("sources", figures, to: &writer) { $1.string($0.topic.text) }
            bySource("sourceConfigs", figures, to: &writer) { _, writer in configuration(to: &writer) }
            bySource("sourcesStats", figures, to: &writer) { source, writer in
                writer.beginObject()
                writer.key("0")
                writer.beginObject()
                number("begin", 0, to: &writer)
                number("end", source.total, to: &writer)
                number("offsetBound", source.total, to: &writer)
                number("bytesRead", source.bytes, to: &writer)
                number("recordsScanned", source.messages, to: &writer)
                writer.endObject()
                writer.endObject()
            }
            number("badRecordsTotal", figures.sources.reduce(0) { $0 + $1.unreadable }, to: &writer)
            number("recordsSkipped", 0, to: &writer)
            number("results", figures.rows, to: &writer)
            number("recordsScanned", figures.messages, to: &writer)
            number("duration", UInt64(max(0, figures.elapsed.milliseconds)), to: &writer)
            number("startedAt", UInt64(max(0, figures.started.milliseconds)), to: &writer)
            writer.endObject()
        }
    }

    private func configuration(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("live.aggs")
        writer.bool(query.isLive)
        writer.key("format.timestamp")
        writer.bool(true)
        writer.key("show.bad.records")
        writer.bool(true)
        if let time = query.limits.time { number("max.query.time", UInt64(time.milliseconds), to: &writer) }
        if let idle = query.limits.idle { number("max.idle.time", UInt64(idle.milliseconds), to: &writer) }
        if let bytes = query.limits.bytes { number("max.size", UInt64(bytes), to: &writer) }
        writer.endObject()
    }

    private func bySource(
        _ key: StaticString, _ figures: QueryFigures, to writer: inout JSONWriter,
        _ value: (QueryFigures.Source, inout JSONWriter) -> Void
    ) {
        writer.key(key)
        writer.beginObject()
        for (place, source) in figures.sources.enumerated() {
            writer.key(sourceID(place))
            value(source, &writer)
        }
        writer.endObject()
    }

    private func number(_ key: StaticString, _ value: UInt64, to writer: inout JSONWriter) {
        writer.key(key)
        writer.unsigned(value)
    }

    /// The id of a source: the query's own, with the source's place at its end.
    private func sourceID(_ place: Int) -> String {
        let digits = String(place, radix: 16)
        return id.dropLast(4) + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
