import Journal
import Model
import Runtime
import Simulator
import Synchronization
import Testing

@Suite("The log's thread", .timeLimit(.minutes(1)))
struct LogThreadTests {
    /// What the thread told, in order.
    private final class Told: Sendable {
        private let mailbox = DiskMailbox<LogThread.Notice>()
        private let taken = Mutex<[LogThread.Notice]>([])

        func put(_ notice: LogThread.Notice) { mailbox.put(notice) }

        /// Waits until a notice is one that `body` takes, and passes over those before; gives nothing after 30 s.
        func first<Value>(_ body: (LogThread.Notice) -> Value?) -> Value? {
            let deadline = LinkClock.now() + .seconds(30)
            while let notice = next(until: deadline) {
                if let value = body(notice) { return value }
            }
            return nil
        }

        private func next(until deadline: MonotonicTime) -> LogThread.Notice? {
            taken.withLock { taken in
                if taken.isEmpty { taken = mailbox.take(until: deadline) }
                return taken.isEmpty ? nil : taken.removeFirst()
            }
        }

        func durable(_ sequence: UInt64) -> Bool {
            first { if case .durable(let through, _) = $0, through >= sequence { true } else { nil } } ?? false
        }
    }

    private let storage = MemoryStorage()
    private let told = Told()

    private func thread(_ settings: LogThread.Settings = LogThread.Settings()) throws -> LogThread {
        LogThread(
            log: try Log.open(storage).log, storage: storage, settings: settings,
            clocks: { Now(monotonic: LinkClock.now(), wall: .at(2_000)) }, notify: { [told] in told.put($0) })
    }

    private func read(_ thread: LogThread, through: UInt64 = 0) -> Result<TopicPage, StorageError>? {
        let replies = DiskMailbox<Result<TopicPage, StorageError>>()
        thread.read(
            TopicRead(
                topic: .news, generation: 1, mode: .following(cursor: Cursor(), after: 0, through: through),
                messageLimit: 10_000, byteLimit: 1 << 24)
        ) { replies.put($0) }
        return replies.take(until: LinkClock.now() + .seconds(30)).first
    }

    @Test("writes in order, syncs, and tells how far")
    func durable() throws {
        var author = Author()
        let thread = try thread()
        thread.append([author.creation()])
        for _ in 0..<500 { thread.append([author.message()]) }
        #expect(told.durable(501))
        #expect(try read(thread, through: 501)?.get().sequences == Array(2...501))
        thread.close()
        let (_, recovered) = try Log.open(storage)
        #expect(recovered.lastSequence == 501 && recovered.records == 501 && recovered.cut == nil)
        #expect(storage.contents.keys.contains { $0.hasPrefix("checkpoint") })
    }

    @Test("syncs what nobody waits for with the next record that somebody waits for")
    func patient() throws {
        var author = Author()
        var settings = LogThread.Settings()
        settings.syncDelay = .seconds(3_600)
        let thread = try thread(settings)
        thread.append([author.creation()])
        #expect(told.durable(1))
        for _ in 0..<3 {
            let message = author.message()
            thread.append([Sequenced(sequence: message.sequence, record: message.record, isPatient: true)])
        }
        #expect(try read(thread, through: 4)?.get().sequences == [2, 3, 4], "written, and to be read, at once")
        thread.append([author.message()])
        let next = told.first { if case .durable(let through, let isAwaited) = $0 { (through, isAwaited) } else { nil } }
        #expect(next?.0 == 5 && next?.1 == true, "the first sync after them is the one for the last, which is waited for")
        thread.close()
    }

    @Test("syncs what nobody waits for when the delay is over")
    func delayed() throws {
        var author = Author()
        let thread = try thread()
        thread.append([author.creation()])
        #expect(told.durable(1))
        let message = author.message()
        thread.append([Sequenced(sequence: message.sequence, record: message.record, isPatient: true)])
        let next = told.first { if case .durable(let through, let isAwaited) = $0 { (through, isAwaited) } else { nil } }
        #expect(next?.0 == 2 && next?.1 == false)
        thread.close()
    }

    @Test("writes and syncs what nobody waits for without being woken for it, while it keeps coming")
    func gathered() throws {
        var author = Author()
        var settings = LogThread.Settings()
        // However long a test takes, the thread rests.
        settings.writeDelay = .seconds(3_600)
        let thread = try thread(settings)
        thread.append([author.creation()])
        #expect(told.durable(1))
        for _ in 0..<3 {
            let messages = (0..<20).map { _ in author.message() }
            for message in messages {
                let batch = [Sequenced(sequence: message.sequence, record: message.record, isPatient: true)]
                #expect(!thread.enqueue(batch, bytes: 600))
            }
            #expect(told.durable(messages.last!.sequence))
        }
        thread.close()
    }

    @Test("tells of a topic what was put down before it was asked, though nobody waits for that")
    func readsWhatWaits() throws {
        var author = Author()
        var settings = LogThread.Settings()
        settings.writeDelay = .seconds(3_600)
        let thread = try thread(settings)
        thread.append([author.creation()])
        #expect(told.durable(1))
        for count in 1...20 as ClosedRange<UInt64> {
            let message = author.message()
            let batch = [Sequenced(sequence: message.sequence, record: message.record, isPatient: true)]
            _ = thread.enqueue(batch, bytes: 600)
            let answers = DiskMailbox<TopicStatistics>()
            thread.statistics(of: .news, generation: 1) { answers.put($0) }
            #expect(answers.take(until: LinkClock.now() + .seconds(30)).first?.messages == count)
        }
        thread.close()
    }

