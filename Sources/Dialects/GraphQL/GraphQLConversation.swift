import Broker
import JSON
import Model

/// GraphQL over WebSocket by the sub-protocol `graphql-transport-ws`, with every close code and time of its document.
///
/// Every `subscribe` is an operation of its own. A subscription is a branch of its connection, so that one connection may
/// follow a topic as often as it likes, each time from another place; the result of an event is written once for all
/// operations with the same document and variables. Queries and mutations are carried out and completed.
///
/// Where the document of the sub-protocol is silent: a missing or unknown sub-protocol closes with 4406, a binary message
/// with 4400; a subscription whose topic ends or may no longer be read gets `error`, and what was lost for good a `next` with
/// an error `GAP`, after which it goes on. Warnings that a token ends, and that the client sends too fast, are the `payload`
/// of a `ping`, which the sub-protocol leaves to the server.
package final class GraphQLConversation: Dialect {
    /// The sub-protocol that is spoken.
    package static let subprotocol = "graphql-transport-ws"
    /// How long a client may take to initialise: 3 s.
    package static let initialisationLimit: Duration = .seconds(3)
    /// The longest id of an operation, in bytes.
    static let idLimit = 256

    /// It takes no shared events: its branches have forms of their own.
    package let encoding = EventEncoding.none

    private let context: ConversationContext
    private var stage = Stage.opened
    /// Whether the client proved nothing yet.
    private var isStranger = false
    private var operations: [String: GraphQLOperation] = [:]
    private var lastNumber: UInt32 = 0
    private var numbers: [UInt32: String] = [:]

    private enum Stage {
        case opened
        /// A token is being verified.
        case verifying
        case acknowledged
    }

    package init(_ context: ConversationContext) {
        self.context = context
    }

    package var authenticatesByMessage: Bool { true }

    // MARK: From the client

    package func steps(for text: [UInt8]) -> [DialectStep] {
        let message: GraphQLMessage
        do throws(GraphQLMessage.Malformed) {
            message = try GraphQLMessage(text)
        } catch {
            return [.close(code: 4400, reason: error.words)]
        }
        switch message {
        case .initialise(let token): return initialise(token)
        case .ping(let payload):
            // By way of the core, which counts it against the client's requests a second.
            return [.request(Request(reference: RequestReference(id: payload, method: "ping"), command: .ping))]
        case .pong: return []
        case .subscribe(let id, let payload): return subscribe(id, payload)
        case .complete(let id): return operations[id] == nil ? [] : end(id)
        }
    }

    package func steps(forBinary bytes: [UInt8]) -> [DialectStep]? {
        [.close(code: 4400, reason: "Only text messages are spoken here")]
    }

    private func initialise(_ token: String?) -> [DialectStep] {
        guard case .opened = stage else { return [.close(code: 4429, reason: "Too many initialisation requests")] }
        if let token {
            stage = .verifying
            return [
                .request(
                    Request(
                        reference: RequestReference(id: nil, method: "init"), command: .authenticate(token: token)))
            ]
        }
        if isStranger { return [.close(code: 4403, reason: "Forbidden: give a token as \"authorization\"")] }
        return acknowledge()
    }

    private func acknowledge() -> [DialectStep] {
        stage = .acknowledged
        return [.send(Array(#"{"type":"connection_ack"}"#.utf8))]
    }

    private func subscribe(_ id: String, _ payload: JSONView) -> [DialectStep] {
        guard case .acknowledged = stage else { return [.close(code: 4401, reason: "Unauthorized")] }
        guard operations[id] == nil else {
            return [.close(code: 4409, reason: "Subscriber for \(id.prefix(64)) already exists")]
        }
        let plan: GraphQLPlan
        do throws(GraphQLPlan.Rejection) {
            let request: GraphQLRequest
            do throws(GraphQLError) { request = try GraphQLRequest(payload) } catch {
                return [.close(code: 4400, reason: error.message)]
            }
            plan = try GraphQLPlan(request, limits: context.graphQL)
        } catch {
            return [.send(GraphQLMessage.error(id, error.errors))]
        }
        guard operations.count < BranchID.limit else {
            return [.send(GraphQLMessage.error(id, [GraphQLError(.subscriptionLimit(BranchID.limit), at: nil, path: [])]))]
        }
        lastNumber &+= 1
        let number = lastNumber
        do throws(GraphQLError) {
            let operation = try GraphQLOperation(id: id, number: number, plan: plan)
            operations[id] = operation
            numbers[number] = id
            return begin(operation)
        } catch {
            return [.send(GraphQLMessage.error(id, [error]))]
        }
    }

    private func begin(_ operation: GraphQLOperation) -> [DialectStep] {
        guard let source = operation.source else { return advance(operation.id) }
        let reference = RequestReference(id: nil, method: "subscribe", batch: operation.number)
        return [
            .open(operation.branch, operation.form),
            .requestOn(operation.branch, Request(reference: reference, command: source)),
        ]
    }

    /// Carries a query or mutation on: to further questions, or to its end.
    private func advance(_ id: String) -> [DialectStep] {
        guard let outcome = operations[id]?.advance(), let number = operations[id]?.number else { return [] }
        switch outcome {
        case .needs(let questions):
            return questions.indices.map { index in
                .request(
                    Request(
                        reference: RequestReference(id: Array("\(index)".utf8), method: "ask", batch: number),
                        command: questions[index].command))
            }
        case .done(let result):
            forget(id)
            return [.send(GraphQLMessage.next(id, result)), .send(GraphQLMessage.complete(id))]
        }
    }

    private func end(_ id: String) -> [DialectStep] {
        guard let operation = forget(id), operation.source != nil else { return [] }
        return [.end(operation.branch)]
    }

    @discardableResult
    private func forget(_ id: String) -> GraphQLOperation? {
        guard let operation = operations.removeValue(forKey: id) else { return nil }
        numbers[operation.number] = nil
        return operation
    }

    // MARK: From the core

    package func steps(for reply: Reply, to reference: RequestReference) -> [DialectStep] {
        switch reference.method {
        case "ping": return [.send(GraphQLMessage.pong(reference.id))]
        case "init":
            if case .refused(let refusal) = reply {
                return [.close(code: 4403, reason: "Forbidden: \(refusal.sentence)")]
            }
            return acknowledge()
        default: break
        }
        // The answer of an operation that the client has completed meanwhile is nobody's.
        guard let number = reference.batch, let id = numbers[number] else { return [] }
        if reference.method == "ask" {
            guard let index = reference.id.flatMap({ Int(String(decoding: $0, as: UTF8.self)) }),
                operations[id]?.answer(index, reply) == true
            else { return [] }
            return advance(id)
        }
        if case .refused(let refusal) = reply { return fail(id, refusal) }
        if let watching = watchSteps(reply, id) { return watching }
        guard case .subscribed(_, let cursors, _, _) = reply, let operation = operations[id], operation.tellsNotices else {
            return []
        }
        return [.send(operation.notice("subscribed") { GraphQLMessage.cursors(cursors, to: &$0) })]
    }

    /// What follows of answers to a subscription to presence: once it is live, the question who is there; nil for another.
    private func watchSteps(_ reply: Reply, _ id: String) -> [DialectStep]? {
        guard let operation = operations[id], let topic = operation.watched else { return nil }
        switch reply {
        case .subscribed:
            let reference = RequestReference(id: nil, method: "subscribe", batch: operation.number)
            return [.requestOn(operation.branch, Request(reference: reference, command: .presence(topic)))]
        case .presence(let topic, let list): return [.send(operation.update(GraphQLPresence(topic, list)))]
        default: return []
        }
    }

    package func steps(for notice: Notice, on branch: BranchID?) -> [DialectStep] {
        guard let branch else { return steps(for: notice) }
        guard let id = numbers[branch.rawValue], let operation = operations[id] else { return [] }
        switch notice {
        case .presence(let event): return [.send(operation.update(GraphQLPresence(event)))]
        case .presenceCount(let topic, let count):
            return [.send(operation.update(GraphQLPresence(topic, count: count)))]
        // Whoever watches wants none of the messages, and so misses none.
        case .gap where operation.watched != nil, .cursor where operation.watched != nil: return []
        case .gap(let topic, let gap): return [.send(operation.gap(topic, gap))]
        case .cursor(let topic, let cursor):
            guard operation.tellsNotices else { return [] }
            return [.send(operation.notice("cursor") { GraphQLMessage.cursors([(topic, cursor)], to: &$0) })]
        case .subscriptionEnded(let topic, let refusal):
            // A wildcard goes on with its other topics.
            return operation.follows(exactly: topic) ? fail(id, refusal) : []
        case .figures(let report): return [.send(operation.update(report.figures))]
        case .figuresEnded(let refusal): return fail(id, refusal)
        case .event, .opened, .typing, .request, .work, .refused, .tokenExpiring, .draining: return []
        }
    }

    private func steps(for notice: Notice) -> [DialectStep] {
        switch notice {
        case .opened(_, _, let limit):
            guard context.subprotocol == Self.subprotocol else {
                return [.close(code: 4406, reason: "Subprotocol not acceptable: \(Self.subprotocol) is spoken here")]
            }
            isStranger = limit != nil
            return [.wake(after: Self.initialisationLimit)]
        case .refused(let refusal):
            return [.send(GraphQLMessage.ping(code: refusal.code, message: refusal.sentence, time: nil))]
        case .tokenExpiring(let time):
            return [.send(GraphQLMessage.ping(code: "AUTH_EXPIRING", message: "the token ends soon", time: time))]
        case .event, .gap, .cursor, .subscriptionEnded, .presence, .presenceCount, .typing, .request, .work, .figures,
            .figuresEnded,
            .draining:
            return []
        }
    }

    package func stepsWhenDue() -> [DialectStep] {
        guard case .opened = stage else { return [] }
        return [.close(code: 4408, reason: "Connection initialisation timeout")]
    }

    /// Ends an operation with `error`, after which nothing more of it is said.
    private func fail(_ id: String, _ refusal: Refusal) -> [DialectStep] {
        let path = operations[id].map { [GraphQLError.PathPart.key($0.responseKey)] } ?? []
        let error = GraphQLError(refusal, at: operations[id]?.location, path: path)
        return end(id) + [.send(GraphQLMessage.error(id, [error]))]
    }
}
