import Broker
import JSON
import Model

/// Writes what a client is told without having asked.
enum DaptinNotices {
    /// The first frame of a conversation.
    static func opened(
        _ session: String, _ principal: Principal, node: String, cluster: String, authenticateWithin limit: Duration?
    ) -> [UInt8] {
        frame("session") { writer in
            writer.key("status")
            writer.string("open")
            writer.key("data")
            writer.beginObject()
            user(principal, to: &writer)
            for (key, value) in [("sessionId", session), ("node", node), ("cluster", cluster)] {
                writer.key(key)
                writer.string(value)
            }
            if let limit {
                writer.key("authenticateWithinMs")
                writer.integer(limit.milliseconds)
            }
            writer.endObject()
        }
    }

    static func text(_ notice: Notice, _ variant: DaptinConversation.Variant) -> [UInt8]? {
        switch notice {
        case .opened: nil
        case .event(let item): DaptinEvents.text(item, variant)
        case .gap(let topic, let gap): gapText(topic, gap)
        case .cursor(let topic, let cursor):
            frame("cursor") { writer in
                writer.key("topic")
                writer.string(topic.text)
                writer.key("cursor")
                DaptinCursors.write(cursor, to: &writer)
            }
        case .subscriptionEnded(let topic, let refusal):
            frame("unsubscribed") { writer in
                for (key, value) in [("topic", topic.text), ("error", refusal.sentence), ("code", refusal.code)] {
                    writer.key(key)
                    writer.string(value)
                }
            }
        case .presence(let event): DaptinPresence.member(event)
        case .presenceCount(let topic, let count): DaptinPresence.count(topic, count)
        case .typing(let event): DaptinPresence.typing(event)
        case .work(let work): DaptinGroups.text(work, variant)
        case .request(let request): DaptinRequests.text(request, variant)
        case .refused(let refusal):
            frame("error") { writer in
                for (key, value) in [("error", refusal.sentence), ("code", refusal.code)] {
                    writer.key(key)
                    writer.string(value)
                }
            }
        case .tokenExpiring(let time):
            frame("auth") { writer in
                writer.key("status")
                writer.string("expiring")
                writer.key("data")
                writer.beginObject()
                writer.key("expires_at")
                writer.string(Timestamp.text(time))
                writer.endObject()
            }
        case .draining(let retryAfter, let nodes): draining(retryAfter, nodes)
        case .figures(let report):
            frame("figures") { writer in
                writer.key("data")
                writer.beginObject()
                DaptinStatus.write(report, to: &writer)
                writer.endObject()
            }
        case .figuresEnded(let refusal):
            frame("error") { writer in
                for (key, value) in [("error", refusal.sentence), ("code", refusal.code)] {
                    writer.key(key)
                    writer.string(value)
                }
            }
        }
    }

    /// Writes `user` and `groups`, and `expires_at` where the token ends.
    static func write(_ principal: Principal, to writer: inout JSONWriter) {
        user(principal, to: &writer)
        guard let expiry = principal.expiry else { return }
        writer.key("expires_at")
        writer.string(Timestamp.text(expiry))
    }

    private static func user(_ principal: Principal, to writer: inout JSONWriter) {
        writer.key("user")
        writer.string(principal.user)
        writer.key("groups")
        writer.beginArray()
        for group in principal.groups { writer.string(group) }
        writer.endArray()
    }

    private static func gapText(_ topic: TopicName, _ gap: Gap) -> [UInt8] {
        frame("gap") { writer in
            writer.key("topic")
            writer.string(topic.text)
            writer.key("partition")
            writer.string(gap.partition.description)
            writer.key("from")
            writer.unsigned(gap.from)
            writer.key("to")
            writer.unsigned(gap.to)
            writer.key("reason")
            writer.string(gap.reason.rawValue)
        }
    }

    private static func draining(_ retryAfter: Duration, _ nodes: [String]) -> [UInt8] {
        frame("drain") { writer in
            writer.key("data")
            writer.beginObject()
            writer.key("retryAfterMs")
            writer.integer(retryAfter.milliseconds)
            writer.key("nodes")
            writer.beginArray()
            for node in nodes { writer.string(node) }
            writer.endArray()
            writer.endObject()
        }
    }

    static func frame(_ type: String, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("type")
        writer.string(type)
        body(&writer)
        writer.endObject()
        return writer.bytes
    }
}
