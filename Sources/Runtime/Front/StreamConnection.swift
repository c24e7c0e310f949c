import Broker
import Dialects
import Glibc
import Model
import NIOCore

/// One client's stream: the response to a `GET` that goes on until one side ends it. Confined to its loop.
///
/// The response has no length and is not chunked: it lasts as long as the connection (RFC 9112 §6.3), which every HTTP
/// version and proxy understands. It begins with the first thing that the client asked for and got; before that, a request
/// that comes to nothing is answered with the status that says why.
final class StreamConnection: ClientConnection {
    private let stream: any StreamDialect
    /// The head of the response; nil once it was written.
    private var head: [UInt8]?
    /// Requests of the dialect's own that were not answered before the head was written.
    private var unanswered = 0
    /// What was said before the head was written.
    private var held: [[UInt8]] = []
    private let refusalFields: [String]
    /// Heartbeats since the client took anything while it was behind.
    private var stalledHeartbeats = 0

    /// - Parameter fields: header lines beyond those that every stream's response has, for refusals too.
    init(stream: any StreamDialect, loop: FrontLoop, fields: [String], opening: ClientOpening) {
        self.stream = stream
        refusalFields = fields
        head = Self.head(type(of: stream).contentType, fields, at: loop.settings.clock().wall, opening.isSecure)
        loop.counters.streams += 1
        super.init(
            dialect: stream, form: WireForm(encoding: stream.encoding, framing: .body), loop: loop, opening: opening)
    }

    override func handlerAdded(context: ChannelHandlerContext) {
        limitSilence(of: context.channel)
        super.handlerAdded(context: context)
    }

    override func begin(_ requests: [(connection: ConnectionID, request: Request)]) {
        unanswered = requests.reduce(0) { $0 + $1.request.command.replyCount }
        super.begin(requests)
    }

    /// A client that is gone says nothing, and a heartbeat is a few bytes: the system is told how long they may wait to be
    /// acknowledged.
    private func limitSilence(of channel: any Channel) {
        let milliseconds = loop.settings.pongTimeout.milliseconds
        do {
            try channel.syncOptions?.setOption(
                .tcpOption(NIOBSDSocket.Option(rawValue: CInt(TCP_USER_TIMEOUT))), value: Int(clamping: milliseconds))
        } catch {
            // A channel that has just closed; `channelInactive` follows.
        }
    }

    // MARK: From the client

    /// Nothing is expected; what comes is passed over.
    override func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        loop.counters.bytesReceived += UInt64(unwrapInboundIn(data).readableBytes)
    }

    // MARK: To the client

    override func notify(_ notice: Notice) {
        if let text = stream.encode(notice) { say(text) }
    }

    override func reply(_ reply: Reply, to reference: RequestReference) {
        let texts = stream.encode(reply, to: reference)
        if head != nil {
            unanswered -= 1
            if case .refused(let refusal) = reply {
                guard unanswered > 0 else { return refuse(refusal) }
            } else {
                start()
            }
        }
        for text in texts { say(text) }
    }

    override func deliver(_ item: Sequenced, _ bytes: ByteBuffer) {
        guard stage == .open else { return }
        enqueue(bytes)
        enqueue(ByteBuffer(bytes: stream.ending(of: item)), frames: 0)
    }

    private func say(_ text: [UInt8]) {
        if head == nil { write(ByteBuffer(bytes: text)) } else { held.append(text) }
    }

    /// Writes the head, and what was held back behind it.
    private func start() {
        guard let head else { return }
        self.head = nil
        write(ByteBuffer(bytes: head + stream.opening), frames: 0)
        for text in held { write(ByteBuffer(bytes: text)) }
        held = []
    }

    /// Nothing that was asked for can be had.
    private func refuse(_ refusal: Refusal) {
        head = nil
        held = []
        loop.counters.refused[.request] += 1
        let response = UpgradeRefusal.response(to: refusal, closing: true, fields: refusalFields)
        write(ByteBuffer(bytes: response), frames: 0)
        end()
    }

    override func hasRoom() { stalledHeartbeats = 0 }

    override func ping() {
        guard stage == .open, head == nil else { return }
        guard isCongested else { return write(ByteBuffer(bytes: stream.heartbeat), frames: 0) }
        stalledHeartbeats += 1
        guard loop.settings.pingInterval * stalledHeartbeats > loop.settings.pongTimeout else { return }
        loop.counters.unanswered += 1
        context?.close(promise: nil)
    }

    // MARK: The end

    override func close(code: UInt16, _ reason: String) {
        guard stage == .open else { return }
        start()
        write(ByteBuffer(bytes: stream.farewell(code: code, reason: reason)))
        end()
    }

    /// Sends what was written, and closes.
    private func end() {
        flush()
        if let connection { loop.forbidDirect(connection) }
        guard stage == .open, let context else { return }
        stage = .closing
        // The channel's own writer has finished, TLS included, when this has.
        let written = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        written.futureResult.whenComplete { _ in channel.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
        closeLater()
    }

    private static func head(
        _ contentType: String, _ fields: [String], at time: WallTime, _ isSecure: Bool
    ) -> [UInt8] {
        var lines = [
            "HTTP/1.1 200 OK", "Content-Type: \(contentType)", "Cache-Control: no-store", "Connection: close",
            // nginx would otherwise collect what it is given before it passes it on.
            "X-Accel-Buffering: no", "X-Content-Type-Options: nosniff", "Date: \(httpDate(time))", "Server: roost",
        ]
        if isSecure { lines.append("Strict-Transport-Security: max-age=31536000") }
        return Array(((lines + fields).joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }
}
