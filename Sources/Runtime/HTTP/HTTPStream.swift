import NIOCore
import NIOHTTPTypes
import Synchronization

/// Who carries the bytes of an HTTP stream. Everything is called on the loop.
protocol HTTPStreamCarrier: AnyObject {
    /// Takes bytes of a response.
    func streamWrites(_ data: NIOAny, promise: EventLoopPromise<Void>?)
    func streamFlushes()
    /// The HTTP side can take more.
    func streamWantsToRead()
    func streamCloses(_ mode: CloseMode, promise: EventLoopPromise<Void>?)
    /// A response, an interim one not counted, has been written to its end.
    func streamEndedResponse()
}

/// The HTTP side of a connection: a channel of its own, so that HTTP can end while the connection goes on.
///
/// Hummingbird's task ends only when its channel is closed. Were its handlers in the connection's own pipeline, the task
/// and all it holds would stay for as long as the WebSocket that the connection became. So it is given this channel, which
/// has no socket: the relay in the connection's pipeline carries its bytes.
final class HTTPStream: Channel, ChannelCore {
    let allocator = ByteBufferAllocator()
    let eventLoop: any EventLoop
    let parent: (any Channel)?
    let localAddress: SocketAddress?
    let remoteAddress: SocketAddress?
    /// Whether the connection encrypts.
    let isSecure: Bool
    /// How many requests it may make; nil for as many as it likes.
    let budget: RequestBudget?
    private let closing: EventLoopPromise<Void>
    private let carrier: NIOLoopBoundBox<(any HTTPStreamCarrier)?>
    private let isOpen = Atomic(false)
    /// Set in `init`, which is the only reason for it to be optional.
    private let itsPipeline = Mutex<ChannelPipeline?>(nil)

    /// A stream that is not open before ``begin()``; called on the loop of `parent`.
    init(parent: any Channel, carrier: any HTTPStreamCarrier, isSecure: Bool, budget: RequestBudget?) {
        self.isSecure = isSecure
        self.budget = budget
        eventLoop = parent.eventLoop
        self.parent = parent
        localAddress = parent.localAddress
        remoteAddress = parent.remoteAddress
        closing = parent.eventLoop.makePromise()
        self.carrier = NIOLoopBoundBox(carrier, eventLoop: parent.eventLoop)
        itsPipeline.withLock { $0 = ChannelPipeline(channel: self) }
    }

    var pipeline: ChannelPipeline {
        guard let pipeline = itsPipeline.withLock({ $0 }) else { preconditionFailure("a stream has a pipeline") }
        return pipeline
    }

    var closeFuture: EventLoopFuture<Void> { closing.futureResult }
    var isActive: Bool { isOpen.load(ordering: .relaxed) }
    var isWritable: Bool { parent?.isWritable ?? false }
    var _channelCore: any ChannelCore { self }

    // MARK: From the connection

    /// Opens the stream, whose handlers are there, and asks for the first bytes.
    func begin() {
        isOpen.store(true, ordering: .relaxed)
        pipeline.fireChannelRegistered()
        pipeline.fireChannelActive()
        if isActive { pipeline.read() }
    }

    /// Gives it bytes of requests.
    func receive(_ bytes: ByteBuffer) { if isActive { pipeline.fireChannelRead(bytes) } }

    /// The bytes given up to now were one read.
    func completeRead() {
        guard isActive else { return }
        pipeline.fireChannelReadComplete()
        if isActive { pipeline.read() }
    }

    /// No more requests will come; responses may still go.
    func endInput() { if isActive { pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed) } }

    func changeWritability() { if isActive { pipeline.fireChannelWritabilityChanged() } }

    /// Ends the stream and lets go of everything; the connection is not touched.
    func end() {
        guard carrier.value != nil else { return }
        carrier.value = nil
        if isOpen.exchange(false, ordering: .relaxed) {
            pipeline.fireChannelInactive()
            pipeline.fireChannelUnregistered()
        }
        // Whoever is in a call of a handler comes back from it first.
        eventLoop.execute {
            self.removeHandlers(pipeline: self.pipeline)
            self.closing.succeed()
        }
    }

    // MARK: From the HTTP side

    func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard let carrier = carrier.value else { return refuse(promise) }
        carrier.streamWrites(data, promise: promise)
    }

    func flush0() { carrier.value?.streamFlushes() }

    func read0() { carrier.value?.streamWantsToRead() }

    func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard let carrier = carrier.value else { return refuse(promise) }
        carrier.streamCloses(mode, promise: promise)
    }

    /// Takes note of the end of a response.
    fileprivate func endedResponse() { carrier.value?.streamEndedResponse() }

    private func refuse(_ promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.ioOnClosedChannel) }

    func localAddress0() throws -> SocketAddress { try address(localAddress) }

    func remoteAddress0() throws -> SocketAddress { try address(remoteAddress) }

    private func address(_ address: SocketAddress?) throws -> SocketAddress {
        guard let address else { throw ChannelError.operationUnsupported }
        return address
    }

    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
    }

    func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
    }

    func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) { promise?.succeed() }

    // It was opened by its connection; there is nothing to register, bind or connect.

    func register0(promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }

    func registerAlreadyConfigured0(promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func bind0(to: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func connect0(to: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    // What reaches the end of the pipeline has been dealt with on the way.

    func channelRead0(_ data: NIOAny) {}

    func errorCaught0(error: any Error) {}
}

/// Tells a stream of the end of each response, when its bytes have been given to the connection.
final class ResponseEnds: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .end = unwrapOutboundIn(data) else { return context.write(data, promise: promise) }
        context.write(data, promise: promise)
        (context.channel as? HTTPStream)?.endedResponse()
    }
}
