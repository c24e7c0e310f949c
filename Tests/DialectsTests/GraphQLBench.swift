import Broker
import Dialects
import JSON
import Model
import Testing

/// A GraphQL conversation, text in and text out, with a shard's answers given by hand.
final class GraphQLBench {
    let conversation: any Dialect
    /// What was asked of the core, in order, with the branch where it was one's.
    private(set) var requests: [(branch: BranchID?, request: Request)] = []
    private(set) var forms: [BranchID: BranchForm] = [:]

    init(path: String = "/graphql/ws", subprotocol: String? = "graphql-transport-ws") {
        var context = ConversationContext(node: "node-a", cluster: "roost") { time.wall }
        context.subprotocol = subprotocol
        guard let door = DialectTable.door(atPath: path, query: "") else { preconditionFailure("\(path) is a door") }
        conversation = door.open(context)
    }

    /// Opens the session of a user, or of a stranger.
    func open(stranger: Bool = false) -> [String] {
        let principal = stranger ? Principal(user: "", roles: []) : Principal(user: "alice", roles: ["user"])
        return take(
            conversation.steps(
                for: .opened(session: "s1", principal, authenticateWithin: stranger ? .seconds(10) : nil), on: nil))
    }

    /// Opens, and initialises.
    func begin() -> GraphQLBench {
        _ = open()
        _ = say(#"{"type":"connection_init"}"#)
        return self
    }

    func say(_ text: String) -> [String] { take(conversation.steps(for: Array(text.utf8))) }

    func tell(_ notice: Notice, _ branch: BranchID? = nil) -> [String] {
        take(conversation.steps(for: notice, on: branch))
    }

    func wait() -> [String] { take(conversation.stepsWhenDue()) }

    /// Answers the oldest request that was not answered.
    func answer(_ reply: Reply) -> [String] {
        guard !requests.isEmpty else { return ["nothing was asked"] }
        return take(conversation.steps(for: reply, to: requests.removeFirst().request.reference))
    }

    private func take(_ steps: [DialectStep]) -> [String] {
        steps.compactMap { step in
            switch step {
            case .request(let request):
                requests.append((nil, request))
                return nil
            case .requestOn(let branch, let request):
                requests.append((branch, request))
                return nil
            case .open(let branch, let form):
                forms[branch] = form
                return nil
            case .end(let branch):
                forms[branch] = nil
                return "end \(branch.rawValue)"
            case .send(let text): return String(decoding: text, as: UTF8.self)
            case .close(let code, let reason): return "close \(code) \(reason)"
            case .wake(let delay): return "wake after \(delay.components.seconds) s"
            }
        }
    }
}

/// Carries a request out over HTTP, with one reply for each command; gives the response.
func graphQL(
    _ query: String, variables: String = "{}", operation: String? = nil, limits: GraphQLLimits = GraphQLLimits(),
    _ reply: (Command) -> Reply = { _ in .refused(.internal("nothing is asked in this test")) }
) -> String {
    var writer = JSONWriter()
    writer.beginObject()
    writer.key("query")
    writer.string(query)
    writer.key("variables")
    writer.raw(Array(variables.utf8))
    if let operation {
        writer.key("operationName")
        writer.string(operation)
    }
    writer.endObject()
    do throws(GraphQLCall.Rejected) {
        var call = try GraphQLCall(body: writer.bytes, limits: limits)
        while true {
            switch call.advance() {
            case .done(let response): return String(decoding: response, as: UTF8.self)
            case .needs(let commands): call.answer(commands.map(reply))
            }
        }
    } catch {
        return String(decoding: error.response, as: UTF8.self)
    }
}

func definition(_ text: String) -> TopicDefinition {
    TopicDefinition(
        name: name(text), generation: 1, kind: .stream, durability: .disk, owner: "alice", groups: [], created: time,
        creator: partition.origin, settings: TopicSettings(retention: Retention(messages: 10), permission: .ownerOnly))
}

func description(_ text: String, messages: UInt64 = 3) -> Reply {
    .topic(
        TopicDescription(
            definition: definition(text), statistics: TopicStatistics(messages: messages, bytes: 40), subscribers: 2,
            heads: Cursor([partition: 6])))
}

let report = StatusReport(
    figures: NodeFigures(
        node: "node-a", cpu: 45.2, memory: 1_024_000_000, connections: 3, subscriptions: 4, messagesIn: 5, messagesOut: 6,
        topics: 7),
    cluster: ClusterView(
        node: "node-a", cluster: "roost", digest: "00ff",
        members: [
            ClusterView.Member(
                id: "01", name: "node-a", state: "alive", incarnation: 0, listen: "127.0.0.1:6336", lag: 0,
                isConnected: true)
        ]))

/// Every refusal of the core; the switch keeps the list whole.
let refusals: [Refusal] = {
    let all: [Refusal] = [
        .authenticationRequired, .authenticationFailed("bad"), .authenticationExpired,
        .permissionDenied(action: "read", topic: "chat"), .invalidMessage("wrong"), .topicUnknown(name("chat")),
        .topicExists(name("chat")), .rowUnknown(name("chat"), "a"), .notATable(name("chat")),
        .notSupported("not yet"), .cursorTooOld(name("chat"), []), .notReplicated("late"),
        .rateLimited, .connectionLimit, .addressLimit, .attachLimit, .originForbidden("http://evil"),
        .subscriptionLimit(3), .queryWrong("wrong"), .tableUnknown("chat"), .queryLimit(3), .presenceLimit(3),
        .requestFailed(.nodeBusy),
        .draining, .unavailable("the disk is full"), .memberUnknown("node-9"), .memberNeeded("it lives"),
        .scheduleUnknown("s"), .scheduleLimit(.ids), .internal("broken"),
    ]
    for refusal in all {
        switch refusal {
        case .authenticationRequired, .authenticationFailed, .authenticationExpired, .permissionDenied, .invalidMessage,
            .topicUnknown, .topicExists, .rowUnknown, .notATable, .notSupported, .cursorTooOld, .notReplicated, .rateLimited, .connectionLimit,
            .addressLimit, .attachLimit, .originForbidden, .subscriptionLimit, .queryWrong, .tableUnknown, .queryLimit,
            .presenceLimit, .requestFailed, .draining, .unavailable, .memberUnknown, .memberNeeded, .scheduleUnknown,
            .scheduleLimit, .internal:
            break
        }
    }
    return all
}()
