import Journal
import Model

/// What the log's thread does, turn by turn.
struct LogLoop: ~Copyable {
    var log: Log
    let settings: LogThread.Settings
    let clocks: @Sendable () -> Now
    let notify: @Sendable (LogThread.Notice) -> Void
    /// What is sequenced and not written yet.
    private var pending: ArraySlice<Sequenced> = []
    private var parked: [(read: TopicRead, reply: @Sendable (Result<TopicPage, StorageError>) -> Void)] = []
    private var surveys: [(read: SurveyRead, reply: @Sendable (SurveyPage?) -> Void)] = []
    /// Reads that wait for what is damaged, and what the log's version of repairs was when they were last tried.
    private var heldUp: [(read: TopicRead, reply: @Sendable (Result<TopicPage, StorageError>) -> Void)] = []
    private var heldUpVersion: UInt64 = 0
    var scrubAt: MonotonicTime
    var passBegan: MonotonicTime
    private var toldDurable: UInt64
    /// The last record written that somebody waits for.
    private var awaitedThrough: UInt64 = 0
    private var isStalled = false
    /// When the sync that is under way began; nil while there is none.
    private var syncStartedAt: MonotonicTime?
    private var isSlow = false
    var hasFailed = false
    private var isClosing = false
    private var retryAt = MonotonicTime.zero
    /// When what was written is to be synced at the latest.
    private var syncAt = MonotonicTime.distantFuture
    private var houseAt: MonotonicTime
    /// When to look for more of what nobody waits for: set while it keeps coming.
    private var lookAt = MonotonicTime.distantFuture

    /// How long what wakes nobody may wait: see ``LogThread/enqueue(_:bytes:)``.
    static let unhurriedDelay = Duration.milliseconds(250)
    /// About how many bytes one append writes at most.
    private static let batchLimit = 1 << 20

    init(
        log: Log, settings: LogThread.Settings, clocks: @escaping @Sendable () -> Now,
        notify: @escaping @Sendable (LogThread.Notice) -> Void
    ) {
        self.log = log
        self.settings = settings
        self.clocks = clocks
        self.notify = notify
        toldDurable = log.durableThrough
        let now = clocks().monotonic
        houseAt = now + settings.housekeepingInterval
        passBegan = now
        scrubAt = settings.scrubRate > 0 ? now + settings.scrubDelay : .distantFuture
    }

    static func cost(of batch: some Sequence<Sequenced>) -> Int {
        batch.reduce(0) { $0 + 128 + $1.record.payloadCount }
    }

    mutating func run(
        _ mailbox: DiskMailbox<LogCommand>, _ syncs: DiskMailbox<SyncTicket?>, written: (Int) -> Void
    ) {
        while !isClosing {
            let now = clocks().monotonic
            let next = nextTurn(after: now)
            for command in mailbox.take(until: next, sparing: spared(until: next, from: now)) { obey(command, written) }
            write(written)
            answerParked()
            answerSurveys()
            if clocks().monotonic >= scrubAt { scrub() }
            if log.hasSuspects { examine() }
            if let ticket = nextSync(at: clocks().monotonic) {
                syncStartedAt = clocks().monotonic
                syncs.put(ticket)
            }
            tellDurable()
            watchSync()
            if clocks().monotonic >= houseAt, !hasFailed {
                keepHouse()
                writeRepairs()
            }
        }
        syncs.put(nil)
        end()
    }

    /// When to look around, even if nobody calls.
    private mutating func nextTurn(after now: MonotonicTime) -> MonotonicTime {
        var next = min(houseAt, now + Self.unhurriedDelay, scrubAt)
        if lookAt > now { next = min(next, lookAt) } else { lookAt = .distantFuture }
        if isStalled { next = min(next, retryAt) }
        if let syncStartedAt, !isSlow, !hasFailed { next = min(next, syncStartedAt + settings.slowSyncLimit) }
        // A sync that is due and was not begun waits for the one under way, whose end calls.
        return syncAt > now ? min(next, syncAt) : next
    }

