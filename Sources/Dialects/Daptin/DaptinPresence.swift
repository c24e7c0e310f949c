import Broker
import JSON
import Model

/// Writes who is there and who types.
enum DaptinPresence {
    /// `{"members":[{"user","node","connection","since","state"?}],"count"}`; no `members` where there are too many.
    static func write(_ list: PresenceList, to writer: inout JSONWriter) {
        writer.beginObject()
        if list.members.count == list.count {
            writer.key("members")
            writer.beginArray()
            for member in list.members {
                writer.beginObject()
                person(member.entry, member.node, member.connection, to: &writer)
                writer.key("since")
                writer.string(Timestamp.text(member.entry.since))
                state(member.entry, to: &writer)
                writer.endObject()
            }
            writer.endArray()
        }
        writer.key("count")
        writer.integer(Int64(list.count))
        writer.endObject()
    }

    static func member(_ event: PresenceEvent) -> [UInt8] {
        let word =
            switch event.what {
            case .joined: "join"
            case .updated: "update"
            case .left: "leave"
            }
        return frame("presence", event.key.place.topic, word) { writer in
            person(event.entry, event.node, event.key.connection, to: &writer)
            state(event.entry, to: &writer)
        }
    }

    static func count(_ topic: TopicName, _ count: Int) -> [UInt8] {
        frame("presence", topic, "count") { writer in
            writer.key("members")
            writer.integer(Int64(count))
        }
    }

    static func typing(_ event: PresenceEvent) -> [UInt8] {
        frame("typing", event.key.place.topic, event.what == .left ? "stop" : "start") { writer in
            person(event.entry, event.node, event.key.connection, to: &writer)
        }
    }

    private static func frame(
        _ type: String, _ topic: TopicName, _ event: String, _ data: (inout JSONWriter) -> Void
    ) -> [UInt8] {
        DaptinNotices.frame(type) { writer in
            for (key, value) in [("topic", topic.text), ("event", event)] {
                writer.key(key)
                writer.string(value)
            }
            writer.key("data")
            writer.beginObject()
            data(&writer)
            writer.endObject()
        }
    }

    private static func person(
        _ entry: PresenceEntry, _ node: String, _ connection: String, to writer: inout JSONWriter
    ) {
        for (key, value) in [("user", entry.user), ("node", node), ("connection", connection)] {
            writer.key(key)
            writer.string(value)
        }
    }

    private static func state(_ entry: PresenceEntry, to writer: inout JSONWriter) {
        guard !entry.state.isEmpty else { return }
        writer.key("state")
        writer.raw(entry.state)
    }
}
