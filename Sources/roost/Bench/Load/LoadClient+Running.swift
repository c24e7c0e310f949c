import WebSocket

/// How publishes follow each other.
enum Pacing: Equatable, Sendable {
    /// So many messages at a time that some subscriber has yet to get; the next goes out when all have one.
    case window(Int)
    /// So many a second, whatever becomes of them; latency counts from when a message was due.
    case rate(Double)
}

/// When publishing ends.
enum LoadEnd: Equatable, Sendable {
    /// After a time.
    case after(Duration)
    /// After so many messages.
    case messages(Int)
}

extension LoadClient {
    /// Publishes until the end, then waits until every message has come everywhere; says how long publishing took.
    ///
    /// When nothing comes for as long as the patience lasts, what is missing is lost.
    mutating func run(_ pacing: Pacing, until end: LoadEnd) throws(CommandFailure) -> Double {
        let began = LoadClock.now
        var course = Course(pacing, end, began)
        var progress = (deliveries: ledger.deliveries, at: began)
        var finished = began
        while true {
            let now = LoadClock.now
            if !course.isOver(now) {
                try publishDue(&course, now)
                finished = now
            } else if ledger.inFlight == 0 {
                break
            }
            if ledger.deliveries != progress.deliveries || ledger.inFlight == 0 {
                progress = (ledger.deliveries, now)
            } else if now - progress.at > LoadClock.nanoseconds(settings.patience) {
                break
            }
            try turn(milliseconds: course.patience(at: now))
        }
        return Double(finished - began) / 1e9
    }

    private mutating func publishDue(_ course: inout Course, _ now: UInt64) throws(CommandFailure) {
        switch course.pacing {
        case .window(let window):
            while ledger.inFlight < window, course.hasRoom, publish(since: now) { course.sent += 1 }
        case .rate:
            while course.due <= now, course.hasRoom {
                if publish(since: course.due) { course.sent += 1 } else { tally.heldBack += 1 }
                course.due += course.interval
            }
        }
        try flushPublishers()
    }

    /// Keeps connections open for a time, answering pings.
    mutating func hold(_ duration: Duration) throws(CommandFailure) {
        let end = LoadClock.now + LoadClock.nanoseconds(duration)
        while LoadClock.now < end { try turn(milliseconds: 100) }
    }

    /// Removes the topics, as far as the broker answers in time.
    mutating func removeTopics() throws(CommandFailure) {
        guard case .ready = connections[0].phase else { return }
        let closing = settings.tongue.closing(topics: topics(of: connections[0]))
        guard closing.answers > 0 else { return }
        connections[0].phase = .attaching(closing.answers)
        unfinished += 1
        try say(closing.frames, on: 0)
        let end = LoadClock.now + LoadClock.nanoseconds(settings.patience)
        while case .attaching = connections[0].phase, LoadClock.now < end { try turn(milliseconds: 100) }
    }
}

/// Where a run is.
private struct Course {
    let pacing: Pacing
    /// How many messages went out.
    var sent = 0
    /// When the next is due, for a rate.
    var due: UInt64
    /// Nanoseconds between two, for a rate.
    let interval: UInt64
    private let end: LoadEnd
    private let last: UInt64

    init(_ pacing: Pacing, _ end: LoadEnd, _ began: UInt64) {
        self.pacing = pacing
        self.end = end
        due = began
        interval = if case .rate(let rate) = pacing { UInt64(1e9 / rate) } else { 0 }
        last = if case .after(let duration) = end { began + LoadClock.nanoseconds(duration) } else { .max }
    }

    /// Whether the messages asked for have not all gone out.
    var hasRoom: Bool { if case .messages(let count) = end { sent < count } else { true } }

    func isOver(_ now: UInt64) -> Bool { now >= last || !hasRoom }

    /// How long to wait for sockets: with a rate not at all in the last millisecond, since a wait may be late by one.
    func patience(at now: UInt64) -> Int32 {
        guard case .rate = pacing, hasRoom else { return 100 }
        return due > now + 2_000_000 ? Int32(min(100, (due - now) / 1_000_000 - 1)) : 0
    }
}
