import HTTPTypes
import NIOCore
import NIOHTTP1
import NIOHTTPTypes

/// Watches one HTTP connection: ends it when nothing is asked or a request does not end in time, and answers a later
/// request whose head is too large. Confined to its loop.
final class HTTPWatch: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let fronts: [ObjectIdentifier: FrontPort]
    private let idleTimeout: TimeAmount
    /// Requests that were begun and not answered to their end.
    private var unanswered = 0
    private var isReadingRequest = false
    private var timer: Scheduled<Void>?

    init(fronts: [ObjectIdentifier: FrontPort], idleTimeout: TimeAmount) {
        self.fronts = fronts
        self.idleTimeout = idleTimeout
    }

    func handlerAdded(context: ChannelHandlerContext) { restart(context) }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            unanswered += 1
            isReadingRequest = true
            restart(context)
        case .body: break
        case .end:
            isReadingRequest = false
            timer?.cancel()
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) {
            unanswered -= 1
            if unanswered == 0 { restart(context) }
        }
        context.write(data, promise: promise)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard case HTTPParserError.headerOverflow = error else { return context.fireErrorCaught(error) }
        count(context.channel) { $0.largeHeads += 1 }
        guard unanswered == 0 else { return context.close(promise: nil) }
        let fields: HTTPFields = [.connection: "close", .contentLength: "0"]
        context.write(
            wrapOutboundOut(.head(HTTPResponse(status: .requestHeaderFieldsTooLarge, headerFields: fields))),
            promise: nil)
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in channel.close(promise: nil) }
    }

    /// Begins the time in which something must happen.
    private func restart(_ context: ChannelHandlerContext) {
        timer?.cancel()
        let channel = context.channel
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: idleTimeout) {
            // A request that has come whole may take its time to be answered.
            guard self.isReadingRequest || self.unanswered == 0 else { return }
            self.count(channel) { $0.idle += 1 }
            channel.close(promise: nil)
        }
    }

    private func count(_ channel: any Channel, _ body: (inout FrontCounters) -> Void) {
        guard let loop = fronts[ObjectIdentifier(channel.eventLoop)]?.confined else { return }
        body(&loop.counters)
    }
}
