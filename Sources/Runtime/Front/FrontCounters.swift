/// What one loop has carried, for metrics.
package struct FrontCounters: Sendable, Equatable {
    /// Connections accepted, HTTP and WebSocket.
    package var accepted: UInt64 = 0
    /// Those that became a WebSocket.
    package var upgraded: UInt64 = 0
    /// Those that became a stream of events over HTTP.
    package var streams: UInt64 = 0
    /// Upgrades and streams that were refused.
    package var refused = Tally<UpgradeRefusalReason>()
    /// Connections that were closed as they came, because far more were open than may be.
    package var turnedAway: UInt64 = 0
    /// Heads of requests that were larger, or had more lines, than they may.
    package var largeHeads: UInt64 = 0
    /// Connections that said nothing in time.
    package var silent: UInt64 = 0
    /// Messages of clients.
    package var messagesReceived: UInt64 = 0
    /// Bytes of clients' frames, headers included.
    package var bytesReceived: UInt64 = 0
    /// Frames with events, replies and notices.
    package var framesSent: UInt64 = 0
    /// Bytes of the same.
    package var bytesSent: UInt64 = 0
    /// Messages that were encoded for any number of receivers.
    package var encodings: UInt64 = 0
    /// Connections closed because the client broke the protocol.
    package var violations: UInt64 = 0
    /// Connections closed because a message was larger than it may; they are among the violations too.
    package var largeMessages: UInt64 = 0
    /// Requests over HTTP that were refused because their connection makes too many.
    package var throttled: UInt64 = 0
    /// HTTP connections closed because nothing was asked on them.
    package var idle: UInt64 = 0
    /// Connections closed because nothing was heard of them.
    package var unanswered: UInt64 = 0

    /// Connections that agreed to compression.
    package var compressing: UInt64 = 0
    /// Messages that were compressed, each for any number of receivers.
    package var compressions: UInt64 = 0
    /// Their bytes before.
    package var bytesBeforeCompression: UInt64 = 0
    /// Their bytes as they were sent.
    package var bytesAfterCompression: UInt64 = 0
    /// Connections closed because a compressed message could not be inflated, or to too much.
    package var inflateRefusals: UInt64 = 0

    package init() {}

    /// Adds another loop's.
    package mutating func add(_ other: FrontCounters) {
        accepted += other.accepted
        upgraded += other.upgraded
        streams += other.streams
        refused.add(other.refused)
        turnedAway += other.turnedAway
        largeHeads += other.largeHeads
        largeMessages += other.largeMessages
        throttled += other.throttled
        idle += other.idle
        silent += other.silent
        messagesReceived += other.messagesReceived
        bytesReceived += other.bytesReceived
        framesSent += other.framesSent
        bytesSent += other.bytesSent
        encodings += other.encodings
        violations += other.violations
        unanswered += other.unanswered
        compressing += other.compressing
        compressions += other.compressions
        bytesBeforeCompression += other.bytesBeforeCompression
        bytesAfterCompression += other.bytesAfterCompression
        inflateRefusals += other.inflateRefusals
    }
}
