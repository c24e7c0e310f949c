import Broker
import JSON

/// Writes what a node and its cluster are doing, the members of an object that is open.
enum DaptinStatus {
    static func write(_ report: StatusReport, to writer: inout JSONWriter) {
        let figures = report.figures
        writer.key("node")
        writer.string(figures.node)
        writer.key("cpu")
        writer.double(figures.cpu)
        let counts: [(StaticString, UInt64)] = [
            ("memory", figures.memory), ("connections", figures.connections), ("subscriptions", figures.subscriptions),
            ("messagesIn", figures.messagesIn), ("messagesOut", figures.messagesOut), ("topics", figures.topics),
        ]
        for (key, value) in counts {
            writer.key(key)
            writer.unsigned(value)
        }
        writer.key("cluster")
        writer.beginObject()
        write(report.cluster, to: &writer)
        writer.endObject()
    }

    static func write(_ view: ClusterView, to writer: inout JSONWriter) {
        for (key, value): (StaticString, String) in [("name", view.cluster), ("seenBy", view.node), ("digest", view.digest)] {
            writer.key(key)
            writer.string(value)
        }
        writer.key("members")
        writer.beginArray()
        for member in view.members {
            writer.beginObject()
            for (key, value): (StaticString, String) in [("id", member.id), ("name", member.name), ("state", member.state)] {
                writer.key(key)
                writer.string(value)
            }
            writer.key("incarnation")
            writer.unsigned(member.incarnation)
            writer.key("listen")
            if let listen = member.listen { writer.string(listen) } else { writer.null() }
            writer.key("lag")
            writer.unsigned(member.lag)
            writer.key("isConnected")
            writer.bool(member.isConnected)
            writer.endObject()
        }
        writer.endArray()
    }
}
