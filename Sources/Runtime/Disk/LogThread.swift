import Journal
import Model
import Synchronization

/// The thread that owns the node's log, and the one that syncs for it.
///
/// Appends never wait for a sync: while one runs the next batches are written, and the next makes all of them durable.
package final class LogThread: Sendable {
    /// What the log's owner is told, on the log's thread.
    package enum Notice: Sendable {
        /// Everything up to this local sequence survives a power cut; nobody waits for it where all that is new was patient
        /// (``Sequenced/isPatient``).
        case durable(through: UInt64, isAwaited: Bool)
        /// Records cannot be written for now; they wait, and are tried again every second.
        case stalled(StorageError)
        /// A sync takes longer than this: nothing more is to be taken until it is done.
        case slow(Duration)
        /// What waited has been written, and no sync is slow.
        case recovered
        /// A sync failed: nothing more is accepted until the node starts anew.
        case failed(StorageError)
        /// What keeping house did, where it did anything.
        case housekeeping(Housekeeping)
        /// Keeping house failed; it is tried again.
        case housekeepingFailed(StorageError)
        /// Parts of the log are damaged; what may have stood there is to be asked for from peers.
        case damaged(FoundDamage)
        /// What peers gave stands in the log again.
        case mended(Mended)
        /// What has been counted of damage, and how many stretches may still come back.
        case repairs(RepairCounters, pending: Int)
    }

    /// The thread's own bounds.
    package struct Settings: Sendable {
        /// How often retention is applied and segments are dropped. Default 10 s.
        package var housekeepingInterval: Duration = .seconds(10)
        /// How long after a failed append the next try is made. Default 1 s.
        package var retryInterval: Duration = .seconds(1)
        /// How long records for which nobody waits are gathered before they are written, while they keep coming. Default
        /// 25 ms: waking the log's thread for each would cost more than the writing.
        package var writeDelay: Duration = .milliseconds(25)
        /// How long a record for which nobody waits may wait for its sync, the time in which it was gathered included. Default
        /// 50 ms: a sync for each message that was only `accepted` would cost more than all the rest.
        package var syncDelay: Duration = .milliseconds(50)
        /// How long a sync may take before records are refused; below the time in which `stored` is answered. Default 3 s.
        package var slowSyncLimit: Duration = .seconds(3)
        /// How many bytes may wait to be written before ``LogThread/hasRoom`` is false. Default 64 MiB.
        package var backlogLimit = 64 << 20
        /// How many bytes of closed segments are checked a second; 0 for none. Default 4 MiB.
        package var scrubRate = 4 << 20
        /// How far the beginnings of two passes over the log lie apart at least. Default 1 h.
        package var scrubInterval: Duration = .seconds(3_600)
        /// How long after the start the first pass begins. Default 1 s.
        package var scrubDelay: Duration = .seconds(1)

        package init() {}
    }

    private let mailbox = DiskMailbox<LogCommand>()
    private let syncs = DiskMailbox<SyncTicket?>()
    private let backlog = Atomic<Int>(0)
    private let settings: Settings
    private let threads: Mutex<[LinkThread]>

    /// Takes over an opened log.
    ///
    /// - Parameters:
    ///   - clocks: reads both clocks.
    ///   - notify: is called on the log's thread.
    package init(
        log: Log, storage: any Storage, settings: Settings = Settings(), clocks: @escaping @Sendable () -> Now,
        notify: @escaping @Sendable (Notice) -> Void
    ) {
        self.settings = settings
        threads = Mutex([])
        let (mailbox, syncs) = (mailbox, syncs)
        let syncThread = LinkThread(name: "roost-sync") {
            while true {
                for ticket in syncs.take(until: .distantFuture) {
                    guard let ticket else { return }
                    do throws(StorageError) {
                        try ticket.perform(on: storage)
                        mailbox.put(.synced(ticket, nil), .sooner)
                    } catch {
                        mailbox.put(.synced(ticket, error))
                    }
                }
            }
        }
        let logThread = LinkThread(name: "roost-log") { [weak self] in
            var loop = LogLoop(log: log, settings: settings, clocks: clocks, notify: notify)
            loop.run(mailbox, syncs) { written in self?.backlog.subtract(written, ordering: .relaxed) }
        }
        threads.withLock { $0 = [logThread, syncThread] }
    }

    /// Appends what was sequenced; batches are written in the order of these calls.
    package func append(_ batch: [Sequenced]) {
        if enqueue(batch, bytes: LogLoop.cost(of: batch)) { wake() }
    }

    /// As ``append(_:)`` without waking the thread; says whether ``wake()`` must follow.
    ///
    /// Messages of memory topics wake nobody until a good deal waits: nothing but a reader needs them in their rings, and
    /// whoever reads comes through the same queue. Of those that are written but for which nobody waits, the first wakes the
    /// thread, which then rests: while they keep coming they are written together, every ``Settings/writeDelay``.
    ///
    /// - Parameter bytes: what the batch takes in memory, about: ``LogLoop/cost(of:)``.
    package func enqueue(_ batch: [Sequenced], bytes: Int) -> Bool {
        guard !batch.isEmpty else { return false }
        let waiting = backlog.add(bytes, ordering: .relaxed).newValue
        return mailbox.enqueue(.append(batch), waiting > Self.unhurriedBytes ? .now : Self.urgency(of: batch))
    }

    private static func urgency(of batch: [Sequenced]) -> DiskMailbox<LogCommand>.Urgency {
        var urgency = DiskMailbox<LogCommand>.Urgency.sometime
        for sequenced in batch where !sequenced.record.isOfMemory {
            guard sequenced.isPatient else { return .now }
            urgency = .soon
        }
        return urgency
    }

    /// How many bytes may wait for the log's thread before it is woken for what nobody waits for: 1 MiB.
    private static let unhurriedBytes = 1 << 20

    package func wake() { mailbox.wake() }

    /// Whether what waits to be written is within its limit; publishes are to be refused while it is not.
    package var hasRoom: Bool { backlog.load(ordering: .relaxed) <= settings.backlogLimit }

    /// Takes note of positions that no holder has any more.
    package func skip(_ run: AbsentRun) { mailbox.put(.skip(run)) }

    /// Reads from a topic; the reply is called on the log's thread, once all is appended that the read waits for.
    package func read(_ read: TopicRead, reply: @escaping @Sendable (Result<TopicPage, StorageError>) -> Void) {
        mailbox.put(.read(read, reply))
    }

    /// Says where messages stand; the reply is called on the log's thread, once all is appended that the survey waits for.
    package func survey(_ read: SurveyRead, reply: @escaping @Sendable (SurveyPage?) -> Void) {
        mailbox.put(.survey(read, reply))
    }

    /// Tells how much of a topic is kept, on the log's thread.
    package func statistics(
        of topic: TopicName, generation: UInt32, reply: @escaping @Sendable (TopicStatistics) -> Void
    ) {
        mailbox.put(.statistics(topic, generation, reply))
    }

    /// Reads one origin's records; the reply is called on the log's thread.
    package func scan(_ scan: JournalScan, reply: @escaping @Sendable (Result<ScanChunk, StorageError>) -> Void) {
        mailbox.put(.scan(scan, reply))
    }

    /// Reads the ring of a memory topic; the reply is called on the log's thread.
    package func ring(
        of topic: TopicName, _ partition: Partition, after offset: UInt64, byteLimit: Int,
        reply: @escaping @Sendable ([RingItem]) -> Void
    ) {
        mailbox.put(.ring(topic, partition, after: offset, byteLimit: byteLimit, reply))
    }

    /// Fixes the present moment as files for a backup.
    package func beginBackup(reply: @escaping @Sendable (Result<BackupListing, StorageError>) -> Void) {
        mailbox.put(.beginBackup(reply))
    }

    /// Lets go of a backup's files.
    package func endBackup(reply: @escaping @Sendable () -> Void) { mailbox.put(.endBackup(reply)) }

    /// Begins to see to what is damaged; to be called once whoever is notified can ask peers.
    package func beginRepairs() { mailbox.put(.beginRepairs) }

    /// Takes records that a peer gave back.
    package func mend(_ records: [Record]) { mailbox.put(.mend(records)) }

    /// Takes what holders said of a run that was asked for, and writes back what has come.
    package func resolve(_ run: AbsentRun, _ outcome: RepairOutcome) { mailbox.put(.resolve(run, outcome)) }

    /// Writes and syncs what waits, makes a checkpoint and ends both threads; reads that still wait get an error.
    package func close() {
        let threads = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        guard !threads.isEmpty else { return }
        mailbox.put(.close)
        for thread in threads { thread.join() }
    }
}

/// What is put down for the log's thread.
enum LogCommand: Sendable {
    case append([Sequenced])
    case skip(AbsentRun)
    case read(TopicRead, @Sendable (Result<TopicPage, StorageError>) -> Void)
    case survey(SurveyRead, @Sendable (SurveyPage?) -> Void)
    case statistics(TopicName, UInt32, @Sendable (TopicStatistics) -> Void)
    case scan(JournalScan, @Sendable (Result<ScanChunk, StorageError>) -> Void)
    case ring(TopicName, Partition, after: UInt64, byteLimit: Int, @Sendable ([RingItem]) -> Void)
    case beginBackup(@Sendable (Result<BackupListing, StorageError>) -> Void)
    case endBackup(@Sendable () -> Void)
    case beginRepairs
    case mend([Record])
    case resolve(AbsentRun, RepairOutcome)
    case synced(SyncTicket, StorageError?)
    case close
}
