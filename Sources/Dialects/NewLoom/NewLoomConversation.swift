import Broker
import JSON
import Model

/// One client's conversation in NewLoom's dialect, at `/ws/chat/` or at `/ws/streams/`.
///
/// Chat `n` is the topic `chat/n`, stream `n` the topic `streams/n`; an id is one level of a name. On connect the client
/// follows every one that it may read, those of the future too; what it says before that is so waits until it is. A message
/// to a chat that does not exist creates it, where the user may; typing in one is passed over. `message` and `status` are
/// stored, `status` as an event of that name; typing never is. Where the document is silent: `status` names its `chat_id`;
/// a chat's message that another door published shows its `content`, or `text`, or the whole of it, as `content`, and, where
/// its publisher was anonymous, its `name` as `user`; other events come as `{"type":"event","event","chat_id","data"}`, and
/// what is lost as `{"type":"gap",…}`. Errors begin with the document's words and go on with what was wrong. A client
/// whose token is not good is let in to be told `connection_error`, and closed with 1008.
package final class NewLoomConversation: TranslatingDialect {
    /// Which of the two doors it is.
    package enum Door: Sendable {
        case chat
        case streams

        /// The first level of its topics.
        var level: String {
            switch self {
            case .chat: "chat"
            case .streams: "streams"
            }
        }

        /// The key under which an id is said.
        var idKey: StaticString {
            switch self {
            case .chat: "chat_id"
            case .streams: "stream_id"
            }
        }
    }

    /// The most requests that wait until the client follows its topics.
    static let heldLimit = 1_000

    package let encoding: EventEncoding
    private let door: Door
    /// Whether it follows its topics.
    private var isLive = false
    /// What the client said before.
    private var held: [Request] = []
    /// What is asked because of an answer.
    private var due: [Request] = []
    /// Messages that are not answered, by number.
    private var messages: [UInt32: Command.Publish] = [:]
    private var lastNumber: UInt32 = 0

    package init(_ door: Door) {
        self.door = door
        encoding = EventEncoding(id: door == .chat ? 20 : 21) { item in
            door == .chat ? NewLoomEvents.chat(item) : NewLoomEvents.stream(item)
        }
    }

    package var authenticatesByMessage: Bool { false }

    package var explainsRefusals: Bool { true }

    package func begin() -> [Request] {
        guard let filter = try? TopicFilter("\(door.level)/+") else {
            preconditionFailure("a level and + are a filter")
        }
        let subscribe = Command.Subscribe(filters: [filter], presence: door == .chat ? .typing : .none)
        return [Request(reference: RequestReference(id: nil, method: Self.begins), command: .subscribe(subscribe))]
    }

    private static let begins = "begin"
    private static let creates = "create"

    package func receive(_ text: [UInt8]) -> [Request] {
        let request: Request
        do throws(Refusal) {
            request = try read(text)
        } catch {
            return [Request(reference: RequestReference(id: nil, method: ""), command: .refuse(error))]
        }
        guard !isLive else { return [request] }
        switch request.command {
        case .ping, .close: return [request]
        default: break
        }
        guard held.count < Self.heldLimit else {
            return [Request(reference: request.reference, command: .refuse(.rateLimited))]
        }
        held.append(request)
        return []
    }

    package func followUp() -> [Request] {
        defer { due = [] }
        return due
    }

    private func read(_ text: [UInt8]) throws(Refusal) -> Request {
        let message = try NewLoomMessage(text, door)
        switch message.content {
        case .message(let topic, let payload):
            lastNumber &+= 1
            let publish = Command.Publish(topic: topic, payload: payload)
            messages[lastNumber] = publish
            return Request(
                reference: RequestReference(id: nil, method: "message", batch: lastNumber), command: .publish(publish))
        case .status(let topic, let payload):
            let publish = Command.Publish(topic: topic, payload: payload, event: "status", acknowledgement: .none)
            return Request(
                reference: RequestReference(id: nil, method: "status", wantsReply: false), command: .publish(publish))
        case .typing(let topic, let isTyping, let id):
            return Request(
                reference: RequestReference(id: nil, method: "typing", wantsReply: false),
                command: .typing(topic, isTyping: isTyping, state: id))
        case .heartbeat: return Request(reference: RequestReference(id: nil, method: "heartbeat"), command: .ping)
        case .disconnect:
            return Request(
                reference: RequestReference(id: nil, method: "disconnect"), command: .close(code: 1000, reason: ""))
        }
    }

    package func encode(_ reply: Reply, to reference: RequestReference) -> [[UInt8]] {
        if reference.method == Self.begins, !isLive {
            isLive = true
            due += held
            held = []
        }
        switch reply {
        case .pong: return [NewLoomReplies.heartbeat]
        case .refused(let refusal): return refused(refusal, reference)
        default:
            if reference.method != Self.creates, let number = reference.batch { messages[number] = nil }
            return []
        }
    }

    private func refused(_ refusal: Refusal, _ reference: RequestReference) -> [[UInt8]] {
        let error = [NewLoomReplies.error(refusal)]
        if case .topicUnknown = refusal, reference.method == "typing" { return [] }
        guard let number = reference.batch else { return error }
        if reference.method == Self.creates {
            // Somebody else was faster: all the better.
            if case .topicExists = refusal { return [] }
            messages[number] = nil
            return error
        }
        // Without it the creation was refused, and that was said.
        guard let publish = messages.removeValue(forKey: number) else { return [] }
        guard case .topicUnknown(let topic) = refusal, reference.method == "message" else { return error }
        messages[number] = publish
        due += [
            Request(
                reference: RequestReference(id: nil, method: Self.creates, batch: number),
                command: .createTopic(Command.CreateTopic(name: topic))),
            Request(
                reference: RequestReference(id: nil, method: "message again", batch: number), command: .publish(publish)
            ),
        ]
        return []
    }

    package func encode(_ notice: Notice) -> [UInt8]? {
        switch notice {
        case .opened, .cursor, .presence, .presenceCount, .request, .work, .figures, .figuresEnded: nil
        case .event(let item): encoding.encode(item)
        case .gap(let topic, let gap): NewLoomReplies.gap(topic, gap, door)
        case .subscriptionEnded(let topic, let refusal): NewLoomReplies.error(refusal, about: topic, door)
        case .typing(let event): NewLoomEvents.typing(event)
        case .refused(let refusal): NewLoomReplies.error(refusal)
        case .tokenExpiring(let time): NewLoomReplies.expiring(time)
        case .draining(let delay, _): NewLoomReplies.draining(delay)
        }
    }
}
