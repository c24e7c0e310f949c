import Broker
import CSQLite
import Model
import NIOCore
import NIOPosix
import Synchronization

/// Runs the queries of a node on threads of its own, a few at once.
///
/// A query that waits for its client, or for messages, holds no thread: it is put aside and taken up again.
package final class QueryDesk: Sendable {
    let settings: QuerySettings
    let source: QuerySource
    /// Keeps time; nothing else is done on it.
    let timers: any EventLoop
    private let pool: NIOThreadPool
    private let open = Mutex<[ObjectIdentifier: QueryJob]>([:])

    package init(settings: QuerySettings, source: QuerySource, timers: any EventLoop) {
        self.settings = settings
        self.source = source
        self.timers = timers
        pool = NIOThreadPool(numberOfThreads: settings.threads)
        pool.start()
        // All queries of the process together: past it SQLite has no memory, and the query that asks is refused.
        sqlite3_hard_heap_limit64(sqlite3_int64(settings.heapBytes))
    }

    /// How many queries are under way.
    package var count: Int { open.withLock { $0.count } }

    func run(
        _ task: QueryTask, deliver: @escaping @Sendable (Result<QueryChunk, Refusal>) -> Void
    ) -> any QueryHandle {
        let job = QueryJob(task, desk: self, deliver: deliver)
        let hasRoom = open.withLock { open in
            guard open.count < settings.queries else { return false }
            open[ObjectIdentifier(job)] = job
            return true
        }
        guard hasRoom else {
            deliver(.failure(.queryLimit(settings.queries)))
            return EndedQuery()
        }
        job.start()
        return job
    }

    func submit(_ body: @escaping @Sendable () -> Void) { pool.submit { _ in body() } }

    func closed(_ job: QueryJob) { _ = open.withLock { $0.removeValue(forKey: ObjectIdentifier(job)) } }

    /// Ends the queries under way, of which nothing more is heard, and the threads.
    package func close() async throws {
        for job in open.withLock({ Array($0.values) }) { job.cancel() }
        try await pool.shutdownGracefully()
    }
}

/// A query that is over before it began.
struct EndedQuery: QueryHandle {
    func resume() {}
    func cancel() {}
}

extension QueryLimits {
    /// The client's own limits where they are narrower than the node's. A live query has only its own.
    func within(_ settings: QuerySettings, isLive: Bool) -> QueryLimits {
        guard !isLive else { return self }
        return QueryLimits(
            time: time.map { min($0, settings.time) } ?? settings.time, rows: rows.map { min($0, settings.rows) } ?? settings.rows,
            bytes: bytes.map { min($0, settings.bytes) } ?? settings.bytes, idle: idle)
    }
}
