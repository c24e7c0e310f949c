import NIOCore
import WebSocket

/// Carries a connection's bytes to its HTTP side and back, and finds an upgrade, or a stream, among later requests.
///
/// Proxies keep connections and reuse them, so a request to become a WebSocket may follow others, also before they are
/// answered. The relay knows where requests begin (``RequestFraming``). It holds such a request back, with every byte
/// behind it, until all responses before it are written; then it decides as the sniffer does. When the answer is yes the
/// HTTP side ends and a ``ClientConnection`` takes the relay's place; when it is no, HTTP goes on where it may.
///
/// It holds at most one head and what one read brought: it reads on only when the HTTP side asks. Confined to its loop.
final class HTTPRelay: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let front: FrontPort
    private let shared: FrontShared
    private let isSecure: Bool
    private var framing: RequestFraming
    private var context: ChannelHandlerContext?
    private var stream: HTTPStream?
    private var stage = Stage.relaying
    /// What came and was not passed on: a head that is not complete, or a visit and all behind it.
    private var held = ByteBuffer()
    private var passedOn = false
    private var requests = 0
    private var responses = 0
    /// The last request passed on waits to be told to send its body.
    private var owesContinue = false

    private enum Stage {
        case relaying
        /// An upgrade, `count` bytes at the start of what is held, waits for the responses before it.
        case visited(UpgradeDesk.Visit, count: Int)
        /// No request comes any more that anyone would answer; bytes are read and dropped, to see the connection's end.
        case finishing
        /// Another handler has the connection, or it is closed.
        case over
    }

    /// - Parameter isSecure: whether the channel encrypts.
    init(front: FrontPort, shared: FrontShared, isSecure: Bool) {
        self.front = front
        self.shared = shared
        self.isSecure = isSecure
        framing = RequestFraming(headLimit: front.confined?.settings.headLimit ?? RequestHead.defaultLimit)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        guard setOptions(isHTTP: true, context) else { return }
        let stream = HTTPStream(
            parent: context.channel, carrier: self, isSecure: isSecure, budget: front.confined?.settings.requestBudget)
        self.stream = stream
        shared.http.take(stream)
        stream.begin()
    }

    func handlerRemoved(context: ChannelHandlerContext) { left(context) }

    func channelInactive(context: ChannelHandlerContext) {
        left(context)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stream?.changeWritability()
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case ChannelEvent.inputClosed = event else { return context.fireUserInboundEventTriggered(event) }
        // Half a connection is of no use to a WebSocket: earlier requests are answered, and that is all.
        finish()
    }

    /// The connection has ended, or a client has it, which the loop then knows.
    private func left(_ context: ChannelHandlerContext) {
        end()
        front.confined?.left(context.channel)
    }

    private func end() {
        stage = .over
        context = nil
        held = ByteBuffer()
        stream?.end()
        stream = nil
    }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        switch stage {
        case .relaying:
            held.writeBuffer(&bytes)
            relay()
        case .visited: held.writeBuffer(&bytes)
        case .finishing, .over: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        completeRead()
        context.fireChannelReadComplete()
    }

    /// Passes on what belongs to requests that are HTTP's, up to the first that may not be.
    private func relay() {
        var ready = 0
        while case .relaying = stage {
            let step = held.withUnsafeReadableBytes {
                framing.next(UnsafeRawBufferPointer(rebasing: $0[ready...]))
            }
            switch step {
            case .pass(let count):
                owesContinue = false
                ready += count
            case .head(let head, let count):
                if let visit = desk?.visit(head) {
                    pass(ready)
                    ready = 0
                    guard case .relaying = stage else { return }
                    stage = .visited(visit, count: count)
                    awaitTurn()
                } else if let bytes = head.bytesWithoutUpgrade {
                    // The HTTP decoder would take everything after the request for another protocol's.
                    pass(ready)
                    ready = 0
                    held.moveReaderIndex(forwardBy: count)
                    begin(head)
                    pass(ByteBuffer(bytes: bytes))
                } else {
                    begin(head)
                    ready += count
                }
            case .incomplete:
                pass(ready)
                return sendContinue()
            case .unclear: return pass(held.readableBytes)
            case .finished:
                pass(ready)
                return finish()
            }
        }
    }

    private func begin(_ head: RequestHead) {
        requests += 1
        owesContinue = head.expectsContinue && framing.isInsideRequest
    }

    private func pass(_ count: Int) {
        guard count > 0, let bytes = held.readSlice(length: count) else { return }
        pass(bytes)
        // A buffer that is empty is written from its start again.
        if held.readableBytes == 0 { held = ByteBuffer() }
    }

    private func pass(_ bytes: ByteBuffer) {
        passedOn = true
        stream?.receive(bytes)
    }

    /// Ends a read: the HTTP side asks for the next when it got something, and otherwise nobody else would.
    private func completeRead() {
        switch stage {
        case .visited, .over: break
        case .finishing: context?.read()
        case .relaying: if !passedOn { context?.read() }
        }
        guard passedOn else { return }
        passedOn = false
        stream?.completeRead()
    }

    /// RFC 9110 §10.1.1: a client may wait with the body until it is told that somebody will take it.
    private func sendContinue() {
        guard owesContinue, responses == requests - 1, case .relaying = stage else { return }
        owesContinue = false
        context?.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n")), promise: nil)
    }

    /// Takes no more requests; the HTTP side learns of it when it has answered those that came.
    private func finish() {
        guard ignoreRequests() else { return }
        // What was passed on in this read is seen before its end is.
        completeRead()
        stream?.endInput()
    }

    /// Passes over all that comes from now on; false where that has been so.
    @discardableResult
    private func ignoreRequests() -> Bool {
        switch stage {
        case .relaying, .visited: stage = .finishing
        case .finishing, .over: return false
        }
        held = ByteBuffer()
        return true
    }

    // MARK: An upgrade

    private var desk: UpgradeDesk? {
        guard let loop = front.confined, let context else { return nil }
        return UpgradeDesk(loop: loop, shared: shared, channel: context.channel, isSecure: isSecure)
    }

    /// Decides on the visit once the HTTP side has given every response before it, and the socket has taken them: the
    /// WebSocket writes to it directly.
    private func awaitTurn() {
        guard case .visited = stage, responses == requests, let context else { return }
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenSuccess { self.takeTurn() }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
    }

    private func takeTurn() {
        decide()
        relay()
        completeRead()
    }

    private func decide() {
        guard case .visited(let visit, let count) = stage, let context else { return }
        guard let desk else { return context.close(promise: nil) }
        held.moveReaderIndex(forwardBy: count)
        switch desk.decide(visit, keepsAlive: true) {
        case .accept(let connection):
            become(connection, context)
        case .refuse(let response, let closing):
            let written = context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: response)))
            if closing {
                stage = .finishing
                let channel = context.channel
                written.whenComplete { _ in channel.close(promise: nil) }
            } else {
                stage = .relaying
            }
        }
    }

    /// Ends the HTTP side and gives the connection, with what is held, to a WebSocket.
    private func become(_ connection: () -> ClientConnection, _ context: ChannelHandlerContext) {
        let rest = held
        end()
        guard setOptions(isHTTP: false, context) else { return }
        do {
            try context.pipeline.syncOperations.addHandler(connection())
        } catch {
            return context.close(promise: nil)
        }
        if rest.readableBytes > 0 {
            context.fireChannelRead(wrapInboundOut(rest))
            context.fireChannelReadComplete()
        }
        context.read()
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    /// HTTP is read when it asks, and may answer a client that has closed its half; neither holds for a WebSocket.
    private func setOptions(isHTTP: Bool, _ context: ChannelHandlerContext) -> Bool {
        do {
            try context.channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: isHTTP)
            try context.channel.syncOptions?.setOption(.autoRead, value: !isHTTP)
            return true
        } catch {
            // The channel has just closed.
            context.close(promise: nil)
            return false
        }
    }
}

extension HTTPRelay: HTTPStreamCarrier {
    func streamWrites(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard let context else { return promise?.fail(ChannelError.ioOnClosedChannel) ?? () }
        context.write(data, promise: promise)
    }

    func streamFlushes() { context?.flush() }

    func streamWantsToRead() {
        // While a visit waits nothing more is read: what follows it is not HTTP's.
        if case .visited = stage { return }
        context?.read()
    }

    func streamCloses(_ mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard let context else { return promise?.fail(ChannelError.alreadyClosed) ?? () }
        if case .input = mode {} else { ignoreRequests() }
        context.close(mode: mode, promise: promise)
    }

    func streamEndedResponse() {
        responses += 1
        sendContinue()
        guard case .visited = stage, responses == requests else { return }
        // We are inside the HTTP side's own write; it comes back from it before it ends.
        context?.eventLoop.assumeIsolated().execute { self.awaitTurn() }
    }
}
