import Broker
import Model
import Synchronization

/// One command of a door that keeps no connection, whose replies are taken one by one: the next is made only after
/// ``more()``.
final class StreamedCall: Sendable {
    /// At most one of them waits here.
    private let replies: AsyncStream<Reply>
    private let continuation: AsyncStream<Reply>.Continuation
    private let port: FrontPort
    private let connection = Mutex<ConnectionID?>(nil)

    init(_ command: Command, as principal: Principal, on port: FrontPort) {
        self.port = port
        (replies, continuation) = AsyncStream.makeStream(of: Reply.self)
        port.run { [self] loop in
            let opened = loop.stream(
                command, as: principal, each: { [continuation] reply in continuation.yield(reply) },
                ended: { [continuation] in continuation.finish() })
            connection.withLock { $0 = opened }
        }
    }

    /// The next reply; nil at the end.
    func next() async -> Reply? {
        var iterator = replies.makeAsyncIterator()
        return await iterator.next()
    }

    /// The last reply was dealt with.
    func more() {
        port.run { [self] loop in
            if let connection = connection.withLock({ $0 }) { loop.takesMore(connection) }
        }
    }

    /// Nobody waits for replies any more; what is under way is ended.
    func close() {
        port.run { [self] loop in
            if let connection = connection.withLock({ $0 }) { loop.closed(connection) }
            continuation.finish()
        }
    }
}
