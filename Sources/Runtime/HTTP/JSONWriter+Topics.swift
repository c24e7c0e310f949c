import Broker
import Dialects
import JSON
import Model

extension JSONWriter {
    /// A topic as every node agrees on it.
    mutating func topic(_ topic: TopicDefinition) {
        beginObject()
        topicFields(topic)
        endObject()
    }

    /// A topic with what is kept of it.
    mutating func topic(_ description: TopicDescription) {
        beginObject()
        topicFields(description.definition)
        key("messages")
        unsigned(description.statistics.messages)
        key("bytes")
        unsigned(description.statistics.bytes)
        key("subscribers")
        unsigned(description.subscribers)
        key("heads")
        cursor(description.heads)
        endObject()
    }

    private mutating func topicFields(_ topic: TopicDefinition) {
        key("name")
        string(topic.name.text)
        key("kind")
        string(topic.kind == .stream ? "stream" : "table")
        key("durability")
        string(topic.durability == .disk ? "disk" : "memory")
        key("retention")
        beginObject()
        let retention = topic.settings.retention
        key("messages")
        optional(retention.messages)
        key("bytes")
        optional(retention.bytes)
        key("seconds")
        optional(retention.seconds)
        endObject()
        key("permission")
        unsigned(UInt64(topic.settings.permission.rawValue))
        key("owner")
        string(topic.owner)
        key("created")
        string(Timestamp.text(topic.created.wall))
        key("generation")
        unsigned(UInt64(topic.generation))
    }

    private mutating func optional(_ value: UInt64?) {
        if let value { unsigned(value) } else { null() }
    }

    /// A cursor as an object.
    mutating func cursor(_ cursor: Cursor) {
        beginObject()
        for (partition, offset) in cursor.sorted {
            key(partition.description)
            unsigned(offset)
        }
        endObject()
    }

    /// Messages in their order, with the place after the last of them.
    mutating func history(_ page: TopicPage) {
        beginObject()
        key("messages")
        beginArray()
        for item in page.messages {
            if let message = item.record.message { self.message(message, of: item.record) }
        }
        endArray()
        key("cursor")
        cursor(page.cursor)
        key("more")
        bool(page.more)
        // What damage has taken and no holder could give; there is hardly ever any.
        if !page.gaps.isEmpty {
            key("gaps")
            beginArray()
            for gap in page.gaps {
                beginObject()
                key("partition")
                string(gap.partition.description)
                key("from")
                unsigned(gap.from)
                key("to")
                unsigned(gap.to)
                key("reason")
                string(gap.reason.rawValue)
                endObject()
            }
            endArray()
        }
        endObject()
    }

    /// Rows in the order of their last change, with the place after the last of them.
    mutating func rows(_ page: TopicPage) {
        beginObject()
        key("rows")
        beginArray()
        for item in page.messages { row(item) }
        endArray()
        key("cursor")
        cursor(page.cursor)
        key("more")
        bool(page.more)
        endObject()
    }

    /// One row of a table, as it is now.
    mutating func row(_ item: Sequenced) {
        guard let message = item.record.message, let row = message.row, let name = message.key else {
            preconditionFailure("only rows are given as rows")
        }
        let partition = item.record.partition(of: message)
        beginObject()
        for (field, text) in [("table", message.topic.text), ("key", name)] {
            key(field)
            string(text)
        }
        key("data")
        raw(message.payload)
        key("revision")
        unsigned(row.revision)
        key("id")
        string(MessageIdentifier.text(item.record.origin, item.record.time))
        key("partition")
        string(partition.description)
        key("offset")
        unsigned(message.offset)
        key("timestamp")
        string(Timestamp.text(item.record.time.wall))
        if !message.publisher.isEmpty {
            key("user")
            string(message.publisher)
        }
        endObject()
    }

    private mutating func message(_ message: Message, of record: Record) {
        let partition = record.partition(of: message)
        beginObject()
        key("topic")
        string(message.topic.text)
        key("event")
        string(message.event)
        key("source")
        string(message.source)
        key("data")
        raw(message.payload)
        key("id")
        string(MessageIdentifier.text(record.origin, record.time))
        key("partition")
        string(partition.description)
        key("offset")
        unsigned(message.offset)
        key("timestamp")
        string(Timestamp.text(record.time.wall))
        if let name = message.key {
            key("key")
            string(name)
        }
        if !message.publisher.isEmpty {
            key("user")
            string(message.publisher)
        }
        if let messageID = message.messageID {
            key("messageId")
            string(messageID)
        }
        endObject()
    }

    /// Where a published message came to stand.
    mutating func receipt(_ receipt: Receipt, _ acknowledgement: Acknowledgement) {
        beginObject()
        key("id")
        string(MessageIdentifier.text(receipt.partition.origin, receipt.time))
        key("partition")
        string(receipt.partition.description)
        key("offset")
        unsigned(receipt.offset)
        key("timestamp")
        string(Timestamp.text(receipt.time.wall))
        key("ack")
        string(acknowledgement.rawValue)
        endObject()
    }
}
