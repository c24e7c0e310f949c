import Broker
import JSON
import Model

/// The envelope of SQLatte's document, `{type, data}` both ways, at `/ws`.
///
/// Where the document is silent: there is no greeting; `session_id` is a token, in `auth` or, from a client that has proved
/// nothing yet, in its first `query`; queries are known by `q_1`, `q_2` … in their order on the connection. Each is told by
/// `query_start`, at least one `query_progress`, and `query_result`, or past 1,000 rows `result_chunk`s and
/// `result_complete`; a query that fails by an `error` with its `query_id`. An `error` has the `code` of every other door
/// too. `subscribe` adds to the event types that are followed, `unsubscribe` takes some away, and both answer with what is
/// followed then; an event's `data` is the message as it was published, beside which `topic`, `id`, `partition`, `offset`,
/// `timestamp` and `user` say where it stands. `query_completed` tells of this connection's queries. What is lost is told
/// by `gap`. A `batch` holds messages, or the texts of messages, and each is answered by itself.
package final class SQLatteConversation: Dialect {
    package let encoding = SQLatteEvents.encoding

    private let clock: @Sendable () -> WallTime
    private var queries = SQLatteQueries()
    private var subscriptions = SQLatteSubscriptions()
    /// Whether the client has yet to prove who it is.
    private var isStranger = false
    /// Queries of a client whose token is being verified, which one of them brought.
    private var held: [SQLatteMessage] = []

    /// How often a query that works in silence tells how far it is.
    private static let pulse: Duration = .milliseconds(500)

    package init(_ context: ConversationContext) {
        clock = context.clock
    }

    package var authenticatesByMessage: Bool { true }

    // MARK: From the client

    package func steps(for text: [UInt8]) -> [DialectStep] {
        var type = ""
        do throws(Refusal) {
            return try steps(for: try SQLatteMessage(text, type: &type))
        } catch {
            return [Self.refuse(error, type)]
        }
    }

    /// By way of the core, so that it is answered in its turn and counted.
    private static func refuse(_ refusal: Refusal, _ type: String) -> DialectStep {
        .request(Request(reference: RequestReference(id: nil, method: type), command: .refuse(refusal)))
    }

    private func steps(for message: SQLatteMessage) throws(Refusal) -> [DialectStep] {
        switch message.type {
        case "auth":
            guard let token = try SQLatteRequests.token(message.data) else {
                throw .invalidMessage(
                    "\"session_id\" is missing; it must be a JWT, such as POST /api/v1/auth/login gives")
            }
            return [Self.authenticate(token)]
        case "query": return try query(message)
        case "subscribe": return try subscriptions.add(try SQLatteRequests.events(message.data))
        case "unsubscribe": return try subscriptions.remove(try SQLatteRequests.events(message.data))
        case "batch": return try batch(message)
        case "ping": return [.request(Request(reference: RequestReference(id: nil, method: "ping"), command: .ping))]
        default: throw .invalidMessage("unknown type \"\(message.type.prefix(64))\"; \(SQLatteMessage.typesKnown)")
        }
    }

    private static func authenticate(_ token: String, method: String = "auth") -> DialectStep {
        .request(Request(reference: RequestReference(id: nil, method: method), command: .authenticate(token: token)))
    }

    private func query(_ message: SQLatteMessage) throws(Refusal) -> [DialectStep] {
        let (text, isSQL, parameters) = try SQLatteRequests.query(message.data)
        if isStranger, let token = try SQLatteRequests.token(message.data) {
            guard held.count < SQLatteQueries.limit else { throw .rateLimited }
            held.append(message)
            return held.count == 1 ? [Self.authenticate(token, method: Self.heldAuthentication)] : []
        }
        let schema = try SQLatteRequests.schema(message.data)
        let number = try queries.begin(text, parameters, at: clock())
        let start = DialectStep.send(SQLatteQueries.start(number))
        // A question that is SQL is run as it is.
        if isSQL || (try? SQLStatement(text)) != nil { return [start, Self.ask(text, parameters, number)] }
        let reference = RequestReference(id: nil, method: Self.translates, batch: number)
        return [
            start, .request(Request(reference: reference, command: SQLatteTranslation.command(text, schema: schema))),
        ]
    }

    private static func ask(_ sql: String, _ parameters: QueryParameters, _ number: UInt32) -> DialectStep {
        let query = Query(
            sql: sql, parameters: parameters, pulse: pulse, chunkRows: SQLatteQueries.chunkRows,
            chunkBytes: SQLatteQueries.chunkBytes)
        let reference = RequestReference(id: nil, method: "query", batch: number)
        return .request(Request(reference: reference, command: .query(query)))
    }

    private static let translates = "translate"
    private static let heldAuthentication = "held"

    private func batch(_ message: SQLatteMessage) throws(Refusal) -> [DialectStep] {
        var steps: [DialectStep] = []
        for item in try SQLatteRequests.batch(message.data) {
            var type = ""
            do throws(Refusal) {
                let inner =
                    if let text = item.string { try SQLatteMessage(Array(text.utf8), type: &type) } else {
                        try SQLatteMessage(item, type: &type)
                    }
                guard inner.type != "batch" else {
                    throw .invalidMessage("a batch holds a batch; it may hold single messages")
                }
                steps += try self.steps(for: inner)
            } catch {
                steps.append(Self.refuse(error, type))
            }
        }
        return steps
    }

    // MARK: From the core

    package func steps(for reply: Reply, to reference: RequestReference) -> [DialectStep] {
        switch (reply, reference.method) {
        case (_, "query"): return querySteps(reply, reference)
        case (_, Self.translates): return translationSteps(reply, reference.batch ?? 0)
        case (_, "subscribe") where reference.batch != nil, (_, "unsubscribe") where reference.batch != nil:
            let text = subscriptions.take(reference.batch ?? 0, reply, to: reference.method)
            return text.map { [.send($0)] } ?? []
        case (.authenticated(let principal), let method):
            isStranger = false
            return (method == Self.heldAuthentication ? [] : [.send(SQLatteReplies.authenticated(principal))])
                + release()
        case (.refused(let refusal), Self.heldAuthentication):
            held = []
            return [.send(SQLatteReplies.refusal(refusal, to: "auth"))]
        case (.refused(let refusal), let method): return [.send(SQLatteReplies.refusal(refusal, to: method))]
        case (.pong, _): return [.send(SQLatteReplies.message("pong"))]
        default: return [.send(SQLatteReplies.refusal(Self.mistaken, to: reference.method))]
        }
    }

    private static let mistaken = Refusal.internal("the broker gave an answer to another question")

    private func querySteps(_ reply: Reply, _ reference: RequestReference) -> [DialectStep] {
        // One that could not be taken into account has no number.
        guard let number = reference.batch else {
            guard case .refused(let refusal) = reply else { return [] }
            return [.send(SQLatteReplies.refusal(refusal, to: "query"))]
        }
        let (texts, completion) =
            switch reply {
            case .rows(let chunk): queries.take(number, chunk)
            case .refused(let refusal): queries.take(number, refusal, at: clock())
            default: queries.take(number, Self.mistaken, at: clock())
            }
        return sends(texts, completion)
    }

    private func sends(_ texts: [[UInt8]], _ completion: SQLatteQueries.Completion?) -> [DialectStep] {
        let told = subscriptions.tellsCompletions ? completion?.text : nil
        return (texts + [told].compactMap { $0 }).map { .send($0) }
    }

    /// What follows of a translator's answer: the query that it gave.
    private func translationSteps(_ reply: Reply, _ number: UInt32) -> [DialectStep] {
        do throws(Refusal) {
            switch reply {
            case .requested(.part(_, let payload, _, _)):
                queries.translated(number, payload)
                return []
            case .requested(.finished):
                guard let (sql, parameters) = try queries.translate(number) else { return [] }
                return [Self.ask(sql, parameters, number)]
            case .refused(let refusal): throw SQLatteTranslation.refusal(refusal)
            default: throw Self.mistaken
            }
        } catch {
            let (texts, completion) = queries.take(number, error, at: clock())
            return sends(texts, completion)
        }
    }

    /// Asks what waited for its client to be known.
    private func release() -> [DialectStep] {
        defer { held = [] }
        return held.flatMap { message -> [DialectStep] in
            do throws(Refusal) { return try query(message) } catch { return [Self.refuse(error, "query")] }
        }
    }

    package func steps(for notice: Notice, on branch: BranchID?) -> [DialectStep] {
        switch notice {
        case .opened(_, _, let limit):
            isStranger = limit != nil
            return []
        case .event(let item): return [.send(encoding.encode(item))]
        case .gap(let topic, let gap): return [.send(SQLatteReplies.gap(topic, gap))]
        case .refused(let refusal): return [.send(SQLatteReplies.refusal(refusal, to: ""))]
        case .tokenExpiring(let time): return [.send(SQLatteReplies.expiring(time))]
        case .draining(let retryAfter, let nodes): return [.send(SQLatteReplies.draining(retryAfter, nodes))]
        case .cursor, .subscriptionEnded, .presence, .presenceCount, .typing, .request, .work, .figures,
            .figuresEnded:
            return []
        }
    }
}
