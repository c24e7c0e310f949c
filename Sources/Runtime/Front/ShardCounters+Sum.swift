import Broker

extension ShardCounters {
    /// Adds another loop's.
    mutating func add(_ other: ShardCounters) {
        published += other.published
        refused += other.refused
        delivered += other.delivered
        pages += other.pages
        congestions += other.congestions
        gaps += other.gaps
        subscriptionsRefused += other.subscriptionsRefused
        holds += other.holds
        excesses += other.excesses
        unauthenticated += other.unauthenticated
    }
}
