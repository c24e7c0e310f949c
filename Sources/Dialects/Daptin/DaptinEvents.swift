import JSON
import Model

/// Writes messages as events.
enum DaptinEvents {
    static func text(_ item: Sequenced, _ variant: DaptinConversation.Variant) -> [UInt8] {
        guard let message = item.record.message else { preconditionFailure("only messages are delivered") }
        var writer = JSONWriter(reservingCapacity: message.payload.count + 320)
        write(message, of: item.record, variant, isSnapshot: item.isSnapshot, to: &writer)
        return writer.bytes
    }

    static func write(
        _ message: Message, of record: Record, _ variant: DaptinConversation.Variant, isSnapshot: Bool = false,
        to writer: inout JSONWriter, more: (inout JSONWriter) -> Void = { _ in }
    ) {
        writer.beginObject()
        writer.key("type")
        writer.string("event")
        writer.key("topic")
        writer.string(message.topic.text)
        writer.key("event")
        writer.string(message.event)
        writer.key("source")
        writer.string(message.source)
        writer.key("data")
        switch variant {
        case .plain: writer.raw(data(of: message))
        case .base64: writer.string(base64Encode(data(of: message)))
        }
        place(record.partition(of: message), message.offset, record.time, to: &writer)
        if let key = message.key {
            writer.key("key")
            writer.string(key)
        }
        if !message.publisher.isEmpty {
            writer.key("user")
            writer.string(message.publisher)
        }
        if let messageID = message.messageID {
            writer.key("messageId")
            writer.string(messageID)
        }
        if let row = message.row {
            writer.key("revision")
            writer.unsigned(row.revision)
        }
        if isSnapshot {
            writer.key("snapshot")
            writer.bool(true)
        }
        more(&writer)
        writer.endObject()
    }

    /// What `data` is: the message as it was sent; of a row `{"type", "id", "attributes"}` with the row's value in it.
    static func data(of message: Message) -> [UInt8] {
        guard message.row != nil, let key = message.key else { return message.payload }
        var writer = JSONWriter(reservingCapacity: message.payload.count + 96)
        writer.beginObject()
        writer.key("type")
        writer.string(message.topic.text)
        writer.key("id")
        writer.string(key)
        writer.key("attributes")
        writer.raw(message.payload)
        writer.endObject()
        return writer.bytes
    }

    /// Writes `id`, `partition`, `offset` and `timestamp`, as events and answers to publishes have them.
    static func place(
        _ partition: Partition, _ offset: UInt64, _ time: HybridTime, to writer: inout JSONWriter
    ) {
        writer.key("id")
        writer.string(upTo: MessageIdentifier.length) { MessageIdentifier.write(partition.origin, time, to: $0) }
        writer.key("partition")
        writer.string(upTo: Partition.textLimit) { partition.write(to: $0) }
        writer.key("offset")
        writer.unsigned(offset)
        writer.key("timestamp")
        writer.string(upTo: Timestamp.limit) { Timestamp.write(time.wall, to: $0) }
    }
}
