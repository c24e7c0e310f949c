import Broker
import Dialects
import Model
import NIOCore
import WebSocket

/// One client's WebSocket: the last handler of its channel, and a receiver in the hub. Confined to its loop.
///
/// Frames are written to the channel as they come and flushed once at the end of the loop's tick. When more than the
/// high
/// mark waits to be sent, the shard takes the connection off the live stream; a client that goes on asking without
/// reading
/// the answers is, after a further bound, not read from either.
final class WebSocketConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Which shared encoding of events it takes.
    let encoding: EventEncoding
    private let dialect: any Dialect
    private let loop: FrontLoop
    private let principal: Principal
    private var context: ChannelHandlerContext?
    private var connection: ConnectionID?
    private var assembler: MessageAssembler
    private var stage = Stage.open
    private var isFlushPending = false
    private var isCongested = false
    /// Bytes of replies written while congested.
    private var unreadReplies = 0
    /// Pings since anything was heard.
    private var unansweredPings = 0

    private enum Stage {
        case open
        /// A close frame was sent or is about to be; what comes is passed over.
        case closing
        case closed
    }

    init(dialect: any Dialect, loop: FrontLoop, principal: Principal) {
        self.dialect = dialect
        self.loop = loop
        self.principal = principal
        encoding = dialect.encoding
        assembler = MessageAssembler(role: .server, messageLimit: loop.settings.messageLimit)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        // The notice that opens the session is written in here.
        connection = loop.open({ _ in .client(self) }, principal: principal)
    }

    func channelInactive(context: ChannelHandlerContext) {
        stage = .closed
        self.context = nil
        if let connection { loop.closed(connection) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // A reset or a broken TLS record: nobody is there to be told.
        context.close(promise: nil)
    }

    // MARK: From the client

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard stage != .closed else { return }
        let bytes = unwrapInboundIn(data)
        loop.counters.bytesReceived += UInt64(bytes.readableBytes)
        unansweredPings = 0
        var events: [MessageEvent] = []
        var violation: ProtocolViolation?
        do throws(ProtocolViolation) {
            try bytes.withUnsafeReadableBytes { (raw) throws(ProtocolViolation) in
                try assembler.receive(raw, into: &events)
            }
        } catch {
            violation = error
        }
        receive(events)
        if let violation {
            loop.counters.violations += 1
            close(violation.code, violation.reason)
        }
    }

    private func receive(_ events: [MessageEvent]) {
        guard let connection else { return }
        var requests: [(connection: ConnectionID, request: Request)] = []
        for event in events {
            switch event {
            case .text(let text):
                guard stage == .open else { continue }
                loop.counters.messagesReceived += 1
                for request in dialect.receive(text) { requests.append((connection, request)) }
            case .binary:
                hand(&requests)
                close(.unsupportedData, "only text messages are spoken here")
            case .ping(let payload):
                guard stage == .open else { continue }
                var frame: [UInt8] = []
                FrameEncoder.pong(payload, into: &frame)
                writeReply(ByteBuffer(bytes: frame))
            case .pong: break
            case .close(let code, _):
                hand(&requests)
                peerCloses(code)
            }
        }
        hand(&requests)
    }

    private func hand(_ requests: inout [(connection: ConnectionID, request: Request)]) {
        guard !requests.isEmpty, stage == .open else { return }
        loop.receive(requests)
        requests = []
    }

    // MARK: To the client

    /// Writes a frame, which may be shared with others.
    func write(_ frame: ByteBuffer) {
        guard stage == .open, let context else { return }
        loop.counters.framesSent += 1
        loop.counters.bytesSent += UInt64(frame.readableBytes)
        context.write(wrapOutboundOut(frame), promise: nil)
        guard !isFlushPending else { return }
        isFlushPending = true
        loop.needsFlush(self)
    }

    func flush() {
        isFlushPending = false
        context?.flush()
    }

    func notify(_ notice: Notice) {
        if let text = dialect.encode(notice) { write(textFrame(text)) }
    }

    func reply(_ reply: Reply, to reference: RequestReference) {
        for text in dialect.encode(reply, to: reference) { writeReply(textFrame(text)) }
    }

    /// Writes what the client itself asked for, and counts it when the client does not read.
    private func writeReply(_ frame: ByteBuffer) {
        write(frame)
        guard isCongested else { return }
        unreadReplies += frame.readableBytes
        if unreadReplies > loop.settings.unreadReplyLimit { setReading(false) }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard let connection, stage == .open, context.channel.isWritable == isCongested else { return }
        isCongested = !context.channel.isWritable
        if isCongested {
            loop.congested(connection)
        } else {
            if unreadReplies > loop.settings.unreadReplyLimit { setReading(true) }
            unreadReplies = 0
            loop.drained(connection)
        }
    }

    private func setReading(_ isReading: Bool) {
        guard let options = context?.channel.syncOptions else { return }
        do {
            try options.setOption(.autoRead, value: isReading)
            if isReading { context?.read() }
        } catch {
            // The channel has just closed; `channelInactive` follows.
            context?.close(promise: nil)
        }
    }

    // MARK: The end

    /// Sends a ping; closes when nothing was heard since the ping before the last.
    func ping() {
        guard stage == .open else { return }
        guard unansweredPings < 2 else {
            loop.counters.unanswered += 1
            return close(.policyViolation, "no pong within \(2 * loop.settings.pingInterval.components.seconds) s")
        }
        unansweredPings += 1
        var frame: [UInt8] = []
        FrameEncoder.ping([], into: &frame)
        write(ByteBuffer(bytes: frame))
    }

    func drain(retryAfter delay: Duration, nodes: [String]) {
        notify(.draining(retryAfter: delay, nodes: nodes))
        close(.serviceRestart, "\(delay.milliseconds)")
    }

    /// Sends a close frame and gives the peer a while to answer it.
    func close(_ code: CloseCode, _ reason: String) {
        guard stage == .open, let context else { return }
        var frame: [UInt8] = []
        FrameEncoder.close(code, reason: reason, into: &frame)
        stage = .closing
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: frame)), promise: nil)
        // Closing at once could reset the connection under the frame; the peer closes first, or time does.
        setReading(true)
        let channel = context.channel
        let timer = loop.eventLoop.scheduleTask(in: loop.settings.closeTimeout.timeAmount) {
            channel.close(promise: nil)
        }
        channel.closeFuture.whenComplete { _ in timer.cancel() }
    }

    /// Answers the peer's close frame, or takes its answer to ours (RFC 6455 §5.5.1), and ends the connection.
    private func peerCloses(_ code: CloseCode?) {
        guard let context else { return }
        if stage == .open {
            var frame: [UInt8] = []
            FrameEncoder.close(code, into: &frame)
            stage = .closing
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: frame)), promise: nil)
        }
        context.close(promise: nil)
    }
}
