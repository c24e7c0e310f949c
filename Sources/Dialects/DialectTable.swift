import Broker
import Model

/// What a conversation is told of where it takes place.
package struct ConversationContext: Sendable {
    /// Where it takes place; all conversations of a node share it.
    package let place: Place
    /// Reads the calendar, for dialects whose every message has its time.
    package let clock: @Sendable () -> WallTime
    /// The sub-protocol that the handshake agreed to; nil for none.
    package var subprotocol: String?
    /// How much a client may ask for in one GraphQL request.
    package var graphQL = GraphQLLimits()

    package init(node: String, cluster: String, clock: @escaping @Sendable () -> WallTime) {
        place = Place(node: node, cluster: cluster)
        self.clock = clock
    }

    /// The node at which a conversation takes place.
    package final class Place: Sendable {
        /// The node's name, as its operator gave it.
        package let node: String
        /// The cluster's name.
        package let cluster: String

        init(node: String, cluster: String) {
            self.node = node
            self.cluster = cluster
        }
    }
}

/// A door for WebSockets, as one request sees it.
package struct WebSocketDoor: Sendable {
    /// The sub-protocols that are spoken behind it, of which the handshake agrees to the client's first.
    package let subprotocols: [String]
    /// Begins a conversation.
    package let open: @Sendable (ConversationContext) -> any Dialect

    package init(subprotocols: [String] = [], open: @escaping @Sendable (ConversationContext) -> any Dialect) {
        self.subprotocols = subprotocols
        self.open = open
    }
}

/// Every door for WebSockets and streams, and the dialect that is spoken behind it, one line each.
package enum DialectTable {
    /// The door at a path; nil where there is none.
    ///
    /// - Parameters:
    ///   - path: the path of the request's target, `/live`.
    ///   - query: what follows its `?`, as it was sent; empty for none.
    ///   - testDoors: whether the doors that only conformance suites use are there too.
    package static func door(atPath path: String, query: String, testDoors: Bool = false) -> WebSocketDoor? {
        switch path {
        case "/live": WebSocketDoor { DaptinConversation($0, query: query) }
        case "/ws": WebSocketDoor { SQLatteConversation($0) }
        case "/ws/chat", "/ws/chat/": WebSocketDoor { _ in NewLoomConversation(.chat) }
        case "/ws/streams", "/ws/streams/": WebSocketDoor { _ in NewLoomConversation(.streams) }
        case "/graphql/ws": WebSocketDoor(subprotocols: [GraphQLConversation.subprotocol]) { GraphQLConversation($0) }
        case "/api/v1/stream": WebSocketDoor { RustyDBConversation($0) }
        case "/api/v1/metrics/stream": WebSocketDoor { RustyDBConversation($0, follows: .figures) }
        case let path where RustyDBWatchConversation.collection(in: path) != nil:
            WebSocketDoor { RustyDBWatchConversation($0, path: path, query: query) }
        case let path where isPath(path, "/environment/*/proxy/api/ws/v2/sql/execute")
            || isPath(path, "/api/v1/environments/*/proxy/api/ws/v2/sql/execute"):
            WebSocketDoor { _ in LensesConversation() }
        case "/echo" where testDoors: WebSocketDoor { _ in EchoConversation() }
        default: nil
        }
    }

    /// Begins a stream; a refusal says what is wrong with the request.
    package typealias StreamOpening =
        @Sendable (ConversationContext, StreamRequest) -> Result<any StreamDialect, Refusal>

    /// How to begin a stream at a path that is asked with `GET`; nil where there is none.
    package static func stream(forPath path: String) -> StreamOpening? {
        switch path {
        case "/events": { EventStreamConversation.open($0, $1) }
        default: nil
        }
    }

    /// Whether a path has the form of a pattern, in which `*` stands for one segment that is not empty.
    static func isPath(_ path: String, _ pattern: String) -> Bool {
        let (found, wanted) = (path.split(separator: "/", omittingEmptySubsequences: false), pattern.split(separator: "/", omittingEmptySubsequences: false))
        return found.count == wanted.count && zip(found, wanted).allSatisfy { $1 == "*" ? !$0.isEmpty : $0 == $1 }
    }

    /// The value of a query's parameter as it was sent, without percent-decoding; nil where it is missing.
    static func parameter(_ name: String, of query: String) -> Substring? {
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts[0] == name { return parts.count == 2 ? parts[1] : "" }
        }
        return nil
    }
}
