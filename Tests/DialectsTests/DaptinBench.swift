import Broker
import Dialects
import Model

/// A conversation in Daptin's dialect, text in and text out, with a shard's answers given by hand.
final class DaptinBench {
    let conversation: any TranslatingDialect

    init(query: String = "") {
        let context = ConversationContext(node: "node-a", cluster: "roost") { time.wall }
        guard let door = DialectTable.door(atPath: "/live", query: query),
            let conversation = door.open(context) as? any TranslatingDialect
        else { preconditionFailure("/live is a door, and its dialect only translates") }
        self.conversation = conversation
    }

    func ask(_ text: String) -> [Request] { conversation.receive(Array(text.utf8)) }

    /// The text that refuses a message; nil when it is none of one request.
    func refusal(_ text: String) -> String? {
        let requests = ask(text)
        guard requests.count == 1, case .refuse(let refusal) = requests[0].command else { return nil }
        return answer(.refused(refusal), to: requests[0])
    }

    /// The texts that answer a request, one a line.
    func answer(_ reply: Reply, to request: Request) -> String {
        conversation.encode(reply, to: request.reference).map { String(decoding: $0, as: UTF8.self) }
            .joined(separator: "\n")
    }

    func say(_ notice: Notice) -> String? { conversation.encode(notice).map { String(decoding: $0, as: UTF8.self) } }
}

/// A partition whose text is `AAAAAAAAAAEAAAAAAAAAAg.1`.
let partition = Partition(
    origin: Origin(node: NodeID(rawValue: 1), epoch: Epoch(rawValue: 2)), generation: 1)

func name(_ text: String) -> TopicName {
    guard let name = try? TopicName(text) else { preconditionFailure("\(text) is no topic name") }
    return name
}

func filter(_ text: String) -> TopicFilter {
    guard let filter = try? TopicFilter(text) else { preconditionFailure("\(text) is no filter") }
    return filter
}

/// A message at offset 7, of 2026-01-31T12:00:00.250Z.
func message(
    _ payload: String, key: String? = nil, user: String = "", messageID: String? = nil
) -> Sequenced {
    let message = Message(
        topic: name("chat"), generation: 1, offset: 7, event: "new-message", key: key, publisher: user, source: "s1",
        messageID: messageID, expiry: nil, payload: Array(payload.utf8))
    return Sequenced(
        sequence: 9,
        record: Record(
            origin: partition.origin, slot: Slot(of: message.topic), position: 3, time: time, seen: 1,
            body: .message(message)))
}

let time = HybridTime(milliseconds: 1_769_860_800_250)
