/// What a connection of a load does.
enum LoadRole: Sendable {
    /// Publishes.
    case publisher
    /// Subscribes to one topic.
    case subscriber
}

/// What a client says, and how many answers it then waits for.
struct LoadOpening: Sendable {
    /// The payloads, a frame each.
    var frames: [[UInt8]] = []
    /// How many answers mean that all was done.
    var answers = 0
}

/// What a broker says beside its deliveries.
enum LoadNotice: Equatable, Sendable {
    /// An answer that was waited for.
    case answer
    /// Something that wants this reply.
    case reply([UInt8])
    /// The topic is not known here yet: ask again.
    case again
    /// No.
    case refused(String)
    /// Messages are gone for good; the ledger finds them missing.
    case gap
    /// Nothing that matters here.
    case nothing
}

/// How a broker is spoken to over WebSocket: a seam, so that one client measures every broker by the same code.
protocol LoadTongue: Sendable {
    /// The name under `--protocol`.
    var name: String { get }
    /// The subprotocol to offer; nil for none.
    var subprotocol: String? { get }
    /// Whether what is sent are text frames, not binary ones.
    var sendsText: Bool { get }
    /// Whether a publisher's connection belongs to one topic.
    var isPublisherBoundToTopic: Bool { get }

    /// The path to attach to.
    func target(_ role: LoadRole, topic: String) -> String
    /// What is said first on a connection; `topics` are those of the connection, and `isFirst` says whether they have
    /// to be made.
    func opening(_ role: LoadRole, topics: [String], isFirst: Bool) -> LoadOpening
    /// A publish.
    func publish(_ message: [UInt8], to topic: String) -> [UInt8]
    /// What removes the topics again.
    func closing(topics: [String]) -> LoadOpening
    /// Reads a frame without a message in it.
    func read(_ payload: [UInt8]) -> [LoadNotice]
}
