import Model

/// The bounds of a log.
package struct LogSettings: Sendable {
    /// A segment is closed once it is this long. Default 64 MiB, at most 1 GiB.
    package var segmentBytes = 64 << 20
    /// How much of the newest records is kept in memory, so that tail reads touch no disk. Default 32 MiB.
    package var cacheBytes = 32 << 20
    /// How many messages of a memory topic are kept. Default 1,000.
    package var ringMessages = 1_000
    /// How many bytes of a memory topic are kept. Default 1 MiB.
    package var ringBytes = 1 << 20
    /// How many bytes of all memory topics are kept; the oldest go first. Default 64 MiB.
    package var ringsBytes = 64 << 20
    /// Messages of one publisher and message id whose times lie this near are one message. Default 5 minutes.
    package var foldWindow: Duration = .seconds(300)
    /// How many recent message ids recovery gives at most. Default 1,000,000.
    package var recentLimit = 1_000_000
    /// A closed segment is rewritten once this share of it is dead. Default 0.75.
    package var rewriteShare = 0.75
    /// How long the last offsets of an ended epoch of which nothing is retained are kept. Default 90 days.
    package var epochMemory: Duration = .seconds(90 * 86_400)

    package init() {}
}
