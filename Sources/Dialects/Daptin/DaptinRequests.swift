import Broker
import JSON
import Model

/// Reads and writes requests and their answers.
enum DaptinRequests {
    /// `{"topicName", "message", "timeout"?}`; one request for each topic.
    static func asks(_ attributes: DaptinAttributes) throws(Refusal) -> [Command] {
        guard let message = try DaptinFields(attributes.view, "message")[0] else {
            throw .invalidMessage("\"message\" is missing; it may be any JSON value")
        }
        let timeout = try attributes.integer("timeout", in: 1...300_000)
        return try attributes.topics().map { topic in
            var ask = Command.Ask(topic: topic, payload: Array(message.bytes))
            if let timeout { ask.patience = .milliseconds(timeout) }
            return .request(ask)
        }
    }

    /// `{"replyTo", "message", "done"?}`; without `done` the reply is the only one or the last.
    static func reply(_ attributes: DaptinAttributes) throws(Refusal) -> Command {
        let fields = try DaptinFields(attributes.view, "replyTo", "message", "done")
        guard let text = try attributes.string(fields[0], named: "replyTo") else {
            throw .invalidMessage("\"replyTo\" is missing; it must be the one of the request that is answered")
        }
        // What names no request is refused like one that is over, so that nothing can be learned by guessing.
        let number = UInt64(text, radix: 36) ?? 0
        var isLast = true
        if let done = fields[2], !done.isNull {
            guard let given = done.bool else { throw attributes.wrong("done", done, "true or false") }
            isLast = given
        }
        return .reply(Command.RequestReply(replyTo: number, payload: fields[1].map { Array($0.bytes) } ?? [], isLast: isLast))
    }

    /// `{"type":"request","topic","replyTo","data","user"?}`.
    static func text(_ request: RequestNotice, _ variant: DaptinConversation.Variant) -> [UInt8] {
        DaptinNotices.frame("request") { writer in
            writer.key("topic")
            writer.string(request.topic.text)
            writer.key("replyTo")
            writer.string(replyTo(request.replyTo))
            data(request.payload, variant, to: &writer)
            guard !request.user.isEmpty else { return }
            writer.key("user")
            writer.string(request.user)
        }
    }

    /// `{"type":"event","event":"reply","id"?,"topic","source","data","timestamp"}`.
    static func part(
        _ topic: TopicName, _ payload: [UInt8], _ source: String, _ time: WallTime, to reference: RequestReference,
        _ variant: DaptinConversation.Variant
    ) -> [UInt8] {
        DaptinNotices.frame("event") { writer in
            writer.key("event")
            writer.string("reply")
            if let id = reference.id {
                writer.key("id")
                writer.raw(id)
            }
            for (key, value): (StaticString, String) in [("topic", topic.text), ("source", source)] {
                writer.key(key)
                writer.string(value)
            }
            data(payload, variant, to: &writer)
            writer.key("timestamp")
            writer.string(Timestamp.text(time))
        }
    }

    /// Writes what a response's data holds, the members of an object that is open.
    static func write(_ progress: RequestProgress, to writer: inout JSONWriter) {
        switch progress {
        case .part: break
        case .finished(let topic, let replies):
            writer.key("topicName")
            writer.string(topic.text)
            writer.key("replies")
            writer.integer(Int64(replies))
        case .replyTaken(let number):
            writer.key("replyTo")
            writer.string(replyTo(number))
        }
    }

    private static func replyTo(_ number: UInt64) -> String { String(number, radix: 36) }

    private static func data(_ payload: [UInt8], _ variant: DaptinConversation.Variant, to writer: inout JSONWriter) {
        writer.key("data")
        switch variant {
        case .plain: writer.raw(payload)
        case .base64: writer.string(base64Encode(payload))
        }
    }
}
