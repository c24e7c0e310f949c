import Broker
import Model
import Synchronization

/// Why a query's work stops before its end.
enum QueryStop: Error, Sendable {
    /// Its client has gone.
    case cancelled
    case limit(QueryLimit)
    case refusal(Refusal)
}

/// Watches that a query keeps within its limits while it runs, and counts what it reads. What other threads may say to
/// it is whether to stop; everything else belongs to the thread that runs the query.
final class QueryGuard: @unchecked Sendable {
    let limits: QueryLimits
    private let isCancelled = Atomic(false)
    private let isLate = Atomic(false)
    /// Only of the thread that runs the query.
    var figures = QueryFigures()
    /// What stopped it inside of a call that SQLite made.
    var stop: QueryStop?

    init(limits: QueryLimits) {
        self.limits = limits
    }

    func cancel() { isCancelled.store(true, ordering: .relaxed) }

    func timeIsUp() { isLate.store(true, ordering: .relaxed) }

    var wasCancelled: Bool { isCancelled.load(ordering: .relaxed) }

    func check() throws(QueryStop) {
        if wasCancelled { throw .cancelled }
        if isLate.load(ordering: .relaxed), let time = limits.time { throw .limit(.time(time)) }
    }

    /// Counts a message that is read.
    func count(_ source: Int, bytes: Int) throws(QueryStop) {
        figures.sources[source].messages += 1
        figures.sources[source].bytes += UInt64(bytes)
        if let limit = limits.bytes, figures.bytes > UInt64(limit) { throw .limit(.bytes(limit)) }
        if figures.sources[source].messages & 1_023 == 0 { try check() }
    }
}
