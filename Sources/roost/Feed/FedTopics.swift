import JSON
import Model

/// The topics of a feed on the nodes: created where they are missing, and read for comparison.
struct FedTopics: Sendable {
    let client: RESTClient

    /// Sees to it that a table's topic exists and is a table.
    func prepare(_ topic: TopicName) async throws(CommandFailure) {
        var writer = JSONWriter()
        writer.beginObject()
        for (name, value): (StaticString, String) in [("name", topic.text), ("kind", "table")] {
            writer.key(name)
            writer.string(value)
        }
        writer.endObject()
        do throws(CommandFailure) {
            _ = try await client.call(.POST, "/api/v1/topics", body: writer.bytes)
        } catch {
            guard case .refused(code: "TOPIC_EXISTS", _) = error else { throw error }
            let found = try await client.call(.GET, "/api/v1/topics/\(pathSegment(topic.text))")
            guard found["kind"]?.string == "table" else {
                throw .configuration("topic \"\(topic)\" exists and is no table: give another --topic-prefix, or destroy it")
            }
        }
    }

    /// The rows that a topic holds: the hash of each one's JSON by its key. Of two that differ one in 2^64 has the same.
    func rows(of topic: TopicName) async throws(CommandFailure) -> [String: Int] {
        var rows: [String: Int] = [:]
        var since = "beginning"
        while true {
            let page = try await client.call(
                .GET, "/api/v1/tables/\(pathSegment(topic.text))?limit=1000&since=\(pathSegment(since))")
            for row in page["rows"]?.elements() ?? [] {
                guard let key = row["key"]?.string, let data = row["data"] else {
                    throw .broken("the node gave a row without \"key\" or \"data\"")
                }
                rows[key] = Array(data.bytes).hashValue
            }
            guard page["more"]?.bool == true, let cursor = page["cursor"] else { return rows }
            since = String(decoding: cursor.bytes, as: UTF8.self)
        }
    }
}
