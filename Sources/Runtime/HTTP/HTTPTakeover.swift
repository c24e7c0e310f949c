import HummingbirdCore
import Logging
import NIOCore
import Synchronization

/// Hands the HTTP side of a connection to Hummingbird's HTTP/1 channel.
struct HTTPTakeover: Sendable {
    private let http: HTTP1Channel
    private let logger: Logger
    private let served = ServedConnections()

    init(http: HTTP1Channel, logger: Logger) {
        self.http = http
        self.logger = logger
    }

    /// Adds Hummingbird's handlers to the channel, which is on the current loop, and serves what comes through them until
    /// it is closed.
    func take(_ channel: any Channel) {
        let set = http.setup(channel: channel, logger: logger)
        set.whenComplete { [http, logger, served] result in
            switch result {
            case .failure: channel.close(promise: nil)
            case .success(let value):
                served.begin()
                Task {
                    await http.handle(value: value, logger: logger)
                    served.end()
                }
            }
        }
    }

    /// How many connections are served now.
    var servedCount: Int { served.count }

    /// Waits until no connection is served any more; all were closed before, and none is taken after.
    func finished() async { await served.finished() }
}

/// How many connections have a task that serves them, and who waits for the last to end.
private final class ServedConnections: Sendable {
    private let state = Mutex((count: 0, waiting: [CheckedContinuation<Void, Never>]()))

    var count: Int { state.withLock { $0.count } }

    func begin() { state.withLock { $0.count += 1 } }

    func end() {
        let waiting = state.withLock { state in
            state.count -= 1
            guard state.count == 0 else { return [CheckedContinuation<Void, Never>]() }
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    func finished() async {
        await withCheckedContinuation { continuation in
            let isFinished = state.withLock { state in
                if state.count > 0 { state.waiting.append(continuation) }
                return state.count == 0
            }
            if isFinished { continuation.resume() }
        }
    }
}
