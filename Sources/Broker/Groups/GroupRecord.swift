import JSON
import Model

/// How far an acknowledging group has come, as the topic `$groups` holds it.
///
/// Every node writes there what it has settled of the partitions that it gives out, and merges what all have written:
/// whatever one node has settled is settled. Messages of `$groups` are JSON, so that a person can read them:
/// `{"topic","group","generation","start","done"}` with cursors in their compact form.
struct GroupRecord: Equatable {
    /// The topic that holds them.
    static let topic: TopicName = {
        guard let name = try? TopicName("$groups") else { preconditionFailure("$groups is a topic's name") }
        return name
    }()
    /// How many messages it keeps; a group that none of the newest speak of is spoken of again long before.
    static let retentionMessages: UInt64 = 50_000

    let key: GroupKey
    let generation: UInt32
    /// Where the group began. What is before it was never the group's.
    var start: Cursor
    /// Everything up to here was acknowledged or given up.
    var done: Cursor

    init(key: GroupKey, generation: UInt32, start: Cursor, done: Cursor = Cursor()) {
        self.key = key
        self.generation = generation
        self.start = start
        self.done = done
    }

    /// Reads a message of `$groups`; nil for anything else, and for a group of a topic that can have no dead letters.
    init?(_ payload: [UInt8]) {
        guard let view = try? JSONView(parsing: payload), let name = view["topic"]?.string,
            let topic = try? TopicName(name), topic.deadLetters != nil, let group = view["group"]?.string,
            let generation = view["generation"]?.unsigned.flatMap(UInt32.init(exactly:)),
            let start = view["start"]?.string, let done = view["done"]?.string
        else { return nil }
        key = GroupKey(topic: topic, name: group, acknowledges: true)
        self.generation = generation
        do throws(FormatError) {
            self.start = try Cursor(compactText: start)
            self.done = try Cursor(compactText: done)
        } catch {
            return nil
        }
    }

    var payload: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        for (name, value): (StaticString, String) in [("topic", key.topic.text), ("group", key.name)] {
            writer.key(name)
            writer.string(value)
        }
        writer.key("generation")
        writer.unsigned(UInt64(generation))
        for (name, cursor): (StaticString, Cursor) in [("start", start), ("done", done)] {
            writer.key(name)
            writer.string(cursor.compactText)
        }
        writer.endObject()
        return writer.bytes
    }

    /// Takes in what another has written of the same group: of two beginnings the earlier, of two ends the later.
    mutating func merge(_ other: GroupRecord) {
        var earliest: [Partition: UInt64] = [:]
        for (partition, offset) in start.offsets { earliest[partition] = min(offset, other.start[partition]) }
        start = Cursor(earliest)
        for (partition, offset) in other.done.offsets { done.advance(partition, to: offset) }
    }

    /// The last offset of a partition that the group need not be given any more.
    func floor(of partition: Partition) -> UInt64 { max(start[partition], done[partition]) }
}

/// A group's record with its place in this node's own order.
struct KnownGroup {
    var record: GroupRecord
    /// The local sequence of the first message of it, and whether that was this node's own.
    let sequence: UInt64
    let isOwn: Bool
    /// How many messages of `$groups` had come when the last of this group did.
    var mark: UInt64
    /// When it is known to have had members, or was met first.
    var lastUsed: MonotonicTime
}
