import Broker
import JSON
import Model

/// Reads and writes places in topics.
enum DaptinCursors {
    /// `since`: `"beginning"`, a cursor as object or compact text, `{"last": n}`, `{"time": iso}`, or a cursor for each
    /// topic.
    ///
    /// A cursor's values are numbers and a topic's are cursors, so that the two kinds of object are told apart by them.
    static func since(_ attributes: DaptinAttributes) throws(Refusal) -> Command.Since? {
        guard let value = try attributes.value("since") else { return nil }
        return try since(value)
    }

    /// The same, of a value.
    static func since(_ value: JSONView) throws(Refusal) -> Command.Since {
        if value.isString("beginning") { return .start(.beginning) }
        if value.kind == .string { return .start(.cursor(try compact(value))) }
        guard value.kind == .object else {
            let shown = value.bytes.count <= 40 ? String(decoding: value.bytes, as: UTF8.self) : value.kind.rawValue
            throw .invalidMessage("\"since\" is \(shown); it must be \(sinceWords)")
        }
        let members = try unique(value)
        if members.count == 1, let start = try named(members[0]) { return .start(start) }
        guard members.contains(where: { $0.value.kind != .number }) else {
            return .start(.cursor(try cursor(members)))
        }
        var cursors: [TopicName: Cursor] = [:]
        for (key, value) in members { cursors[try DaptinAttributes.topic(key)] = try place(value) }
        return .cursors(cursors)
    }

    /// Writes `{partition: offset, …}` in the order of partitions.
    static func write(_ cursor: Cursor, to writer: inout JSONWriter) {
        writer.beginObject()
        for (partition, offset) in cursor.sorted {
            writer.key(partition.description)
            writer.unsigned(offset)
        }
        writer.endObject()
    }

    private static let sinceWords =
        "a cursor, \"beginning\", {\"last\": n}, {\"time\": \"2026-01-31T12:00:00.000Z\"} or {topic: cursor, …}"

    /// `{"last": n}` or `{"time": iso}`; nil for anything else.
    private static func named(_ member: (key: String, value: JSONView)) throws(Refusal) -> ReadStart? {
        switch (member.key, member.value.kind) {
        case ("last", .number):
            guard let count = member.value.integer, (1...1_000_000).contains(count) else {
                throw .invalidMessage("\"last\" must be a whole number, 1 to 1000000")
            }
            return .last(Int(count))
        case ("time", .string):
            guard let time = member.value.string.flatMap(Timestamp.time) else {
                throw .invalidMessage("\"time\" is no ISO 8601 time; write it as 2026-01-31T12:00:00.000Z")
            }
            return .time(time)
        default: return nil
        }
    }

    /// One topic's cursor: an object or compact text.
    private static func place(_ value: JSONView) throws(Refusal) -> Cursor {
        switch value.kind {
        case .object: return try cursor(try unique(value))
        case .string: return try compact(value)
        default: throw .invalidMessage("\"since\" mixes offsets and topics; it must be \(sinceWords)")
        }
    }

    private static func cursor(_ members: [(key: String, value: JSONView)]) throws(Refusal) -> Cursor {
        guard members.count <= Cursor.maximumPartitions else {
            throw .invalidMessage("a cursor names at most \(Cursor.maximumPartitions) partitions")
        }
        var cursor = Cursor()
        for (key, value) in members {
            guard let partition = Partition(key) else {
                throw .invalidMessage(
                    "\"\(key.prefix(64))\" in \"since\" is no partition; \"since\" must be \(sinceWords)")
            }
            guard let offset = value.unsigned else {
                throw .invalidMessage("the offset of partition \"\(key)\" must be a whole number, 0 or more")
            }
            cursor.advance(partition, to: offset)
        }
        return cursor
    }

    private static func compact(_ value: JSONView) throws(Refusal) -> Cursor {
        do throws(FormatError) {
            return try Cursor(compactText: value.string ?? "")
        } catch {
            throw .invalidMessage("\"since\" is no cursor (\(error.description)); it must be \(sinceWords)")
        }
    }

    private static func unique(_ value: JSONView) throws(Refusal) -> [(key: String, value: JSONView)] {
        do throws(JSONError) { return try value.uniqueMembers() } catch { throw .invalidMessage(error.description) }
    }
}
