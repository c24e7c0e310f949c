import Broker

/// What a conversation is told of where it takes place: one for all conversations of a node.
package final class ConversationContext: Sendable {
    /// The node's name, as its operator gave it.
    package let node: String
    /// The cluster's name.
    package let cluster: String

    package init(node: String, cluster: String) {
        self.node = node
        self.cluster = cluster
    }
}

/// Every door for WebSockets and streams, and the dialect that is spoken behind it, one line each.
package enum DialectTable {
    /// Begins a conversation.
    package typealias Opening = @Sendable (ConversationContext) -> any Dialect

    /// How to begin a conversation at a path; nil where there is no door.
    ///
    /// - Parameters:
    ///   - path: the path of the request's target, `/live`.
    ///   - query: what follows its `?`, as it was sent; empty for none.
    ///   - testDoors: whether the doors that only conformance suites use are there too.
    package static func dialect(forPath path: String, query: String, testDoors: Bool = false) -> Opening? {
        switch path {
        case "/live": { DaptinConversation($0, query: query) }
        case "/ws/chat", "/ws/chat/": { _ in NewLoomConversation(.chat) }
        case "/ws/streams", "/ws/streams/": { _ in NewLoomConversation(.streams) }
        case "/echo" where testDoors: { _ in EchoConversation() }
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

    /// The value of a query's parameter as it was sent, without percent-decoding; nil where it is missing.
    static func parameter(_ name: String, of query: String) -> Substring? {
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts[0] == name { return parts.count == 2 ? parts[1] : "" }
        }
        return nil
    }
}