    /// What the thread is not woken for while it waits for its next turn: when that comes soon, for nothing that nobody waits
    /// for. The end of a sync is waited for when somebody waits for what it made durable, or another sync is due.
    private func spared(until next: MonotonicTime, from now: MonotonicTime) -> DiskMailbox<LogCommand>.Urgency {
        guard next <= now + settings.writeDelay else { return .sometime }
        return syncAt <= now || awaitedThrough > toldDurable ? .soon : .sooner
    }

    private mutating func nextSync(at now: MonotonicTime) -> SyncTicket? {
        guard now >= syncAt || isClosing else { return nil }
        let ticket = log.nextSync()
        if ticket != nil || log.durableThrough == log.appendedThrough { syncAt = .distantFuture }
        return ticket
    }

    /// Sees to it that records are synced: soon where somebody waits for that, else within the delay.
    private mutating func scheduleSync(of batch: [Sequenced]) {
        let written = batch.lazy.filter { !$0.record.isOfMemory }
        guard !written.isEmpty else { return }
        if let last = written.last(where: { !$0.isPatient }) {
            awaitedThrough = last.sequence
            syncAt = .zero
            return
        }
        let now = clocks().monotonic
        // What has been gathered has waited already.
        let waited = lookAt <= now ? settings.writeDelay : .zero
        lookAt = now + settings.writeDelay
        syncAt = min(syncAt, now + max(.zero, settings.syncDelay - waited))
    }

    /// Says so when a sync takes too long, and when it has come to its end after all.
    private mutating func watchSync() {
        guard !hasFailed else { return }
        if let syncStartedAt {
            guard !isSlow, clocks().monotonic - syncStartedAt >= settings.slowSyncLimit else { return }
            isSlow = true
            if !isStalled { notify(.slow(settings.slowSyncLimit)) }
        } else if isSlow {
            isSlow = false
            if !isStalled { notify(.recovered) }
        }
    }

    private mutating func obey(_ command: LogCommand, _ written: (Int) -> Void) {
        switch command {
        case .append(let batch): pending.append(contentsOf: batch)
        case .skip(let run): log.skip(run)
        case .read(let read, let reply): parked.append((read, reply))
        case .survey(let read, let reply): surveys.append((read, reply))
        // What was put down before these is part of what they tell.
        case .statistics(let topic, let generation, let reply):
            write(written)
            reply(log.statistics(of: topic, generation: generation, at: clocks().wall))
        case .scan(let scan, let reply):
            write(written)
            do { reply(.success(try log.scan(scan))) } catch { reply(.failure(error)) }
        case .ring(let topic, let partition, let offset, let byteLimit, let reply):
            write(written)
            reply(log.ring(of: topic, partition, after: offset, byteLimit: byteLimit))
        case .beginBackup(let reply):
            write(written)
            do { reply(.success(try log.beginBackup())) } catch { reply(.failure(error)) }
        case .endBackup(let reply):
            do { try log.endBackup() } catch { notify(.housekeepingFailed(error)) }
            reply()
        case .beginRepairs: beginRepairs()
        case .mend(let records): log.mend(records)
        case .resolve(let run, let outcome):
            log.resolve(run, outcome)
            writeRepairs()
        case .synced(let ticket, nil):
            syncStartedAt = nil
            log.synced(ticket)
        case .synced(_, let error?):
            syncStartedAt = nil
            log.failed(error)
            fail(error)
        case .close: isClosing = true
        }
    }

