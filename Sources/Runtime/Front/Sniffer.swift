import NIOCore
import WebSocket

/// The first handler of an accepted connection: reads the first request's head and decides who speaks with the client.
///
/// An upgrade to WebSocket for a path that has a door is shaken hands with here, and no HTTP handler is ever built. All
/// else, heads that are none included, goes to HTTP with every byte as it came; a later upgrade is the relay's.
final class Sniffer: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let front: FrontPort
    private let shared: FrontShared
    private let isSecure: Bool
    private var received = ByteBuffer()
    private var timer: Scheduled<Void>?
    private var isDecided = false
    /// Whether another handler has the connection.
    private var isReplaced = false

    /// - Parameter isSecure: whether the channel encrypts.
    init(front: FrontPort, shared: FrontShared, isSecure: Bool) {
        self.front = front
        self.shared = shared
        self.isSecure = isSecure
    }

    func handlerAdded(context: ChannelHandlerContext) {
        guard let loop = front.confined else { return context.close(promise: nil) }
        let channel = context.channel
        let front = front
        timer = context.eventLoop.scheduleTask(in: loop.settings.headTimeout.timeAmount) {
            front.confined?.counters.silent += 1
            channel.close(promise: nil)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { ended(context) }

    private func ended(_ context: ChannelHandlerContext) {
        timer?.cancel()
        if !isReplaced { front.confined?.left(context.channel) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        ended(context)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        // A head ends with a line: until one does, bytes that drip in are not each a reason to look at all of them.
        let endsLine = bytes.readableBytesView.contains(0x0A)
        received.writeBuffer(&bytes)
        guard !isDecided, let loop = front.confined else { return }
        let limit = loop.settings.headLimit
        guard endsLine || received.readableBytes >= limit else { return }
        do throws(HeadError) {
            let parsed = try received.withUnsafeReadableBytes { (raw) throws(HeadError) in
                try RequestHead.parse(raw, limit: limit)
            }
            guard let (head, consumed) = parsed else { return }
            isDecided = true
            timer?.cancel()
            let lines = loop.settings.headFieldLimit
            guard head.fields.fields.count <= lines else { return refuseHead("\(lines) header lines", context) }
            decide(head, consumed, context)
        } catch {
            isDecided = true
            timer?.cancel()
            if case .tooLarge = error { return refuseHead("\(limit) bytes", context) }
            handToHTTP(context)
        }
    }

    private func decide(_ head: RequestHead, _ consumed: Int, _ context: ChannelHandlerContext) {
        guard let loop = front.confined else { return context.close(promise: nil) }
        let desk = UpgradeDesk(loop: loop, shared: shared, channel: context.channel, isSecure: isSecure)
        guard let visit = desk.visit(head) else { return handToHTTP(context) }
        switch desk.decide(visit, keepsAlive: false) {
        case .refuse(let response, _): end(with: response, context)
        case .accept(let connection):
            received.moveReaderIndex(forwardBy: consumed)
            replace(context) { try $0.addHandler(connection()) }
        }
    }

    private func refuseHead(_ limit: String, _ context: ChannelHandlerContext) {
        front.confined?.counters.largeHeads += 1
        end(with: UpgradeRefusal.headTooLarge(limit), context)
    }

    /// Writes the last that this connection is told.
    private func end(with response: [UInt8], _ context: ChannelHandlerContext) {
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: response))).whenComplete { _ in
            channel.close(promise: nil)
        }
    }

    private func handToHTTP(_ context: ChannelHandlerContext) {
        replace(context) { try $0.addHandler(HTTPRelay(front: front, shared: shared, isSecure: isSecure)) }
    }

    /// Adds the handlers that come after, gives them what was received, and goes.
    private func replace(
        _ context: ChannelHandlerContext, _ add: (ChannelPipeline.SynchronousOperations) throws -> Void
    ) {
        do {
            try add(context.pipeline.syncOperations)
        } catch {
            return context.close(promise: nil)
        }
        isReplaced = true
        if received.readableBytes > 0 {
            context.fireChannelRead(wrapInboundOut(received))
            context.fireChannelReadComplete()
        }
        received = ByteBuffer()
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    typealias InboundOut = ByteBuffer
}

extension Credentials {
    /// Reads them from a request's head: `Authorization` goes before `?token=`, both before the cookie.
    init(_ head: RequestHead, cookieName: String) {
        self.init(
            token: bearerToken(head.fields["Authorization"]) ?? head.queryItem("token"),
            cookie: cookieValue(named: cookieName, in: head.fields.all("Cookie")), origin: head.fields["Origin"],
            host: head.fields["Host"])
    }
}

/// The token of `Bearer TOKEN`; an empty text for another scheme, which is no token.
func bearerToken(_ authorization: String?) -> String? {
    guard let authorization else { return nil }
    let words = authorization.split(separator: " ", maxSplits: 1)
    guard words.count == 2, words[0].lowercased() == "bearer" else { return "" }
    return String(words[1].drop { $0 == " " })
}

/// The value of a cookie (RFC 6265 §5.4); nil when it was not sent.
func cookieValue(named name: String, in headers: [String]) -> String? {
    for pair in headers.flatMap({ $0.split(separator: ";") }) {
        let parts = pair.drop { $0 == " " }.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        if parts.count == 2, parts[0] == name { return String(parts[1]) }
    }
    return nil
}
