import Broker
import JSON
import Model

/// Writes the server's messages, `{"type","payload","timestamp","id"?}`.
struct RustyDBReplies {
    /// Reads the calendar, for `timestamp`.
    let clock: @Sendable () -> WallTime

    /// A message whose payload's members `body` writes.
    func message(_ type: StaticString, id: [UInt8]?, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
        envelope(type, id: id) { writer in
            writer.key("payload")
            writer.beginObject()
            body(&writer)
            writer.endObject()
        }
    }

    private func envelope(_ type: StaticString, id: [UInt8]?, _ content: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: 256)
        writer.beginObject()
        writer.key("type")
        writer.string("\(type)")
        content(&writer)
        writer.key("timestamp")
        writer.string(Timestamp.text(clock()))
        if let id {
            writer.key("id")
            writer.raw(id)
        }
        writer.endObject()
        return writer.bytes
    }

    /// A `data` with a status.
    func data(_ status: String, id: [UInt8]?, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
        message("data", id: id) { writer in
            writer.key("status")
            writer.string(status)
            body(&writer)
        }
    }

    /// A `data` or an `error` with a payload that was written before.
    func message(isError: Bool, _ payload: [UInt8], id: [UInt8]?) -> [UInt8] {
        envelope(isError ? "error" : "data", id: id) { writer in
            writer.key("payload")
            writer.raw(payload)
        }
    }

    /// The answer to a batch.
    func batch(_ results: [[UInt8]], id: [UInt8]?) -> [UInt8] {
        message("data", id: id) { writer in
            writer.key("results")
            writer.beginArray()
            for result in results { writer.raw(result) }
            writer.endArray()
        }
    }

    func refusal(_ refusal: Refusal, id: [UInt8]?, type: StaticString = "error") -> [UInt8] {
        message(type, id: id) { Self.refusal(refusal, to: &$0) }
    }

    /// Writes `status`, `message`, `code` and `details`.
    static func refusal(_ refusal: Refusal, to writer: inout JSONWriter) {
        for (key, value): (StaticString, String) in [
            ("status", "error"), ("message", refusal.sentence), ("code", refusal.code),
        ] {
            writer.key(key)
            writer.string(value)
        }
        writer.key("details")
        writer.beginObject()
        if let topic = refusal.topic {
            writer.key("topic")
            writer.string(topic)
        }
        writer.endObject()
    }

    /// The answer to a request that is no subscription's.
    func text(_ reply: Reply, to reference: RequestReference) -> [UInt8] {
        let id = reference.id
        return switch reply {
        case .pong:
            // The document's pong has no payload.
            envelope("pong", id: id) { _ in }
        case .authenticated(let principal):
            message("auth_success", id: id) { Self.authenticated(principal, to: &$0) }
        case .refused(let refusal) where reference.method == "auth":
            self.refusal(refusal, id: id, type: "auth_error")
        case .refused(let refusal): self.refusal(refusal, id: id)
        case .published(_, let receipt, let level):
            data("success", id: id) { writer in
                DaptinEvents.place(receipt.partition, receipt.offset, receipt.time, to: &writer)
                writer.key("ack")
                writer.string(level.rawValue)
            }
        case .subscribed, .unsubscribed, .topicCreated, .topicChanged, .topicDestroyed, .topics, .topic, .permission,
            .history, .row, .rows, .queriesCancelled, .presence, .presenceSet, .typingNoted, .requested, .acknowledged,
            .cluster, .figures, .followingFigures:
            self.refusal(.internal("the broker gave an answer to another question"), id: id)
        }
    }

    private static func authenticated(_ principal: Principal, to writer: inout JSONWriter) {
        writer.key("status")
        writer.string("success")
        DaptinNotices.write(principal, to: &writer)
        writer.key("roles")
        writer.beginArray()
        for role in principal.roles { writer.string(role) }
        writer.endArray()
    }

    /// That a subscription is live, with the place at which each of its topics begins.
    func subscribed(_ topics: [TopicFilter], _ cursors: [(topic: TopicName, cursor: Cursor)], id: [UInt8]?) -> [UInt8] {
        data("subscribed", id: id) { writer in
            writer.key("topics")
            writer.beginArray()
            for topic in topics { writer.string(topic.text) }
            writer.endArray()
            writer.key("cursor")
            writer.beginObject()
            for (topic, cursor) in cursors {
                writer.key(topic.text)
                DaptinCursors.write(cursor, to: &writer)
            }
            writer.endObject()
        }
    }

    func unsubscribed(id: [UInt8]?) -> [UInt8] { data("unsubscribed", id: id) { _ in } }

    func gap(_ topic: TopicName, _ gap: Gap, id: [UInt8]?) -> [UInt8] {
        data("gap", id: id) { writer in
            for (key, value): (StaticString, String) in [
                ("topic", topic.text), ("partition", gap.partition.description), ("reason", gap.reason.rawValue),
            ] {
                writer.key(key)
                writer.string(value)
            }
            writer.key("from")
            writer.unsigned(gap.from)
            writer.key("to")
            writer.unsigned(gap.to)
        }
    }

    func cursor(_ topic: TopicName, _ cursor: Cursor, id: [UInt8]?) -> [UInt8] {
        data("cursor", id: id) { writer in
            writer.key("topic")
            writer.string(topic.text)
            writer.key("cursor")
            DaptinCursors.write(cursor, to: &writer)
        }
    }

    func figures(_ report: StatusReport, id: [UInt8]?) -> [UInt8] {
        data("metrics", id: id) { writer in
            let figures = report.figures
            writer.key("node")
            writer.string(figures.node)
            writer.key("cpu")
            writer.double(figures.cpu)
            let counts: [(StaticString, UInt64)] = [
                ("memory", figures.memory), ("connections", figures.connections),
                ("subscriptions", figures.subscriptions), ("messages_in", figures.messagesIn),
                ("messages_out", figures.messagesOut), ("topics", figures.topics),
            ]
            for (key, value) in counts {
                writer.key(key)
                writer.unsigned(value)
            }
            writer.key("cluster")
            writer.beginObject()
            writer.key("name")
            writer.string(report.cluster.cluster)
            writer.key("members")
            writer.unsigned(UInt64(report.cluster.members.count))
            writer.key("alive")
            writer.unsigned(UInt64(report.cluster.members.count { $0.state == "alive" }))
            writer.key("lag")
            writer.unsigned(report.cluster.members.reduce(0) { max($0, $1.lag) })
            writer.endObject()
        }
    }

    func expiring(_ time: WallTime) -> [UInt8] {
        message("data", id: nil) { writer in
            writer.key("status")
            writer.string("auth_expiring")
            writer.key("expires_at")
            writer.string(Timestamp.text(time))
        }
    }

    func draining(_ retryAfter: Duration, _ nodes: [String]) -> [UInt8] {
        message("data", id: nil) { writer in
            writer.key("status")
            writer.string("draining")
            writer.key("retry_after_ms")
            writer.integer(retryAfter.milliseconds)
            writer.key("nodes")
            writer.beginArray()
            for node in nodes { writer.string(node) }
            writer.endArray()
        }
    }
}

