import Broker
import JSON
import Model

/// One client's conversation in Daptin's dialect, Roost's native one: `{"id"?, "method", "attributes"}` and its
/// answers.
///
/// Where the protocol page is silent: `get-topic`, `destroy-topic`, `publish` and their like take several topics as
/// `subscribe` does, at most 100, and are answered once for each; only `create-topic` names one. `set-topic` changes
/// `retention` and `permission` of a topic. A subscription that ends against its client's will (its topic is gone, or
/// may no longer be read) is told by `{"type":"unsubscribed","topic","error","code"}`, and a refusal that answers no
/// request, such as of a client that sends too fast, by `{"type":"error","error","code"}`. A client that came without a
/// token where one is needed finds `authenticateWithinMs` in its session's data: `auth` must be its first request, and
/// the others come after its answer. What is no request at all is
/// answered with the method `""`. In a batch every request is answered, so `ack: none` counts as `accepted` there, and
/// a request for several topics takes as many places among the responses. An anonymous user's name is `""`.
package final class DaptinConversation: TranslatingDialect {
    /// How `data` of events is written.
    package enum Variant: Sendable {
        /// The message as it was sent.
        case plain
        /// A string with the base64 of it, as the real Daptin has it: `?encoding=base64`.
        case base64
    }

    package var encoding: EventEncoding { variant == .plain ? Self.plainEvents : Self.base64Events }

    // Not the whole context: there is a conversation for every idle connection.
    private let place: ConversationContext.Place
    private let variant: Variant
    private var batches = DaptinBatches()

    package init(_ context: ConversationContext, query: String) {
        place = context.place
        variant = DialectTable.parameter("encoding", of: query) == "base64" ? .base64 : .plain
    }

    private static let plainEvents = EventEncoding(id: 1) { DaptinEvents.text($0, .plain) }
    private static let base64Events = EventEncoding(id: 2) { DaptinEvents.text($0, .base64) }

    package var authenticatesByMessage: Bool { true }

    package func receive(_ text: [UInt8]) -> [Request] {
        var method = ""
        var id: [UInt8]?
        do throws(Refusal) {
            let message = try DaptinMessage(text: text, method: &method, id: &id)
            if message.method == "batch" { return try open(message) }
            return try DaptinCommands.read(message).map { Request(reference: message.reference(for: $0), command: $0) }
        } catch {
            return [Request(reference: RequestReference(id: id, method: method), command: .refuse(error))]
        }
    }

    package func encode(_ reply: Reply, to reference: RequestReference) -> [[UInt8]] {
        let text = DaptinReplies.text(reply, to: reference, variant)
        guard let place = reference.batch, reply.isLast else { return [text] }
        return batches.answer(place, text).map { [$0] } ?? []
    }

    package func encode(_ notice: Notice) -> [UInt8]? {
        if case .opened(let session, let principal, let limit) = notice {
            return DaptinNotices.opened(
                session, principal, node: place.node, cluster: place.cluster, authenticateWithin: limit)
        }
        return DaptinNotices.text(notice, variant)
    }

    /// Reads a batch's requests; each takes a place among its responses.
    private func open(_ message: DaptinMessage) throws(Refusal) -> [Request] {
        let items = try batches.items(of: message)
        if items.isEmpty {
            throw .invalidMessage("\"messages\" is empty; it must hold 1 to \(DaptinBatches.limit) requests")
        }
        var parsed: [(method: String, id: [UInt8]?, commands: [Command])] = []
        for item in items {
            var (method, id): (String, [UInt8]?) = ("", nil)
            do throws(Refusal) {
                let request = try DaptinMessage(item, method: &method, id: &id)
                if request.method == "batch" { throw .invalidMessage("a batch cannot hold a batch") }
                parsed.append((method, id, try DaptinCommands.read(request)))
            } catch {
                parsed.append((method, id, [.refuse(error)]))
            }
        }
        let flat = parsed.flatMap { each in each.commands.map { (each.method, each.id, $0.answered) } }
        let places = try batches.open(
            RequestReference(id: message.id, method: "batch"), replies: flat.map { $0.2.replyCount })
        return zip(flat, places).map { each, place in
            Request(reference: RequestReference(id: each.1, method: each.0, batch: place), command: each.2)
        }
    }
}

extension Command {
    /// The same command, answered in any case.
    fileprivate var answered: Command {
        guard case .publish(var publish) = self, publish.acknowledgement == .none else { return self }
        publish.acknowledgement = .accepted
        return .publish(publish)
    }
}
