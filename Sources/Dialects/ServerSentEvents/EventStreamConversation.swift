import Broker
import JSON
import Model

/// One client's stream of Server-Sent Events at `GET /events?topics=a,b` (HTML Standard §9.2), without `topics` of
/// everything that the user may read.
///
/// Each event is a message in the words of `/live`, so that one handler serves both: `{"type":"event",…}`, and
/// `{"type":"gap",…}`, `{"type":"unsubscribed",…}`, `{"type":"auth",…}`, `{"type":"drain",…}`, `{"type":"error",…}`
/// likewise. No line says `event:`, so all of them reach `onmessage`. A cursor goes as an `id:` line without data, which a
/// browser remembers and shows to nobody. The id names the place in every topic of the stream, so that `Last-Event-ID`
/// resumes at any node; see ``EventStreamPlaces`` for what happens where that takes more than 4 KiB. `since` takes such an
/// id, or `beginning`, `last:N` and an ISO 8601 time as REST does; a `Last-Event-ID` goes before it, because a browser that
/// reconnects still has the address with which it began.
///
/// The response begins when the first subscription is live, so that a request for topics that are not there, or may not be
/// read, is answered with the status that REST has for it. Of several topics those that can be followed are, and the others
/// are told by an event `error`, which carries `topic`. A message's line ends arrive as `\n`.
package final class EventStreamConversation: StreamDialect {
    package static let contentType = "text/event-stream"
    /// The most topics and filters that an address may name.
    static let topicLimit = 100

    package let encoding = EventEncoding(id: 3) { EventStreamText.data(DaptinEvents.text($0, .plain)) }
    package let opening: [UInt8]
    package let heartbeat = Array(":\n\n".utf8)

    private let filters: [TopicFilter]
    private let since: Command.Since?
    private var places: EventStreamPlaces
    /// Subscriptions that are not answered yet.
    private var waiting: Int

    /// Reads what the request asks for.
    package static func open(
        _ context: ConversationContext, _ request: StreamRequest
    ) -> Result<any StreamDialect, Refusal> {
        do throws(Refusal) {
            return .success(try EventStreamConversation(request))
        } catch {
            return .failure(error)
        }
    }

    init(_ request: StreamRequest) throws(Refusal) {
        filters = try Self.filters(request.query("topics"))
        since = try EventStreamStart.since(lastEventID: request.lastEventID, query: request.query("since"))
        opening = Array("retry: \(request.retryAfter.milliseconds)\n\n".utf8)
        places = EventStreamPlaces(at: request.time)
        waiting = filters.count
    }

    package var authenticatesByMessage: Bool { false }

    package func begin() -> [Request] {
        // One command for each, so that a refusal says which topic it is about.
        filters.map { filter in
            Request(
                reference: RequestReference(id: nil, method: filter.text),
                command: .subscribe(Command.Subscribe(filters: [filter], since: since)))
        }
    }

    package func receive(_ text: [UInt8]) -> [Request] { [] }

    package func ending(of item: Sequenced) -> [UInt8] {
        guard let message = item.record.message else { preconditionFailure("only messages are delivered") }
        let partition = item.record.partition(of: message)
        places.advance(message.topic, partition, to: message.offset, at: item.record.time.wall)
        return id
    }

    package func encode(_ reply: Reply, to reference: RequestReference) -> [[UInt8]] {
        switch reply {
        case .subscribed(_, let cursors, _, _):
            waiting -= 1
            for (topic, cursor) in cursors { places.begin(topic, at: cursor) }
            return [id]
        case .refused(let refusal):
            waiting -= 1
            return [EventStreamText.event(EventStreamText.error(refusal, topic: reference.method))]
        default: return []
        }
    }

    package func encode(_ notice: Notice) -> [UInt8]? {
        switch notice {
        case .opened: return nil
        case .event(let item): return encoding.encode(item) + ending(of: item)
        case .gap(let topic, let gap): places.advance(topic, gap.partition, to: gap.to)
        case .cursor(let topic, let cursor):
            for (partition, offset) in cursor.sorted { places.advance(topic, partition, to: offset) }
            return id
        case .subscriptionEnded(let topic, _): places.end(topic)
        case .draining(let delay, _):
            let text = DaptinNotices.text(notice, .plain) ?? []
            return EventStreamText.event(text, retryAfter: delay)
        default: return DaptinNotices.text(notice, .plain).map { EventStreamText.event($0) }
        }
        return DaptinNotices.text(notice, .plain).map { EventStreamText.data($0) + id }
    }

    package func farewell(code: UInt16, reason: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("type")
        writer.string("close")
        writer.key("code")
        writer.unsigned(UInt64(code))
        writer.key("reason")
        writer.string(reason)
        writer.endObject()
        return EventStreamText.event(writer.bytes)
    }

    /// The `id:` line with the present place, and the end of the event.
    private var id: [UInt8] { Array("id: \(places.text(isWhole: waiting == 0))\n\n".utf8) }

    private static func filters(_ topics: String?) throws(Refusal) -> [TopicFilter] {
        guard let topics else { return [.everything] }
        let texts = topics.split(separator: ",", omittingEmptySubsequences: false)
        guard texts.count <= topicLimit else {
            throw .invalidMessage("\"topics\" names \(texts.count) topics; it may name at most \(topicLimit)")
        }
        var filters: [TopicFilter] = []
        for text in texts {
            do throws(TopicNameError) {
                let filter = try TopicFilter(String(text))
                if !filters.contains(filter) { filters.append(filter) }
            } catch {
                throw .invalidMessage("\"topics\" must be like \"a,b\": \(error.description)")
            }
        }
        return filters
    }
}
