import Model

/// What one event loop has to tell another, of its own node or of a peer: it is journalled nowhere, comes at most once, and
/// in order for as long as both processes live.
package enum Errand: Sendable {
    /// A request, to the one connection that is to answer it.
    case request(RequestErrand)
    /// A part of the answer, and whether it is the last; the last may be empty.
    case reply(RequestID, payload: [UInt8], isLast: Bool, from: String)
    /// Nothing more will come from that session.
    case unanswered(RequestID, Reason, from: String)
    /// Nobody waits for the answer any more.
    case withdrawn(RequestID, from: ConnectionID, session: String)
    /// A message, to the one member of a group that is given it.
    case work(WorkErrand)
    /// The member of that session has acknowledged a message, or was shown one that it need not acknowledge.
    case workSettled(WorkID, from: String)
    /// It was not shown the message.
    case workDeclined(WorkID, from: String)
    /// Its time is over, and the message goes to another.
    case recalled(WorkID, from: ConnectionID, session: String)

    /// Why a request is not answered.
    package enum Reason: UInt8, Sendable {
        /// The connection is not there, or responds no more: it was not shown the request.
        case absent = 0
        /// It has too much to do: it was not shown the request.
        case busy = 1
        /// It went away with the request.
        case gone = 2
    }
}

/// A request under way: the number that the requester's event loop knows it by.
package struct RequestID: Hashable, Sendable {
    /// The run of the node that waits for the answer.
    package let origin: Origin
    package let loop: Int
    package let number: UInt64

    package init(origin: Origin, loop: Int, number: UInt64) {
        self.origin = origin
        self.loop = loop
        self.number = number
    }
}

/// A request on its way to the one connection that is to answer it.
package struct RequestErrand: Sendable, Equatable {
    package let id: RequestID
    package let connection: ConnectionID
    package let session: String
    package let topic: TopicName
    /// Who asks; empty for an anonymous one.
    package let user: String
    /// How long the requester will wait.
    package let patience: Duration
    /// One JSON value, byte for byte.
    package let payload: [UInt8]

    package init(
        id: RequestID, connection: ConnectionID, session: String, topic: TopicName, user: String, patience: Duration,
        payload: [UInt8]
    ) {
        self.id = id
        self.connection = connection
        self.session = session
        self.topic = topic
        self.user = user
        self.patience = patience
        self.payload = payload
    }
}

// MARK: The bytes

extension Errand {
    /// The bytes that a peer's event loop reads: a kind u8 and its fields.
    package var encoded: [UInt8] {
        var writer = ByteWriter(reservingCapacity: 256)
        switch self {
        case .request(let request):
            writer.u8(1)
            writer.request(request.id)
            writer.connection(request.connection)
            writer.string(request.session)
            writer.string(request.topic.text)
            writer.string(request.user)
            writer.varint(UInt64(clamping: request.patience.milliseconds))
            writer.run(request.payload)
        case .reply(let id, let payload, let isLast, let session):
            writer.u8(2)
            writer.request(id)
            writer.u8(isLast ? 1 : 0)
            writer.string(session)
            writer.run(payload)
        case .unanswered(let id, let reason, let session):
            writer.u8(3)
            writer.request(id)
            writer.u8(reason.rawValue)
            writer.string(session)
        case .withdrawn(let id, let connection, let session):
            writer.u8(4)
            writer.request(id)
            writer.connection(connection)
            writer.string(session)
        case .work(let work):
            writer.u8(5)
            writer.request(RequestID(work.id))
            writer.connection(work.connection)
            writer.string(work.session)
            writer.string(work.key.topic.text)
            writer.u8(work.key.acknowledges ? 1 : 0)
            writer.string(work.key.name)
            writer.varint(UInt64(work.attempt))
            work.item.record.encode(into: &writer)
        case .workSettled(let id, let session):
            writer.u8(6)
            writer.request(RequestID(id))
            writer.string(session)
        case .workDeclined(let id, let session):
            writer.u8(7)
            writer.request(RequestID(id))
            writer.string(session)
        case .recalled(let id, let connection, let session):
            writer.u8(8)
            writer.request(RequestID(id))
            writer.connection(connection)
            writer.string(session)
        }
        return writer.bytes
    }

    /// Reads what a peer's event loop wrote.
    package init(_ bytes: [UInt8]) throws(FormatError) {
        var reader = ByteReader(bytes)
        switch try reader.u8() {
        case 1:
            let (id, connection, session) = (try reader.request(), try reader.connection(), try reader.string())
            let (topic, user) = (try reader.topicName(), try reader.string())
            let patience = try reader.count(upTo: Self.longestPatience)
            self = .request(
                RequestErrand(
                    id: id, connection: connection, session: session, topic: topic, user: user,
                    patience: .milliseconds(patience), payload: Array(try reader.run())))
        case 2:
            let (id, flag) = (try reader.request(), try reader.u8())
            guard flag <= 1 else { throw .invalid("errand flag") }
            let session = try reader.string()
            self = .reply(id, payload: Array(try reader.run()), isLast: flag == 1, from: session)
        case 3:
            let id = try reader.request()
            guard let reason = Reason(rawValue: try reader.u8()) else { throw .invalid("errand reason") }
            self = .unanswered(id, reason, from: try reader.string())
        case 4:
            let (id, connection) = (try reader.request(), try reader.connection())
            self = .withdrawn(id, from: connection, session: try reader.string())
        case 5: self = .work(try reader.work())
        case 6: self = .workSettled(WorkID(try reader.request()), from: try reader.string())
        case 7: self = .workDeclined(WorkID(try reader.request()), from: try reader.string())
        case 8:
            let (id, connection) = (WorkID(try reader.request()), try reader.connection())
            self = .recalled(id, from: connection, session: try reader.string())
        case let kind: throw .invalid("errand kind \(kind)")
        }
        try reader.finish()
    }

    /// An hour, in milliseconds: nobody waits longer for an answer.
    private static let longestPatience = 3_600_000
}

extension ByteWriter {
    fileprivate mutating func request(_ id: RequestID) {
        u64(id.origin.node.rawValue)
        u64(id.origin.epoch.rawValue)
        varint(UInt64(id.loop))
        varint(id.number)
    }
}

extension RequestID {
    /// Both are numbers of an event loop, and written alike.
    fileprivate init(_ id: WorkID) { self.init(origin: id.origin, loop: id.loop, number: id.number) }
}

extension WorkID {
    fileprivate init(_ id: RequestID) { self.init(origin: id.origin, loop: id.loop, number: id.number) }
}

extension ByteReader {
    fileprivate mutating func work() throws(FormatError) -> WorkErrand {
        let (id, connection, session) = (try request(), try connection(), try string())
        let (topic, flag) = (try topicName(), try u8())
        guard flag <= 1 else { throw .invalid("errand flag") }
        let key = GroupKey(topic: topic, name: try string(), acknowledges: flag == 1)
        let attempt = try count(upTo: 1_000)
        let record = try Record.decode(from: &self)
        guard let message = record.message, message.topic == topic, message.offset > 0 else { throw .invalid("errand record") }
        // It has no place in this node's order: it is shown, and nothing more.
        return WorkErrand(
            id: WorkID(id), connection: connection, session: session, key: key, attempt: attempt,
            item: Sequenced(sequence: 0, record: record))
    }

    fileprivate mutating func request() throws(FormatError) -> RequestID {
        let origin = Origin(node: NodeID(rawValue: try u64()), epoch: Epoch(rawValue: try u64()))
        return RequestID(origin: origin, loop: try count(upTo: Station.loopLimit), number: try varint())
    }
}
