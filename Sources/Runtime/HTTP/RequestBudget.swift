import HTTPTypes
import HummingbirdCore
import Model
import Synchronization

/// How many requests over HTTP one connection may make: the same budget that a WebSocket has, but a request beyond it is
/// refused, since its client waits for an answer and may ask again.
final class RequestBudget: Sendable {
    private let bucket: Mutex<TokenBucket>

    init(perSecond: Int, burst: Int, at now: MonotonicTime) {
        bucket = Mutex(TokenBucket(burst: burst, perSecond: perSecond, at: now))
    }

    /// Takes a request into account: nil when it may go on, and nothing is taken but the time after which the next may come
    /// when it may not.
    func charge(at now: MonotonicTime) -> Duration? {
        bucket.withLock { bucket in bucket.take(at: now) ? nil : bucket.nextToken - now }
    }

    /// Whether a request counts: all do but those for what is the same for everybody, and for the parts of a backup, which
    /// counted when it was begun.
    static func counts(_ request: Request) -> Bool {
        let path = request.uri.path
        return !HTTPPaths.isOpen(path) && !(request.method == .get && path.hasPrefix("/api/v1/backups/"))
    }
}

extension FrontSettings {
    /// The budget of a connection that begins to speak HTTP; nil without a limit.
    var requestBudget: RequestBudget? {
        requestsPerSecond.map { RequestBudget(perSecond: $0, burst: requestBurst ?? $0, at: clock().monotonic) }
    }
}
