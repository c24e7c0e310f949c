import Broker
import JSON
import Model

/// The envelope of RustyDB's document, `{type, payload, timestamp, id?}` both ways.
///
/// A subscription is a branch of its connection, known by the `id` of the message that asked for it: it is answered once,
/// when all its topics are live, and every event of it carries its id. Where the document is silent: there is no greeting;
/// a `pong` has the ping's id where that had one; an event is a `data` whose `status` is `event`, and so for `gap`, `cursor`,
/// `metrics`, `auth_expiring` and `draining`; a subscription without an id is ended by an `unsubscribe` that names the same
/// topics; a second subscription with an id that is in use is refused.
package final class RustyDBConversation: Dialect {
    /// What a door follows without being asked.
    package enum Presubscription: Sendable {
        case nothing
        /// The node's and the cluster's figures, once a second.
        case figures
    }

    /// Requests a second where the operator set no limit: the document's own default.
    package static let defaultRate = 100

    /// It takes no shared events: its branches have forms of their own.
    package let encoding = EventEncoding.none

    private let replies: RustyDBReplies
    private let presubscription: Presubscription
    private var subscriptions = RustyDBSubscriptions()
    private var queries = RustyDBQueries()
    /// Whether the client has yet to prove who it is.
    private var isStranger = false

    package init(_ context: ConversationContext, follows presubscription: Presubscription = .nothing) {
        replies = RustyDBReplies(clock: context.clock)
        self.presubscription = presubscription
    }

    package var authenticatesByMessage: Bool { true }

    package var requestsPerSecond: Int? { Self.defaultRate }

    // MARK: From the client

    package func steps(for text: [UInt8]) -> [DialectStep] {
        var type = ""
        var id: [UInt8]?
        do throws(Refusal) {
            return try steps(for: try RustyDBMessage(text, type: &type, id: &id))
        } catch {
            // By way of the core, so that it is answered in its turn and counted.
            return [.request(Request(reference: RequestReference(id: id, method: type), command: .refuse(error)))]
        }
    }

    private func steps(for message: RustyDBMessage) throws(Refusal) -> [DialectStep] {
        let reference = RequestReference(id: message.id, method: message.type)
        switch message.type {
        case "auth":
            return [.request(Request(reference: reference, command: try RustyDBRequests.authenticate(message.payload)))]
        case "ping": return [.request(Request(reference: reference, command: .ping))]
        case "publish":
            return [.request(Request(reference: reference, command: try RustyDBRequests.publish(message.payload)))]
        case "subscribe": return try subscribe(message)
        case "unsubscribe": return try unsubscribe(message)
        case "query":
            let (query, isStreaming) = try RustyDBRequests.query(message.payload)
            return [ask(query, try queries.begin(message.id, isStreaming: isStreaming), id: message.id)]
        case "batch":
            let batch = try RustyDBRequests.batch(message.payload)
            return zip(batch, try queries.begin(message.id, batch: batch.count)).map { ask($0, $1, id: nil) }
        default:
            throw .invalidMessage("unknown type \"\(message.type.prefix(64))\"; \(RustyDBMessage.typesKnown)")
        }
    }

    private func ask(_ query: Query, _ number: UInt32, id: [UInt8]?) -> DialectStep {
        .request(
            Request(reference: RequestReference(id: id, method: "query", batch: number), command: .query(query)))
    }

    private func subscribe(_ message: RustyDBMessage) throws(Refusal) -> [DialectStep] {
        let subscribe = try RustyDBRequests.subscribe(message.payload)
        let branch = try subscriptions.begin(message.id, subscribe.filters)
        let reference = RequestReference(id: message.id, method: "subscribe", batch: branch.rawValue)
        return [
            .open(branch, RustyDBEvents.form(id: message.id)),
            .requestOn(branch, Request(reference: reference, command: .subscribe(subscribe))),
        ]
    }

    private func unsubscribe(_ message: RustyDBMessage) throws(Refusal) -> [DialectStep] {
        if let id = message.id, queries.isRunning(id) {
            return [
                .request(Request(reference: RequestReference(id: id, method: "unsubscribe"), command: .cancelQuery(id)))
            ]
        }
        let topics = message.id == nil ? try RustyDBRequests.topics(message.payload) : []
        guard let branch = subscriptions.end(message.id, topics) else {
            throw .invalidMessage(
                message.id.map { "no subscription has the id \(String(decoding: $0, as: UTF8.self))" }
                    ?? "no subscription without an id has these topics")
        }
        return [
            .end(branch), .request(Request(reference: RequestReference(id: message.id, method: "unsubscribe"), command: .ping)),
        ]
    }

    // MARK: From the core

    package func steps(for reply: Reply, to reference: RequestReference) -> [DialectStep] {
        switch reference.method {
        case "subscribe": return subscriptionSteps(reply, reference)
        case "unsubscribe":
            switch reply {
            case .pong, .queriesCancelled: return [.send(replies.unsubscribed(id: reference.id))]
            default: break
            }
        case "query": return querySteps(reply, reference)
        case "auth":
            guard case .authenticated = reply, isStranger else { break }
            isStranger = false
            return [.send(replies.text(reply, to: reference))] + presubscribe()
        default: break
        }
        return [.send(replies.text(reply, to: reference))]
    }

    private func querySteps(_ reply: Reply, _ reference: RequestReference) -> [DialectStep] {
        // One that could not be taken into account has no number.
        guard let number = reference.batch else { return [.send(replies.text(reply, to: reference))] }
        let outcome: RustyDBQueries.Outcome
        switch reply {
        case .rows(let chunk): outcome = queries.take(number, chunk)
        case .refused(let refusal): outcome = queries.take(number, refusal)
        default: outcome = queries.take(number, .internal("the broker gave an answer to another question"))
        }
        switch outcome {
        case .wait: return []
        case .payloads(let payloads, let id):
            return payloads.map { .send(replies.message(isError: $0.isError, $0.payload, id: id)) }
        case .batch(let results, let id): return [.send(replies.batch(results, id: id))]
        }
    }

    private func subscriptionSteps(_ reply: Reply, _ reference: RequestReference) -> [DialectStep] {
        guard let number = reference.batch else { return [.send(replies.text(reply, to: reference))] }
        let branch = BranchID(rawValue: number)
        switch reply {
        case .subscribed(_, let cursors, _, _):
            guard let subscription = subscriptions.isLive(branch, cursors) else { return [] }
            return [.send(replies.subscribed(subscription.topics, subscription.cursors, id: reference.id))]
        case .followingFigures: return []
        case .refused(let refusal):
            // One topic that cannot be followed ends the whole subscription, of which nothing was promised yet.
            guard subscriptions.end(branch) else { return [] }
            return [.end(branch), .send(replies.refusal(refusal, id: reference.id))]
        case .unsubscribed, .published, .topicCreated, .topicChanged, .topicDestroyed, .topics, .topic, .permission,
            .history, .row, .rows, .queriesCancelled, .presence, .presenceSet, .typingNoted, .requested, .acknowledged,
            .authenticated, .cluster, .figures,
            .pong:
            return [.send(replies.text(reply, to: reference))]
        }
    }

    package func steps(for notice: Notice, on branch: BranchID?) -> [DialectStep] {
        guard let branch else { return steps(for: notice) }
        guard let subscription = subscriptions[branch] else { return [] }
        let id = subscription.id
        switch notice {
        case .gap(let topic, let gap): return [.send(replies.gap(topic, gap, id: id))]
        case .cursor(let topic, let cursor): return [.send(replies.cursor(topic, cursor, id: id))]
        case .subscriptionEnded(_, let refusal): return [.send(replies.refusal(refusal, id: id))]
        case .figures(let report): return [.send(replies.figures(report, id: id))]
        case .figuresEnded(let refusal):
            subscriptions.end(branch)
            return [.end(branch), .send(replies.refusal(refusal, id: id))]
        case .event, .opened, .presence, .presenceCount, .typing, .request, .work, .refused, .tokenExpiring, .draining: return []
        }
    }

    private func steps(for notice: Notice) -> [DialectStep] {
        switch notice {
        case .opened(_, _, let limit):
            isStranger = limit != nil
            return isStranger ? [] : presubscribe()
        case .refused(let refusal): return [.send(replies.refusal(refusal, id: nil))]
        case .tokenExpiring(let time): return [.send(replies.expiring(time))]
        case .draining(let retryAfter, let nodes): return [.send(replies.draining(retryAfter, nodes))]
        case .event, .gap, .cursor, .subscriptionEnded, .presence, .presenceCount, .typing, .request, .work, .figures,
            .figuresEnded:
            return []
        }
    }

    /// Follows what the door promises, once it is known for whom.
    private func presubscribe() -> [DialectStep] {
        guard case .figures = presubscription else { return [] }
        let branch: BranchID
        do throws(Refusal) {
            branch = try subscriptions.begin(nil, [])
        } catch {
            // A client may have asked for all the branches that it may have before it said who it is.
            return [.request(Request(reference: RequestReference(id: nil, method: ""), command: .refuse(error)))]
        }
        let reference = RequestReference(id: nil, method: "subscribe", batch: branch.rawValue)
        return [
            .open(branch, RustyDBEvents.form(id: nil)),
            .requestOn(branch, Request(reference: reference, command: .followFigures)),
        ]
    }
}
