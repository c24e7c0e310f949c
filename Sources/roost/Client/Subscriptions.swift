import JSON

/// What a follower has seen, so that it can go on at another node. Used by one task.
final class Subscriptions {
    private let topics: [String]
    private let since: String?
    private let group: (name: String, acknowledges: Bool)?
    private var remaining: Int?
    /// Acknowledgements that were sent and not answered.
    private var acknowledging = 0
    /// By topic and partition; a topic is here once its subscription was confirmed.
    private var seen: [String: [String: UInt64]] = [:]
    /// The filters that were confirmed, by their place in `topics`.
    private var confirmed: Set<Int> = []
    private var repeats = RepeatedMessages()

    init(topics: [String], since: String?, group: (name: String, acknowledges: Bool)? = nil, remaining: Int?) {
        self.topics = topics
        self.since = since
        self.group = group
        self.remaining = remaining
    }

    var wasAttached: Bool { !confirmed.isEmpty }

    /// Whether more messages are wanted.
    var isUnfinished: Bool { remaining.map { $0 > 0 } ?? true }

    /// A request for each topic: from where it was asked to begin, or from where this one is.
    func requests() -> [[UInt8]] {
        acknowledging = 0
        return topics.enumerated().map { index, topic in
            LiveRequest.text(id: index, "subscribe") { writer in
                writer.key("topicName")
                writer.string(topic)
                if let group {
                    writer.key("group")
                    writer.string(group.name)
                    writer.key("ack")
                    writer.bool(group.acknowledges)
                } else if confirmed.contains(index) {
                    writer.key("since")
                    isWildcard(topic) ? writeAll(topic, to: &writer) : writeCursor(seen[topic] ?? [:], to: &writer)
                } else if let since {
                    writer.key("since")
                    writeStart(since, to: &writer)
                }
            }
        }
    }

    /// Takes the place from which a subscription delivers.
    func subscribed(_ id: Int?, _ data: JSONView?) {
        if id == Self.acknowledgementID { acknowledging -= 1 }
        guard let id, topics.indices.contains(id), let cursor = data?["cursor"] else { return }
        if isWildcard(topics[id]) {
            for (topic, cursor) in cursor.members() { take(cursor, of: topic) }
        } else {
            take(cursor, of: topics[id])
        }
        confirmed.insert(id)
    }

    /// Takes note of a message; whether it is a new one, and not one that its publisher sent again elsewhere.
    func saw(_ event: JSONView) -> Bool {
        guard let topic = event["topic"]?.string, let partition = event["partition"]?.string,
            let offset = event["offset"]?.unsigned
        else { return true }
        seen[topic, default: [:]][partition] = offset
        // What a group is given again was not dealt with.
        guard group != nil || repeats.isNew(event, in: topic) else { return false }
        remaining = remaining.map { $0 - 1 }
        return true
    }

    /// Whether a node has yet to say that it took an acknowledgement.
    var awaitsAcknowledgement: Bool { acknowledging > 0 }

    /// What acknowledges a message that the group was given; nil for others.
    func acknowledgement(of event: JSONView) -> [UInt8]? {
        guard let number = event["ackId"]?.string else { return nil }
        acknowledging += 1
        return LiveRequest.text(id: Self.acknowledgementID, "ack") { writer in
            writer.key("ackId")
            writer.string(number)
        }
    }

    /// The id of every acknowledgement; subscriptions count from 0.
    private static let acknowledgementID = -1

    /// Takes note of messages that are not for us.
    func passed(_ notice: JSONView) {
        if let topic = notice["topic"]?.string, let cursor = notice["cursor"] { take(cursor, of: topic) }
    }

    private func take(_ cursor: JSONView, of topic: String) {
        for (partition, offset) in cursor.members() {
            guard let offset = offset.unsigned else { continue }
            let known = seen[topic, default: [:]][partition] ?? 0
            seen[topic, default: [:]][partition] = max(known, offset)
        }
        if seen[topic] == nil { seen[topic] = [:] }
    }

    private func isWildcard(_ topic: String) -> Bool {
        topic.split(separator: "/", omittingEmptySubsequences: false).contains { $0 == "+" || $0 == "#" }
    }

    /// The places in every topic that was met; a filter is not shown those that it does not match.
    private func writeAll(_ filter: String, to writer: inout JSONWriter) {
        writer.beginObject()
        for (topic, cursor) in seen.sorted(by: { $0.key < $1.key }) {
            writer.key(topic)
            writeCursor(cursor, to: &writer)
        }
        writer.endObject()
    }

    private func writeCursor(_ cursor: [String: UInt64], to writer: inout JSONWriter) {
        writer.beginObject()
        for (partition, offset) in cursor.sorted(by: { $0.key < $1.key }) {
            writer.key(partition)
            writer.unsigned(offset)
        }
        writer.endObject()
    }

    /// `beginning`, `last:N`, a time, a cursor as object or as compact text.
    private func writeStart(_ text: String, to writer: inout JSONWriter) {
        if text.hasPrefix("last:"), let count = Int64(text.dropFirst(5)) {
            writer.beginObject()
            writer.key("last")
            writer.integer(count)
            writer.endObject()
        } else if text.hasPrefix("{"), let object = try? JSONView(parsing: Array(text.utf8)) {
            writer.raw(object.bytes)
        } else if text.contains(":") {
            writer.beginObject()
            writer.key("time")
            writer.string(text)
            writer.endObject()
        } else {
            writer.string(text)
        }
    }
}
