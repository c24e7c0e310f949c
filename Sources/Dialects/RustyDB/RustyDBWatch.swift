import Broker
import JSON
import Model

/// RustyDB's watch of a collection: a table's changes as change-stream documents, in the envelope of its document.
///
/// A change is a `data` whose `status` is `change`. Its `resumeToken` is the place after it: who gives it as `resume_token` in
/// the query of the URL, at any node, gets what came after it. Without one the watch begins with what comes from now on. Tokens are of
/// each connection's own, so its events are written for it alone. A client says nothing but `ping`.
package final class RustyDBWatchConversation: Dialect {
    /// Every event is written for its connection, since the token in it is the connection's own.
    package let encoding = EventEncoding.none

    private let replies: RustyDBReplies
    private let collection: Result<TopicName, Refusal>
    private let start: Result<Cursor?, Refusal>
    private var cursor = Cursor()

    /// - Parameters:
    ///   - path: a path of the door's.
    ///   - query: the query of the URL, as it was sent.
    package init(_ context: ConversationContext, path: String, query: String) {
        replies = RustyDBReplies(clock: context.clock)
        collection = Self.topic(Self.collection(in: path) ?? "")
        start = Self.start(query)
    }

    /// The collection that a path of the door's names, `/api/v1/documents/collections/{name}/watch`; nil for another path.
    static func collection(in path: String) -> String? {
        let (head, tail) = ("/api/v1/documents/collections/", "/watch")
        guard path.hasPrefix(head), path.hasSuffix(tail), path.count > head.count + tail.count else { return nil }
        return String(path.dropFirst(head.count).dropLast(tail.count))
    }

    package var authenticatesByMessage: Bool { false }

    private static func topic(_ name: String) -> Result<TopicName, Refusal> {
        do throws(TopicNameError) { return .success(try TopicName(name)) } catch {
            return .failure(.invalidMessage(error.description))
        }
    }

    private static func start(_ query: String) -> Result<Cursor?, Refusal> {
        guard let token = DialectTable.parameter("resume_token", of: query), !token.isEmpty else { return .success(nil) }
        do throws(FormatError) { return .success(try Cursor(compactText: String(token))) } catch {
            return .failure(.invalidMessage("\"resume_token\" is no token that a change came with"))
        }
    }

    // MARK: To the core

    package func begin() -> [Request] {
        do throws(Refusal) {
            let (topic, start) = (try collection.get(), try start.get())
            // That it is a table is asked first; a stream has no rows that could change.
            var rows = Command.History(topic: topic, since: .beginning, limit: 1)
            rows.rowsOnly = true
            // Conditions have each message given to this connection by itself.
            let events = [RowEvent.create, .update, .delete].map(\.rawValue)
            return [
                request("watch-table", .history(rows)),
                request(
                    "watch",
                    .subscribe(
                        Command.Subscribe(
                            filters: [TopicFilter(topic)], conditions: [.anyEvent(events)],
                            since: start.map { .start(.cursor($0)) }, snapshot: false))),
            ]
        } catch {
            return [request("watch", .refuse(error))]
        }
    }

    private func request(_ method: String, _ command: Command, id: [UInt8]? = nil) -> Request {
        Request(reference: RequestReference(id: id, method: method), command: command)
    }

    package func steps(for text: [UInt8]) -> [DialectStep] {
        var type = ""
        var id: [UInt8]?
        do throws(Refusal) {
            let message = try RustyDBMessage(text, type: &type, id: &id)
            guard message.type == "ping" else {
                throw .invalidMessage("a watch takes no \"\(message.type.prefix(64))\": only \"ping\"")
            }
            return [.request(request("ping", .ping, id: message.id))]
        } catch {
            return [.request(request(type, .refuse(error), id: id))]
        }
    }

    // MARK: From the core

    package func steps(for reply: Reply, to reference: RequestReference) -> [DialectStep] {
        switch (reference.method, reply) {
        case ("watch-table", .history): return []
        case ("watch", .subscribed(let filter, let cursors, _, _)):
            cursor = cursors.first?.cursor ?? Cursor()
            let text = replies.data("subscribed", id: nil) { writer in
                writer.key("collection")
                writer.string(filter.text)
                write(cursor, to: &writer)
            }
            return [.send(text)]
        case ("watch", .refused(let refusal)), ("watch-table", .refused(let refusal)):
            return [.send(replies.refusal(refusal, id: nil)), .close(code: 1008, reason: refusal.code)]
        default: return [.send(replies.text(reply, to: reference))]
        }
    }

    package func steps(for notice: Notice, on branch: BranchID?) -> [DialectStep] {
        switch notice {
        case .event(let item):
            guard let message = item.record.message, message.row != nil else { return [] }
            cursor.advance(item.record.partition(of: message), to: message.offset)
            return [.send(change(message, at: item.record.time))]
        case .cursor(_, let passed):
            for (partition, offset) in passed.offsets { cursor.advance(partition, to: offset) }
            return [.send(replies.data("cursor", id: nil) { write(cursor, to: &$0) })]
        case .gap(let topic, let gap):
            cursor.advance(gap.partition, to: gap.to)
            return [.send(replies.gap(topic, gap, id: nil))]
        case .subscriptionEnded(_, let refusal):
            return [.send(replies.refusal(refusal, id: nil)), .close(code: 1008, reason: refusal.code)]
        case .refused(let refusal): return [.send(replies.refusal(refusal, id: nil))]
        case .tokenExpiring(let time): return [.send(replies.expiring(time))]
        case .draining(let retryAfter, let nodes): return [.send(replies.draining(retryAfter, nodes))]
        case .opened, .presence, .presenceCount, .typing, .request, .work, .figures, .figuresEnded: return []
        }
    }

    private func write(_ cursor: Cursor, to writer: inout JSONWriter) {
        writer.key("resumeToken")
        writer.string(cursor.compactText)
    }

    private func change(_ message: Message, at time: HybridTime) -> [UInt8] {
        replies.data("change", id: nil) { writer in
            writer.key("operationType")
            writer.string(Self.operation(message.event))
            writer.key("ns")
            writer.beginObject()
            writer.key("coll")
            writer.string(message.topic.text)
            writer.endObject()
            writer.key("documentKey")
            writer.beginObject()
            writer.key("_id")
            writer.string(message.key ?? "")
            writer.endObject()
            if !message.isRowEnd {
                writer.key("fullDocument")
                writer.raw(message.payload)
            }
            writer.key("clusterTime")
            writer.string(Timestamp.text(time.wall))
            write(cursor, to: &writer)
        }
    }

    private static func operation(_ event: String) -> String {
        event == RowEvent.create.rawValue ? "insert" : event
    }
}
