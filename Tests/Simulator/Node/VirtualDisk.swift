import Clustering
import Journal
import Model

/// A node's log thread: appends a little later, syncs in groups, answers reads.
package final class VirtualDisk {
    private unowned let world: World
    private unowned let node: VirtualNode
    private let storage: MemoryStorage
    package private(set) var log: Log
    private var pending: [Sequenced] = []
    private var parked: [(read: TopicRead, reply: (TopicPage) -> Void)] = []
    private var heldUp: [(read: TopicRead, reply: (TopicPage) -> Void)] = []
    private var heldUpVersion: UInt64 = 0
    private var isAppendScheduled = false
    /// Told what the log has lost and what is to be asked for.
    var onDamage: (FoundDamage) -> Void = { _ in }
    private var isStopped = false
    private(set) var isStalled = false
    /// Told when everything up to a local sequence survives a power cut.
    var onDurable: (UInt64) -> Void = { _ in }
    /// Whether it says that records are stored when they are only written.
    var acknowledgesBeforeSync = false
    /// Told when the disk begins or ceases to refuse records.
    var onStalled: (Bool) -> Void = { _ in }
    /// How long after a failed append the next try is made.
    private static let retryInterval: Duration = .milliseconds(500)

    init(world: World, node: VirtualNode, log: Log) {
        self.world = world
        self.node = node
        storage = node.storage
        self.log = log
    }

    /// Does nothing more: the process has gone.
    func stop() { isStopped = true }

    func append(_ batch: [Sequenced]) {
        pending += batch
        scheduleAppend(after: duration(\.appendDelay))
    }

    func skip(_ run: AbsentRun) { log.skip(run) }

    /// Begins to see to damage.
    func beginRepairs() {
        do {
            let found = try log.beginRepairs()
            if !found.isEmpty { onDamage(found) }
        } catch { preconditionFailure("damage could not be looked at: \(error)") }
    }

    /// Checks the next part of the closed segments.
    package func scrub() {
        do { _ = try log.scrub() } catch { preconditionFailure("a scrub failed: \(error)") }
        examine()
    }

    /// Takes what a peer gave back.
    func mend(_ records: [Record]) { log.mend(records) }

    /// Takes what holders said of a run, and writes back what has come.
    func resolve(_ run: AbsentRun, _ outcome: RepairOutcome) {
        log.resolve(run, outcome)
        writeRepairs()
    }

    private func writeRepairs() {
        do {
            while try log.writeRepairs() != nil {}
        } catch StorageError.full {} catch { preconditionFailure("repairs could not be written: \(error)") }
        tellDurable()
        answerParked()
    }

    private func examine() {
        guard log.hasSuspects else { return }
        do {
            let found = try log.examineSuspects()
            if !found.isEmpty { onDamage(found) }
        } catch { preconditionFailure("damage could not be looked at: \(error)") }
        answerParked()
    }

    /// Reads one origin's records a little later.
    func scan(_ scan: JournalScan, reply: @escaping (ScanChunk) -> Void) {
        later(duration(\.readTime)) { disk in
            do { reply(try disk.log.scan(scan)) } catch { preconditionFailure("a scan failed: \(error)") }
            disk.examine()
        }
    }

    /// Reads the ring of a memory topic a little later.
    func ring(_ read: RingRead, reply: @escaping ([RingItem]) -> Void) {
        later(duration(\.readTime)) { disk in
            reply(
                disk.log.ring(
                    of: read.place.topic, read.place.partition, after: read.after, byteLimit: read.byteLimit))
        }
    }

    /// Reads a topic a little later, once all is appended that the read waits for.
    func read(_ read: TopicRead, reply: @escaping (TopicPage) -> Void) {
        later(duration(\.readTime)) { disk in
            disk.parked.append((read, reply))
            disk.answerParked()
        }
    }

    /// Drops and rewrites segments, after a checkpoint, as retention and compaction ask for.
    func keepHouse(at wall: WallTime) {
        do { _ = try log.keepHouse(at: wall) } catch StorageError.full {} catch {
            preconditionFailure("keeping house failed: \(error)")
        }
        examine()
        writeRepairs()
        tellDurable()
    }

    /// Changes the log directly, for checks and scenarios.
    func withLog<Result>(_ body: (inout Log) throws -> Result) rethrows -> Result { try body(&log) }

    /// How long the disk takes for something, in this weather and with this slowness.
    private func duration(_ range: KeyPath<Weather, ClosedRange<Duration>>) -> Duration {
        world.randomDuration(world.network.weather[keyPath: range]) * node.slowness
    }

    private func later(_ delay: Duration, _ body: @escaping (VirtualDisk) -> Void) {
        world.after(delay) { [weak self] in
            guard let self, !isStopped else { return }
            body(self)
        }
    }

    private func scheduleAppend(after delay: Duration) {
        guard !isAppendScheduled else { return }
        isAppendScheduled = true
        later(delay) { $0.write() }
    }

    private func write() {
        isAppendScheduled = false
        guard !pending.isEmpty else { return }
        do {
            try log.append(pending)
        } catch {
            if !isStalled { onStalled(true) }
            isStalled = true
            return scheduleAppend(after: Self.retryInterval)
        }
        pending = []
        if isStalled { onStalled(false) }
        isStalled = false
        answerParked()
        tellDurable()
        startSync()
    }

    private func startSync() {
        guard let ticket = log.nextSync() else { return }
        // What is appended while a sync runs may be caught by it or not.
        let isEarly = world.randomChance(0.5)
        if isEarly { perform(ticket) }
        later(duration(\.syncTime)) { disk in
            if !isEarly { disk.perform(ticket) }
            disk.log.synced(ticket)
            disk.tellDurable()
            disk.startSync()
        }
    }

    private var toldDurable: UInt64 = 0

    private func tellDurable() {
        let through = acknowledgesBeforeSync ? log.appendedThrough : log.durableThrough
        guard through > toldDurable else { return }
        toldDurable = through
        onDurable(toldDurable)
    }

    private func perform(_ ticket: SyncTicket) {
        do { try ticket.perform(on: storage) } catch { preconditionFailure("a sync failed: \(error)") }
    }

    private func answerParked() {
        var waiting: [(read: TopicRead, reply: (TopicPage) -> Void)] = []
        var all = parked
        parked = []
        if log.repairVersion != heldUpVersion {
            heldUpVersion = log.repairVersion
            all += heldUp
            heldUp = []
        }
        for (read, reply) in all {
            do {
                if let page = try log.read(read, at: node.wall) {
                    reply(page)
                } else if log.isAhead(read) {
                    waiting.append((read, reply))
                } else {
                    heldUp.append((read, reply))
                }
            } catch {
                preconditionFailure("a read failed: \(error)")
            }
        }
        parked = waiting + parked
        examine()
    }
}
