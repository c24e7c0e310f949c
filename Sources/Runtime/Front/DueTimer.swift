import NIOCore

/// A timer that few connections have; apart, so that the others have no room for it.
final class DueTimer {
    private let scheduled: Scheduled<Void>

    init(_ scheduled: Scheduled<Void>) { self.scheduled = scheduled }

    func cancel() { scheduled.cancel() }
}
