import Dialects
import Model
import NIOCore
import NIOPosix
import NIOSSL

/// What every accepted connection is asked about, shared by all loops.
struct FrontShared: Sendable {
    /// What each conversation is told of where it takes place.
    let conversation: ConversationContext
    let http: HTTPTakeover
    let admission: Admission
}

/// Accepts connections on one address and spreads them over the loops.
package struct FrontListener: Sendable {
    /// Waiting connections that the system keeps.
    static let backlog: Int32 = 4_096

    private let channel: any Channel

    /// Where it listens; the port is the one that the system chose where 0 was asked for.
    package var endpoint: Endpoint {
        let address = channel.localAddress
        return Endpoint(host: address?.ipAddress ?? "", port: UInt16(address?.port ?? 0))
    }

    /// Binds and accepts.
    ///
    /// - Parameter security: for TLS, read anew for each connection; nil for plain connections.
    static func bind(
        _ endpoint: Endpoint, group: any EventLoopGroup, fronts: [ObjectIdentifier: FrontPort], shared: FrontShared,
        settings: FrontSettings, security: InUse<NIOSSLContext?>?
    ) async throws -> FrontListener {
        let marks = ChannelOptions.Types.WriteBufferWaterMark(
            low: settings.outboundLowMark, high: settings.outboundHighMark)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.recvAllocator, value: TransientReceiveAllocator())
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.writeBufferWaterMark, value: marks)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let front = fronts[ObjectIdentifier(channel.eventLoop)] else {
                        preconditionFailure("connections are accepted on the loops that were started")
                    }
                    guard let loop = front.confined, !loop.isStopping else { return channel.close(promise: nil) }
                    guard let stay = shared.admission.accept(channel.remoteAddress) else {
                        loop.counters.turnedAway += 1
                        return channel.close(promise: nil)
                    }
                    loop.accepted(channel, stay)
                    do {
                        let pipeline = channel.pipeline.syncOperations
                        if let context = security?.value { try pipeline.addHandler(NIOSSLServerHandler(context: context)) }
                        try pipeline.addHandler(Sniffer(front: front, shared: shared, isSecure: security != nil))
                    } catch {
                        loop.left(channel)
                        throw error
                    }
                }
            }
        let channel = try await bootstrap.bind(host: endpoint.host, port: Int(endpoint.port)).get()
        return FrontListener(channel: channel)
    }

    /// Accepts no more; open connections stay.
    package func close() async {
        // A second close, or one after the group has ended, has nothing left to do.
        _ = try? await channel.close()
    }
}
