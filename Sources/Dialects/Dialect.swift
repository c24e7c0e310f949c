import Broker
import Model

/// One client's conversation in one dialect: what a client says, and what the core answers and tells, become steps to take.
/// Confined to its loop.
///
/// Most dialects only translate, one message to its requests and one reply to its text: they are a ``TranslatingDialect``.
package protocol Dialect: AnyObject {
    /// Which shared encoding of events this conversation takes: conversations with equal values get the same bytes. Events
    /// of branches are written as the branch's own form says.
    var encoding: EventEncoding { get }

    /// Whether a client may prove who it is by its first message, having brought no token in the upgrade.
    var authenticatesByMessage: Bool { get }

    /// Whether a client whose credentials are not good is let in so far that it can be told in the dialect's own words,
    /// before it is closed with 1008; else it is told by the HTTP status of the upgrade.
    var explainsRefusals: Bool { get }

    /// What the conversation asks on its own as soon as it is known who the client is: doors that stand for a
    /// subscription begin with it.
    func begin() -> [Request]

    /// The most bytes of a client's message here; nil for the node's own limit.
    var messageLimit: Int? { get }

    /// Requests a second beyond which a client is read more slowly, where the node's operator set no limit; nil for none.
    var requestsPerSecond: Int? { get }

    /// What follows from one text message. Whatever is wrong with it becomes a `.refuse` request, or a step that says so.
    func steps(for text: [UInt8]) -> [DialectStep]

    /// What follows from one binary message; nil where only text is spoken, which ends the connection with close code 1003.
    func steps(forBinary bytes: [UInt8]) -> [DialectStep]?

    /// What follows from the answer to a request, the connection's own or a branch's.
    func steps(for reply: Reply, to reference: RequestReference) -> [DialectStep]

    /// What follows from something that nobody asked for.
    ///
    /// - Parameter branch: whose it is; nil for the connection's own.
    func steps(for notice: Notice, on branch: BranchID?) -> [DialectStep]

    /// What follows when the time of the last ``DialectStep/wake(after:)`` has come.
    func stepsWhenDue() -> [DialectStep]

    /// Whether a reply is the last thing that is said on the connection, which is then closed with 1000.
    func ends(after reply: Reply, to reference: RequestReference) -> Bool

    /// Whether what answers a request goes as binary messages and not as text.
    func answersInBinary(_ reference: RequestReference) -> Bool
}

/// What holds for a dialect that says nothing else about itself.
extension Dialect {
    package var messageLimit: Int? { nil }

    package var explainsRefusals: Bool { false }

    package func begin() -> [Request] { [] }

    package var requestsPerSecond: Int? { nil }

    package func steps(forBinary bytes: [UInt8]) -> [DialectStep]? { nil }

    package func stepsWhenDue() -> [DialectStep] { [] }

    package func ends(after reply: Reply, to reference: RequestReference) -> Bool { false }

    package func answersInBinary(_ reference: RequestReference) -> Bool { false }
}

/// A conversation over the response to one HTTP request: the client has said all it will, and reads until it goes.
///
/// Of a message that many receive, the body is written once, by ``Dialect/encoding``; the ending is each receiver's own.
package protocol StreamDialect: TranslatingDialect {
    /// The media type of the response.
    static var contentType: String { get }

    /// The bytes with which the response begins.
    var opening: [UInt8] { get }

    /// The bytes that go after the shared body of a message; the client has then seen it.
    func ending(of item: Sequenced) -> [UInt8]

    /// Bytes without a meaning, by which a silent connection is seen to be alive.
    var heartbeat: [UInt8] { get }

    /// The last that is said before the connection is closed for a reason that a WebSocket's close frame would give.
    func farewell(code: UInt16, reason: String) -> [UInt8]
}

/// What a request for a stream brought along.
package struct StreamRequest: Sendable {
    /// The value of a query item with its `%` sequences resolved; nil where it is missing.
    package let query: @Sendable (String) -> String?
    /// The header `Last-Event-ID`.
    package let lastEventID: String?
    /// When the request came.
    package let time: WallTime
    /// After how long the client is to come again when the connection is lost.
    package let retryAfter: Duration

    package init(
        query: @escaping @Sendable (String) -> String?, lastEventID: String?, time: WallTime, retryAfter: Duration
    ) {
        self.query = query
        self.lastEventID = lastEventID
        self.time = time
        self.retryAfter = retryAfter
    }
}

/// A way to write events that any number of receivers share.
package struct EventEncoding: Hashable, Sendable {
    /// A small number, unique to the dialect and its variant.
    package let id: UInt8
    /// Writes the text of one message's event.
    package let encode: @Sendable (Sequenced) -> [UInt8]

    package init(id: UInt8, encode: @escaping @Sendable (Sequenced) -> [UInt8]) {
        self.id = id
        self.encode = encode
    }

    /// For a conversation that takes no shared events: it follows nothing, or by branches only.
    package static let none = EventEncoding(id: 0) { _ in [] }

    package static func == (left: EventEncoding, right: EventEncoding) -> Bool { left.id == right.id }

    package func hash(into hasher: inout Hasher) { hasher.combine(id) }
}
