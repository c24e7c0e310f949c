import Dialects
import Model
import NIOCore
import WebSocket

/// The bounds of the front and what its connections need to know.
package struct FrontSettings: Sendable {
    /// The most bytes of a client's message; beyond it the connection closes with 1009. Default 1 MiB.
    package var messageLimit = 1 << 20
    /// Whether permessage-deflate is agreed to where a client offers it. Default true.
    package var compresses = true
    /// Messages to clients with fewer bytes are sent as they are, compression agreed or not: there is little to save, and a
    /// compressed message costs its receivers time. Default 256.
    package var compressionThreshold = 256
    /// Whether a message goes to many sockets in one call of the kernel (io_uring). Default where that takes less time.
    package var sendBatching = SendBatching.automatic
    /// The most connections of the node; beyond it an upgrade is answered with 503. Default 100,000.
    package var connectionLimit = 100_000
    /// Connections beyond a limit that are let in so far that they can be told; others are closed as they come. Default
    /// 1,024.
    package var connectionMargin = 1_024
    /// The most connections of one address; beyond it an upgrade is answered with 503. Default 10,000; nil for no
    /// limit.
    package var connectionsPerAddress: Int? = 10_000
    /// Addresses without that limit. Default this machine's own.
    package var exemptAddresses = AddressBlock.loopback
    /// Proxies whose `X-Forwarded-For` is believed; none by default.
    package var trustedProxies: [AddressBlock] = []
    /// Upgrades a second of the node; one more is answered with 503 and a time to come again. Default 5,000; nil for
    /// no limit.
    package var upgradesPerSecond: Int? = 5_000
    /// How many upgrades the node takes at once. Default 10,000.
    package var upgradeBurst = 10_000
    /// Requests a second of a connection over HTTP; one more is answered with 429. Default nil, for no limit.
    package var requestsPerSecond: Int?
    /// How many of them at once. Default those of one second.
    package var requestBurst: Int?
    /// Outbound bytes of a connection beyond which it leaves the live stream and is fed from the log. Default 256 KiB.
    package var outboundHighMark = 262_144
    /// Outbound bytes below which it is fed again. Default 64 KiB.
    package var outboundLowMark = 65_536
    /// How many more bytes of replies a connection that does not read may cause before it is not read either. Default
    /// 256 KiB.
    package var unreadReplyLimit = 262_144
    /// The longest head of a request; beyond it the answer is 431. Default 16 KiB.
    package var headLimit = RequestHead.defaultLimit
    /// The most header lines of a request; beyond it the answer is 431. Default 100.
    package var headFieldLimit = 100
    /// How long a connection may take to send its first request's head, a TLS handshake included. Default 10 s.
    package var headTimeout: Duration = .seconds(10)
    /// Between two pings. Default 30 s.
    package var pingInterval: Duration = .seconds(30)
    /// How long after an unanswered ping a connection of which nothing is heard is closed with 1008, in whole ping
    /// intervals. Default 60 s.
    package var pongTimeout: Duration = .seconds(60)
    /// How long the peer may take to answer a close frame. Default 5 s.
    package var closeTimeout: Duration = .seconds(5)
    /// How long an HTTP connection may be idle. Default 60 s.
    package var idleTimeout: Duration = .seconds(60)
    /// The name of the cookie in which a browser may bring its token. Default `token`.
    package var cookieName = "token"
    /// How much a client may ask for in one GraphQL request.
    package var graphQL = GraphQLLimits()
    /// Whether the doors that only conformance suites use are open. Default false.
    package var testDoors = false
    /// Reads both clocks.
    package var clock: @Sendable () -> Now = systemClock

    package init() {}

    /// Asserts the relations between bounds.
    func validate() {
        precondition(outboundLowMark < outboundHighMark, "a connection must be able to leave congestion")
        precondition(compressionThreshold >= 1, "an empty message cannot become smaller")
        precondition(pongTimeout >= pingInterval, "a client must be able to answer a ping")
        precondition(messageLimit > 0 && connectionLimit > 0, "a node must be able to serve somebody")
    }
}

/// The system's monotonic clock, and the calendar that this process goes by.
@Sendable package func systemClock() -> Now {
    Now(
        monotonic: MonotonicTime(nanoseconds: nanoseconds(of: .monotonic)),
        wall: SystemCalendar.shared.wall)
}

extension Duration {
    /// The same for NIO.
    var timeAmount: TimeAmount { .nanoseconds(nanoseconds) }
}
