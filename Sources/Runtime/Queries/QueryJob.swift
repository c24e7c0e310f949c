import Broker
import struct Foundation.UUID
import Model
import NIOCore
import Synchronization

/// One query from its start to its end, a slice of work at a time.
///
/// Each slice runs on one of the desk's threads, and only one at once; what the slices have in common belongs to them.
/// Other threads only ask for a slice. The client's room is a credit of one chunk, without which the query is put aside.
final class QueryJob: QueryHandle, @unchecked Sendable {
    /// Rows that were found are told after so long, though the chunk is not full: 200 ms.
    private static let patience: Duration = .milliseconds(200)
    /// The most rows that a live query remembers, to tell those that changed.
    private static let rememberedRows = 10_000

    private let task: QueryTask
    private let desk: QueryDesk
    private let deliver: @Sendable (Result<QueryChunk, Refusal>) -> Void
    private let limits: QueryLimits
    private let guardian: QueryGuard
    private let control = Mutex(Control())

    private struct Control {
        var hasCredit = true
        var isScheduled = false
        var isWanted = false
        var isOver = false
        var timer: Scheduled<Void>?
    }

    // Of the slices alone.
    private var plan: QueryPlan?
    private var rows: [QueryRow] = []
    private var bytes = 0
    private var number = 0
    private let began = LinkClock.now()
    private var lastDelivery = LinkClock.now()
    private var lastNews = LinkClock.now()
    private var isWaitingForNews = false
    private var passBegan = LinkClock.now()
    private var nextPass = MonotonicTime.zero
    private var remembered: [QueryRow: Int] = [:]
    private var current: [QueryRow: Int] = [:]

    init(_ task: QueryTask, desk: QueryDesk, deliver: @escaping @Sendable (Result<QueryChunk, Refusal>) -> Void) {
        self.task = task
        self.desk = desk
        self.deliver = deliver
        limits = task.query.limits.within(desk.settings, isLive: task.query.isLive)
        guardian = QueryGuard(limits: limits)
        guardian.figures.id = UUID().uuidString.lowercased()
        guardian.figures.started = systemClock().wall
        guardian.figures.sources = task.topics.map { QueryFigures.Source(topic: $0.name) }
    }

    func start() {
        if let time = limits.time {
            let timer = desk.timers.scheduleTask(in: time.timeAmount) { [weak self] in
                self?.guardian.timeIsUp()
                self?.schedule()
            }
            control.withLock { $0.timer = timer }
        }
        schedule()
    }

    func resume() {
        control.withLock { $0.hasCredit = true }
        schedule()
    }

    func cancel() {
        guardian.cancel()
        schedule()
    }

    /// Asks for a slice; while one runs, another follows it.
    private func schedule() {
        let mustSubmit = control.withLock { control in
            guard !control.isOver else { return false }
            control.isWanted = true
            guard !control.isScheduled else { return false }
            control.isScheduled = true
            return true
        }
        if mustSubmit { desk.submit { self.run() } }
    }

    private func run() {
        control.withLock { $0.isWanted = false }
        do throws(QueryStop) {
            try slice()
        } catch {
            end(error)
        }
        let again = control.withLock { control in
            guard !control.isOver, control.isWanted else {
                control.isScheduled = false
                return false
            }
            return true
        }
        if again { desk.submit { self.run() } }
    }

    private func slice() throws(QueryStop) {
        guard !control.withLock({ $0.isOver }) else { return }
        try guardian.check()
        let plan = try madePlan()
        if isWaitingForNews {
            try lookForNews(plan)
            guard !isWaitingForNews else { return }
        }
        while true {
            if isFull {
                guard takeCredit() else { return }
                return tell(plan)
            }
            guard try plan.cursor.step() else { return try finishPass(plan) }
            if let limit = limits.rows, guardian.figures.rows >= UInt64(limit) { throw .limit(.rows(limit)) }
            take(plan.row, of: plan)
        }
    }

    private func madePlan() throws(QueryStop) -> QueryPlan {
        if let plan { return plan }
        let plan = try QueryPlan(
            task, source: desk.source, guardian: guardian, settings: desk.settings, tick: { [unowned self] in self.tick() })
        self.plan = plan
        return plan
    }

    private var isFull: Bool { rows.count >= task.query.chunkRows || bytes >= task.query.chunkBytes }

    private func take(_ row: QueryRow, of plan: QueryPlan) {
        if task.query.isLive, !plan.isIncremental {
            current[row, default: 0] += 1
            guard current[row]! > remembered[row] ?? 0 else { return }
        }
        rows.append(row)
        bytes += row.values.reduce(0) { $0 + $1.size }
        guardian.figures.rows += 1
    }

    private func takeCredit() -> Bool {
        control.withLock { control in
            defer { control.hasCredit = false }
            return control.hasCredit
        }
    }

    /// Looks, while SQLite works, whether it is to stop and whether there is something to tell.
    private func tick() -> Bool {
        do throws(QueryStop) { try guardian.check() } catch {
            guardian.stop = error
            return true
        }
        let waited = LinkClock.now() - lastDelivery
        let isDue = (!rows.isEmpty && waited > Self.patience) || task.query.pulse.map { waited >= $0 } ?? false
        if isDue, let plan, takeCredit() { tell(plan) }
        return false
    }

    /// Gives the client what there is; with no rows, only figures.
    private func tell(_ plan: QueryPlan?, end: QueryEnd? = nil) {
        guardian.figures.elapsed = LinkClock.now() - began
        let chunk = QueryChunk(
            number: number, columns: plan?.columns ?? [], rows: rows, figures: guardian.figures, end: end)
        if !rows.isEmpty || end != nil { number += 1 }
        (rows, bytes) = ([], 0)
        lastDelivery = LinkClock.now()
        deliver(.success(chunk))
    }

    private func end(_ stop: QueryStop) {
        switch stop {
        case .cancelled: break
        case .limit(let limit): tell(plan, end: .limit(limit))
        case .refusal(let refusal): deliver(.failure(refusal))
        }
        close()
    }

    private func close() {
        let timer = control.withLock { control in
            defer { control.timer = nil }
            control.isOver = true
            return control.timer
        }
        timer?.cancel()
        plan = nil
        desk.closed(self)
    }

    // MARK: Live

    private func finishPass(_ plan: QueryPlan) throws(QueryStop) {
        guard task.query.isLive else {
            tell(plan, end: .complete)
            return close()
        }
        guard current.count <= Self.rememberedRows else {
            throw .refusal(
                .queryWrong("a live query that groups or orders may have at most \(Self.rememberedRows) different rows"))
        }
        (remembered, current) = (current, [:])
        let now = LinkClock.now()
        // A pass that takes long is not begun again at once.
        nextPass = now + max(desk.settings.liveInterval, (now - passBegan) * 4)
        try plan.settle()
        isWaitingForNews = true
        lastNews = now
        try lookForNews(plan)
    }

    /// Tells what there is to tell, and begins the next pass when something has come.
    private func lookForNews(_ plan: QueryPlan) throws(QueryStop) {
        let now = LinkClock.now()
        let isPulse = task.query.pulse.map { now - lastDelivery >= $0 } ?? false
        if !rows.isEmpty || isPulse, takeCredit() { tell(plan) }
        if rows.isEmpty, now >= nextPass, try plan.hasNews() {
            try plan.renew()
            (isWaitingForNews, passBegan) = (false, now)
            return
        }
        if let idle = limits.idle, now - lastNews >= idle { throw .limit(.idle(idle)) }
        _ = desk.timers.scheduleTask(in: desk.settings.liveInterval.timeAmount) { [weak self] in self?.schedule() }
    }
}
