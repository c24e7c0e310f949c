import JSON
import Model

/// Writes messages as events.
enum DaptinEvents {
    static func text(_ item: Sequenced, _ variant: DaptinConversation.Variant) -> [UInt8] {
        guard let message = item.record.message else { preconditionFailure("only messages are delivered") }
        var writer = JSONWriter(reservingCapacity: message.payload.count + 320)
        write(message, of: item.record, variant, to: &writer)
        return writer.bytes
    }

    static func write(
        _ message: Message, of record: Record, _ variant: DaptinConversation.Variant, to writer: inout JSONWriter
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
        case .plain: writer.raw(message.payload)
        case .base64: writer.string(base64Encode(message.payload))
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
        writer.endObject()
    }

    /// Writes `id`, `partition`, `offset` and `timestamp`, as events and answers to publishes have them.
    static func place(
        _ partition: Partition, _ offset: UInt64, _ time: HybridTime, to writer: inout JSONWriter
    ) {
        writer.key("id")
        writer.string(MessageIdentifier.text(partition.origin, time))
        writer.key("partition")
        writer.string(partition.description)
        writer.key("offset")
        writer.unsigned(offset)
        writer.key("timestamp")
        writer.string(Timestamp.text(time.wall))
    }
}
