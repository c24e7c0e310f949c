import Broker
import Dialects
import Model
import NIOCore

/// One client of the shard and its connection: the last handler of its channel, and a receiver in the hub. Confined to
/// its loop.
///
/// What is the same whatever the client speaks: how a session begins and ends, and how bytes leave. Bytes leave at the end
/// of the loop's tick, see ``Outbound``. When more than the high mark waits to be sent, the shard takes the connection off
/// the live stream.
class ClientConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// In which form it takes events.
    let form: WireForm.Index
    let loop: FrontLoop
    let dialect: any Dialect
    var outbound = Outbound(descriptor: nil)
    var stage = Stage.open
    private(set) var context: ChannelHandlerContext?
    private(set) var connection: ConnectionID?
    private(set) var isCongested = false
    /// Whether the client is being moved to another node, so that it is not read any more.
    private(set) var isMoving = false
    /// What is needed only to begin.
    private var opening: ClientOpening?
    private var stay: Stay?

    enum Stage {
        case open
        /// A close frame was sent or is about to be; what comes is passed over.
        case closing
        /// Nothing more is said by either side; the connection closes when the last bytes have left.
        case ending
        case closed
    }

    init(dialect: any Dialect, form: WireForm, loop: FrontLoop, opening: ClientOpening) {
        self.dialect = dialect
        self.loop = loop
        self.opening = opening
        self.form = loop.index(of: form)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        guard let opening else { preconditionFailure("a connection is added to one pipeline, once") }
        self.opening = nil
        stay = loop.isClient(context.channel)
        if !opening.isSecure { outbound = Outbound(descriptor: descriptor(of: context)) }
        // The notice that opens the session is written in here, after the greeting.
        let connection = loop.open(
            { connection in
                self.connection = connection
                if opening.greeting.readableBytes > 0 { self.enqueue(opening.greeting, frames: 0) }
                return .client(self)
            }, principal: opening.principal, rate: dialect.requestsPerSecond)
        if let refusal = opening.refusal {
            notify(.refused(refusal))
            return close(code: 1008, "\(refusal.code): \(refusal.sentence)")
        }
        guard opening.principal != nil else { return }
        begin(dialect.begin().map { (connection, $0) })
    }

    /// Asks what the dialect asks on its own.
    func begin(_ requests: [(connection: ConnectionID, request: Request)]) {
        if !requests.isEmpty { loop.receive(requests) }
    }

    /// The channel's socket; nil where it has none.
    private func descriptor(of context: ChannelHandlerContext) -> CInt? {
        do {
            return try context.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) {
                $0
            }
        } catch {
            return nil  // It has closed already.
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { endStay() }

    private func endStay() {
        stay?.end()
        stay = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        endStay()
        stage = .closed
        self.context = nil
        _ = outbound.takeAll()
        for branch in branchConnections { loop.closed(branch) }
        if let connection { loop.closed(connection) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset or a broken TLS record: nobody is there to be told.
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        preconditionFailure("what a client says is for those to read who know what it speaks")
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard let connection, stage == .open, context.channel.isWritable == isCongested else { return }
        isCongested = !context.channel.isWritable
        if isCongested {
            loop.congested(connection)
            for branch in branchConnections { loop.congested(branch) }
        } else {
            hasRoom()
            loop.drained(connection)
            for branch in branchConnections { loop.drained(branch) }
        }
    }

    // MARK: What each kind of connection does in its own way

    /// The sessions of the conversation's branches.
    var branchConnections: [ConnectionID] { [] }

    /// There is room again for what is sent.
    func hasRoom() {}

    /// Says something that was not asked for.
    func notify(_ notice: Notice) {}

    func reply(_ reply: Reply, to reference: RequestReference) {}

    /// Writes a message whose shared body stands in `bytes`; only connections with an ending of their own are asked.
    func deliver(_ item: Sequenced, _ bytes: ByteBuffer) { preconditionFailure("its messages have no ending") }

    /// The client sends too fast: its socket is not read until ``release()``.
    func hold() {}

    func release() {}

    /// Says that the connection lives, and ends one whose client does not.
    func ping() {}

    /// Ends the connection in good order, with a WebSocket close code and its reason.
    func close(code: UInt16, _ reason: String) {}

    /// Reads nothing more from the client.
    func stopReading() {}

    // MARK: The end

    /// Moves the client to another node: nothing new is read from it, and once it has been answered what it waits for, it
    /// is told where to go and closed with 1012. Answers that do not come in ``moveLimit`` are not waited for.
    func move(retryAfter delay: Duration, nodes: [String]) {
        guard stage == .open, !isMoving else { return }
        isMoving = true
        stopReading()
        move(retryAfter: delay, nodes: nodes, until: loop.settings.clock().monotonic + Self.moveLimit)
    }

    /// Above the time in which every answer comes, `stored` and `replicated` included.
    static let moveLimit: Duration = .seconds(6)

    private func move(retryAfter delay: Duration, nodes: [String], until limit: MonotonicTime) {
        guard stage == .open, let connection else { return }
        if loop.pendingCount(of: connection) > 0, loop.settings.clock().monotonic < limit {
            loop.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(10)) {
                self.move(retryAfter: delay, nodes: nodes, until: limit)
            }
            return
        }
        notify(.draining(retryAfter: delay, nodes: nodes))
        close(code: 1012, "\(delay.milliseconds)")
    }

    /// Closes when all that was written has left, or after a while.
    func closeAfterWrites() {
        guard let context else { return }
        stage = .ending
        guard outbound.unfinishedWrites > 0 else { return context.close(promise: nil) }
        closeLater()
    }

    /// Closes after the time that a peer has to answer a close frame.
    func closeLater() {
        guard let channel = context?.channel else { return }
        let timer = loop.eventLoop.scheduleTask(in: loop.settings.closeTimeout.timeAmount) {
            channel.close(promise: nil)
        }
        channel.closeFuture.whenComplete { _ in timer.cancel() }
    }
}

/// What a connection needs only to begin.
final class ClientOpening {
    /// Nil for a client that has yet to authenticate.
    let principal: Principal?
    /// The bytes that go before everything else: the response to the upgrade.
    let greeting: ByteBuffer
    /// Why the client is let in only to be told why it is not; nil for all others.
    let refusal: Refusal?
    /// Whether the channel encrypts, so that bytes must go through it.
    let isSecure: Bool

    init(principal: Principal?, greeting: ByteBuffer = ByteBuffer(), refusal: Refusal? = nil, isSecure: Bool) {
        self.principal = principal
        self.greeting = greeting
        self.refusal = refusal
        self.isSecure = isSecure
    }
}
