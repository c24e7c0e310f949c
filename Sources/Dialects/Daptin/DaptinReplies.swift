import Broker
import JSON
import Model

/// Writes replies as `{"type":"response",…}`.
enum DaptinReplies {
    static func text(_ reply: Reply, to reference: RequestReference, _ variant: DaptinConversation.Variant) -> [UInt8] {
        switch reply {
        case .pong: Array(#"{"type":"pong"}"#.utf8)
        case .refused(let refusal): Self.refusal(refusal, to: reference)
        case .requested(.part(let topic, let payload, let source, let time)):
            DaptinRequests.part(topic, payload, source, time, to: reference, variant)
        default: success(reference) { data(of: reply, variant, to: &$0) }
        }
    }

    /// A success whose data `body` writes.
    static func success(_ reference: RequestReference, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = begin(reference, isOK: true)
        writer.key("data")
        body(&writer)
        writer.endObject()
        return writer.bytes
    }

    static func refusal(_ refusal: Refusal, to reference: RequestReference) -> [UInt8] {
        var writer = begin(reference, isOK: false)
        writer.key("error")
        writer.string(refusal.sentence)
        writer.key("code")
        writer.string(refusal.code)
        writer.endObject()
        return writer.bytes
    }

    private static func begin(_ reference: RequestReference, isOK: Bool) -> JSONWriter {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("type")
        writer.string("response")
        if let id = reference.id {
            writer.key("id")
            writer.raw(id)
        }
        writer.key("method")
        writer.string(reference.method)
        writer.key("ok")
        writer.bool(isOK)
        return writer
    }

    private static func data(
        of reply: Reply, _ variant: DaptinConversation.Variant, to writer: inout JSONWriter
    ) {
        switch reply {
        case .history(_, let page): return history(page, variant, to: &writer)
        case .row(_, let item):
            if let message = item.record.message { DaptinEvents.write(message, of: item.record, variant, to: &writer) }
            return
        case .topics(let topics, let more): return list(topics, more, to: &writer)
        case .topic(let description): return describe(description, to: &writer)
        case .presence(_, let list): return DaptinPresence.write(list, to: &writer)
        default: break
        }
        writer.beginObject()
        switch reply {
        case .subscribed(let filter, let cursors, let recovered, let missed):
            subscribed(filter, cursors, recovered, missed, to: &writer)
        case .unsubscribed(let filter):
            writer.key("topic")
            writer.string(filter.text)
        case .published(_, let receipt, let acknowledgement):
            DaptinEvents.place(receipt.partition, receipt.offset, receipt.time, to: &writer)
            writer.key("ack")
            writer.string(acknowledgement.rawValue)
        case .topicCreated(let definition): name(definition.name, "created", to: &writer)
        case .topicDestroyed(let topic): name(topic, "destroyed", to: &writer)
        case .topicChanged(let definition):
            name(definition.name, nil, to: &writer)
            settings(definition.settings, to: &writer)
        case .permission(let topic, let mask):
            name(topic, nil, to: &writer)
            writer.key("permission")
            writer.unsigned(UInt64(mask.rawValue))
        case .presenceSet(let topic), .typingNoted(let topic): name(topic, nil, to: &writer)
        case .requested(let progress): DaptinRequests.write(progress, to: &writer)
        case .acknowledged(let number): DaptinGroups.write(acknowledged: number, to: &writer)
        case .authenticated(let principal): DaptinNotices.write(principal, to: &writer)
        case .queriesCancelled(let count):
            writer.key("cancelled")
            writer.integer(Int64(count))
        case .cluster(let view): DaptinStatus.write(view, to: &writer)
        case .figures(let report): DaptinStatus.write(report, to: &writer)
        case .history, .row, .topics, .topic, .rows, .presence, .followingFigures, .pong, .refused: break
        }
        writer.endObject()
    }

    private static func subscribed(
        _ filter: TopicFilter, _ cursors: [(topic: TopicName, cursor: Cursor)], _ recovered: Bool, _ missed: UInt64,
        to writer: inout JSONWriter
    ) {
        writer.key("topic")
        writer.string(filter.text)
        writer.key("cursor")
        if filter.exact != nil {
            DaptinCursors.write(cursors.first?.cursor ?? Cursor(), to: &writer)
        } else {
            writer.beginObject()
            for (topic, cursor) in cursors {
                writer.key(topic.text)
                DaptinCursors.write(cursor, to: &writer)
            }
            writer.endObject()
        }
        writer.key("recovered")
        writer.bool(recovered)
        writer.key("missed")
        writer.unsigned(missed)
    }

    private static func name(_ topic: TopicName, _ flag: StaticString?, to writer: inout JSONWriter) {
        writer.key("topicName")
        writer.string(topic.text)
        guard let flag else { return }
        writer.key(flag)
        writer.bool(true)
    }

    private static func history(
        _ page: TopicPage, _ variant: DaptinConversation.Variant, to writer: inout JSONWriter
    ) {
        writer.beginObject()
        writer.key("messages")
        writer.beginArray()
        for item in page.messages {
            if let message = item.record.message { DaptinEvents.write(message, of: item.record, variant, to: &writer) }
        }
        writer.endArray()
        writer.key("cursor")
        DaptinCursors.write(page.cursor, to: &writer)
        writer.key("more")
        writer.bool(page.more)
        // What damage has taken and no holder could give; there is hardly ever any.
        if !page.gaps.isEmpty {
            writer.key("gaps")
            writer.beginArray()
            for gap in page.gaps {
                writer.beginObject()
                writer.key("partition")
                writer.string(gap.partition.description)
                writer.key("from")
                writer.unsigned(gap.from)
                writer.key("to")
                writer.unsigned(gap.to)
                writer.key("reason")
                writer.string(gap.reason.rawValue)
                writer.endObject()
            }
            writer.endArray()
        }
        writer.endObject()
    }

    private static func list(_ topics: [TopicDefinition], _ more: Bool, to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("topics")
        writer.beginArray()
        for definition in topics {
            writer.beginObject()
            facts(definition, to: &writer)
            writer.endObject()
        }
        writer.endArray()
        writer.key("more")
        writer.bool(more)
        writer.endObject()
    }

    private static func describe(_ description: TopicDescription, to writer: inout JSONWriter) {
        writer.beginObject()
        facts(description.definition, to: &writer)
        settings(description.definition.settings, to: &writer)
        writer.key("messages")
        writer.unsigned(description.statistics.messages)
        writer.key("bytes")
        writer.unsigned(description.statistics.bytes)
        writer.key("subscribers")
        writer.unsigned(description.subscribers)
        writer.key("heads")
        DaptinCursors.write(description.heads, to: &writer)
        writer.endObject()
    }

    private static func facts(_ definition: TopicDefinition, to writer: inout JSONWriter) {
        writer.key("name")
        writer.string(definition.name.text)
        writer.key("kind")
        writer.string(definition.kind == .stream ? "stream" : "table")
        writer.key("durability")
        writer.string(definition.durability == .disk ? "disk" : "memory")
        writer.key("owner")
        writer.string(definition.owner)
        writer.key("created")
        writer.string(Timestamp.text(definition.created.wall))
    }

    /// Writes `retention`, with the limits that there are, and `permission`.
    private static func settings(_ settings: TopicSettings, to writer: inout JSONWriter) {
        writer.key("retention")
        writer.beginObject()
        limit("messages", settings.retention.messages, to: &writer)
        limit("bytes", settings.retention.bytes, to: &writer)
        limit("seconds", settings.retention.seconds, to: &writer)
        writer.endObject()
        writer.key("permission")
        writer.unsigned(UInt64(settings.permission.rawValue))
    }

    private static func limit(_ name: StaticString, _ value: UInt64?, to writer: inout JSONWriter) {
        guard let value else { return }
        writer.key(name)
        writer.unsigned(value)
    }
}