    /// Writes what waits, in order, in batches of a bounded size.
    private mutating func write(_ written: (Int) -> Void) {
        guard !isStalled || isClosing || clocks().monotonic >= retryAt else { return }
        while let first = pending.first {
            var end = pending.startIndex + 1
            var cost = Self.cost(of: CollectionOfOne(first))
            while end < pending.endIndex, cost < Self.batchLimit {
                cost += Self.cost(of: CollectionOfOne(pending[end]))
                end += 1
            }
            let batch = Array(pending[..<end])
            do {
                if !hasFailed { try log.append(batch) }
            } catch {
                if let failure = log.failure { fail(failure) } else { stall(error) }
                return
            }
            scheduleSync(of: batch)
            pending = pending[end...]
            written(cost)
            if isStalled {
                isStalled = false
                notify(isSlow ? .slow(settings.slowSyncLimit) : .recovered)
            }
        }
        pending = []
    }

    private mutating func stall(_ error: StorageError) {
        retryAt = clocks().monotonic + settings.retryInterval
        guard !isStalled else { return }
        isStalled = true
        notify(.stalled(error))
    }

    mutating func fail(_ error: StorageError) {
        guard !hasFailed else { return }
        hasFailed = true
        // No house is kept any more, so nothing is due.
        houseAt = .distantFuture
        notify(.failed(error))
    }

    private mutating func answerSurveys() {
        guard !surveys.isEmpty else { return }
        let now = clocks().wall
        var waiting: [(read: SurveyRead, reply: @Sendable (SurveyPage?) -> Void)] = []
        for (read, reply) in surveys {
            if let page = log.survey(read, at: now) {
                reply(page)
            } else if log.failure != nil {
                reply(nil)
            } else {
                waiting.append((read, reply))
            }
        }
        surveys = waiting
    }

    private mutating func answerParked() {
        if log.repairVersion != heldUpVersion {
            heldUpVersion = log.repairVersion
            parked += heldUp
            heldUp = []
        }
        guard !parked.isEmpty else { return }
        var waiting: [(read: TopicRead, reply: @Sendable (Result<TopicPage, StorageError>) -> Void)] = []
        for (read, reply) in parked {
            do {
                if let page = try log.read(asFarAsWritten(read), at: clocks().wall) {
                    reply(.success(page))
                } else if !log.isAhead(asFarAsWritten(read)) {
                    heldUp.append((read, reply))
                } else {
                    waiting.append((read, reply))
                }
            } catch {
                reply(.failure(error))
            }
        }
        parked = waiting
    }

    /// The read as it can be answered while the disk takes nothing: what is written is served, and only what comes after it
    /// is waited for.
    private func asFarAsWritten(_ read: TopicRead) -> TopicRead {
        guard isStalled || hasFailed else { return read }
        let written = log.appendedThrough
        switch read.mode {
        case .following(let cursor, let after, let through) where after < written && written < through:
            return read.with(.following(cursor: cursor, after: after, through: written))
        case .resolve(let start, let through) where written < through:
            return read.with(.resolve(start, through: written))
        case .row(let key, let through) where written < through: return read.with(.row(key, through: written))
        case .following, .resolve, .row, .history: return read
        }
    }

    private mutating func tellDurable() {
        guard log.durableThrough > toldDurable, !hasFailed else { return }
        let isAwaited = awaitedThrough > toldDurable
        toldDurable = log.durableThrough
        notify(.durable(through: toldDurable, isAwaited: isAwaited))
    }

    private mutating func keepHouse() {
        houseAt = clocks().monotonic + settings.housekeepingInterval
        do {
            let done = try log.keepHouse(at: clocks().wall)
            if done != Housekeeping() { notify(.housekeeping(done)) }
        } catch {
            if let failure = log.failure { fail(failure) } else { notify(.housekeepingFailed(error)) }
        }
        tellDurable()
    }

    private mutating func end() {
        if !hasFailed {
            do {
                try log.writeCheckpoint()
            } catch {
                notify(.housekeepingFailed(error))
            }
        }
        tellDurable()
        for (_, reply) in parked + heldUp { reply(.failure(.failed("the log is closed"))) }
        parked = []
        for (_, reply) in surveys { reply(nil) }
        surveys = []
        heldUp = []
    }
}