    @Test("lets a read wait for what it asks for, and answers it with an error when it closes before")
    func waiting() throws {
        var author = Author()
        let thread = try thread()
        let replies = DiskMailbox<Result<TopicPage, StorageError>>()
        for through in [2, 3] as [UInt64] {
            thread.read(
                TopicRead(
                    topic: .news, generation: 1, mode: .following(cursor: Cursor(), after: 0, through: through),
                    messageLimit: 10, byteLimit: 1_000)
            ) { replies.put($0) }
        }
        thread.append([author.creation()])
        thread.append([author.message()])
        #expect(try replies.take(until: LinkClock.now() + .seconds(30)).first?.get().sequences == [2])
        thread.close()
        #expect(throws: StorageError.failed("the log is closed")) {
            try replies.take(until: LinkClock.now() + .seconds(30)).first?.get()
        }
    }

    @Test("says that the disk is full, serves reads meanwhile, and writes in order what waited once there is room")
    func full() throws {
        var author = Author()
        var settings = LogThread.Settings()
        settings.retryInterval = .milliseconds(1)
        settings.backlogLimit = 500
        let thread = try thread(settings)
        thread.append([author.creation(), author.message()])
        #expect(told.durable(2))
        storage.capacity = storage.size
        thread.append([author.message()])
        #expect(told.first { if case .stalled(.full) = $0 { true } else { nil } } == true)
        for _ in 0..<10 { thread.append([author.message()]) }
        #expect(!thread.hasRoom)
        #expect(try read(thread)?.get().sequences == [2])
        storage.capacity = .max
        #expect(told.first { if case .recovered = $0 { true } else { nil } } == true)
        #expect(told.durable(13))
        #expect(try read(thread, through: 13)?.get().sequences == Array(2...13))
        #expect(thread.hasRoom)
        thread.close()
    }

    @Test("serves what is written to who waits for more while the disk is full, and the rest once it has room")
    func readsWhileFull() throws {
        var author = Author()
        var settings = LogThread.Settings()
        settings.retryInterval = .milliseconds(1)
        let thread = try thread(settings)
        thread.append([author.creation(), author.message()])
        #expect(told.durable(2))
        storage.capacity = storage.size
        thread.append([author.message()])
        #expect(told.first { if case .stalled(.full) = $0 { true } else { nil } } == true)
        // The third is known, so that a reader asks for it; what is there comes at once.
        #expect(try read(thread, through: 3)?.get().sequences == [2])
        storage.capacity = .max
        #expect(told.first { if case .recovered = $0 { true } else { nil } } == true)
        #expect(try read(thread, through: 3)?.get().sequences == [2, 3])
        thread.close()
    }

    @Test("says that a sync takes too long, and that it is done when it is, with nothing lost")
    func slowSync() throws {
        var author = Author()
        var settings = LogThread.Settings()
        settings.slowSyncLimit = .milliseconds(20)
        let thread = try thread(settings)
        let gate = DiskMailbox<Bool>()
        storage.onSync { _ = gate.take(until: LinkClock.now() + .seconds(30)) }
        thread.append([author.creation(), author.message()])
        #expect(told.first { if case .slow(.milliseconds(20)) = $0 { true } else { nil } } == true)
        #expect(try read(thread)?.get().sequences == [2], "reads go on")
        storage.onSync {}
        gate.put(true)
        #expect(told.durable(2))
        #expect(told.first { if case .recovered = $0 { true } else { nil } } == true)
        thread.close()
    }

    @Test("says that a sync failed, tells nothing durable after, and reads on")
    func failedSync() throws {
        var author = Author()
        let thread = try thread()
        thread.append([author.creation(), author.message()])
        #expect(told.durable(2))
        storage.syncFailure = .failed("input/output error")
        thread.append([author.message()])
        let error = told.first { if case .failed(let error) = $0 { error } else { nil } }
        #expect(error == .failed("input/output error"))
        storage.syncFailure = nil
        thread.append([author.message()])
        #expect(try read(thread)?.get().sequences == [2, 3])
        thread.close()
        #expect(try Log.open(storage).recovered.lastSequence == 3)
    }

    @Test("keeps house, and gives statistics and scans")
    func housekeeping() throws {
        var author = Author()
        var settings = LogThread.Settings()
        settings.housekeepingInterval = .milliseconds(1)
        var log = try Log.open(storage, settings: .small).log
        try log.keep([author.creation(retention: Retention(messages: 1))])
        for _ in 0..<30 { try log.keep([author.message()]) }
        let thread = LogThread(
            log: log, storage: storage, settings: settings,
            clocks: { Now(monotonic: LinkClock.now(), wall: .at(2_000)) }, notify: { [told] in told.put($0) })
        #expect(told.first { if case .housekeeping(let done) = $0 { done.dropped > 0 } else { nil } } == true)
        let statistics = DiskMailbox<TopicStatistics>()
        thread.statistics(of: .news, generation: 1) { statistics.put($0) }
        #expect(statistics.take(until: LinkClock.now() + .seconds(30)).first?.messages == 1)
        let chunks = DiskMailbox<Result<ScanChunk, StorageError>>()
        let none = [UInt64](repeating: 0, count: Slot.count)
        thread.scan(JournalScan(origin: .first, from: 1, expected: none, byteLimit: 1_000)) { chunks.put($0) }
        let chunk = try #require(try chunks.take(until: LinkClock.now() + .seconds(30)).first?.get())
        #expect(chunk.reachedEnd && chunk.needsSnapshot)
        thread.close()
    }
}
