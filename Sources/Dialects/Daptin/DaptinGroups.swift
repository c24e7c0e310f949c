import Broker
import JSON
import Model

/// Reads and writes what members of queue groups say and are given.
enum DaptinGroups {
    /// The `group` of a subscription, with `ack` and `ackTimeout`; nil for none.
    static func wish(_ attributes: DaptinAttributes) throws(Refusal) -> Command.GroupWish? {
        let acknowledges = try attributes.bool("ack")
        let timeout = try attributes.integer("ackTimeout", in: 100...600_000)
        guard let name = try attributes.string("group") else {
            guard !acknowledges, timeout == nil else {
                throw .invalidMessage("\"ack\" and \"ackTimeout\" go with \"group\", which is missing")
            }
            return nil
        }
        guard acknowledges || timeout == nil else {
            throw .invalidMessage("\"ackTimeout\" goes with \"ack\": true, which is missing")
        }
        var wish = Command.GroupWish(name: name, acknowledges: acknowledges)
        if let timeout { wish.patience = .milliseconds(timeout) }
        return wish
    }

    /// `{"ackId"}`.
    static func acknowledgement(_ attributes: DaptinAttributes) throws(Refusal) -> Command {
        guard let text = try attributes.string("ackId") else {
            throw .invalidMessage("\"ackId\" is missing; it must be the one of the event that is acknowledged")
        }
        // What names no message is refused like one that was acknowledged, so that nothing can be learned by guessing.
        return .acknowledge(UInt64(text, radix: 36) ?? 0)
    }

    /// An event with `group` and, where it must be acknowledged, `attempt` and `ackId`.
    static func text(_ work: WorkNotice, _ variant: DaptinConversation.Variant) -> [UInt8] {
        guard let message = work.item.record.message else { preconditionFailure("only messages are given to groups") }
        var writer = JSONWriter(reservingCapacity: message.payload.count + 384)
        DaptinEvents.write(message, of: work.item.record, variant, to: &writer) { writer in
            writer.key("group")
            writer.string(work.group)
            guard let number = work.acknowledgementID else { return }
            writer.key("attempt")
            writer.integer(Int64(work.attempt))
            writer.key("ackId")
            writer.string(String(number, radix: 36))
        }
        return writer.bytes
    }

    /// Writes what the response to `ack` holds, the members of an object that is open.
    static func write(acknowledged number: UInt64, to writer: inout JSONWriter) {
        writer.key("ackId")
        writer.string(String(number, radix: 36))
    }
}