/// Writes events as `data`; the body is shared, the id is each subscription's own.
enum RustyDBEvents {
    static func form(id: [UInt8]?) -> BranchForm {
        let tail = id.map { Array(#","id":"#.utf8) + $0 + Array("}".utf8) } ?? Array("}".utf8)
        return BranchForm(body: body, tail: tail)
    }

    private static let body = BranchBody(key: Array("rustydb".utf8)) { item in
        guard let message = item.record.message else { preconditionFailure("only messages are delivered") }
        var writer = JSONWriter(reservingCapacity: message.payload.count + 384)
        writer.beginObject()
        writer.key("type")
        writer.string("data")
        writer.key("payload")
        writer.beginObject()
        for (key, value): (StaticString, String) in [
            ("status", "event"), ("topic", message.topic.text), ("event", message.event), ("source", message.source),
        ] {
            writer.key(key)
            writer.string(value)
        }
        writer.key("data")
        writer.raw(message.payload)
        DaptinEvents.place(item.record.partition(of: message), message.offset, item.record.time, to: &writer)
        let optional: [(StaticString, String?)] = [
            ("key", message.key), ("user", message.publisher.isEmpty ? nil : message.publisher),
            ("message_id", message.messageID),
        ]
        for case (let key, let value?) in optional {
            writer.key(key)
            writer.string(value)
        }
        writer.endObject()
        writer.key("timestamp")
        writer.string(Timestamp.text(item.record.time.wall))
        // The object is closed by what goes behind.
        return writer.bytes
    }
}

extension Refusal {
    /// The topic that a refusal is about; nil where it is about none.
    fileprivate var topic: String? {
        switch self {
        case .permissionDenied(_, let topic): topic
        case .tableUnknown(let name): name
        case .topicUnknown(let name), .topicExists(let name), .cursorTooOld(let name, _), .rowUnknown(let name, _),
            .notATable(let name):
            name.text
        case .authenticationRequired, .authenticationFailed, .authenticationExpired, .invalidMessage, .notSupported,
            .notReplicated, .rateLimited, .connectionLimit, .addressLimit, .attachLimit, .originForbidden,
            .subscriptionLimit, .queryWrong, .queryLimit, .presenceLimit, .requestFailed, .draining, .unavailable,
            .memberUnknown, .memberNeeded, .scheduleUnknown, .scheduleLimit, .internal:
            nil
        }
    }
}
