import Broker
import Clustering
import Journal
import Logging
import Model
import NIOCore
import NIOPosix
import Synchronization

/// Everything of a node behind its front: log, sequencer, control plane and links, joined.
package final class Engine: Sendable {
    package let identity: NodeIdentity
    let settings: EngineSettings
    let logger: Logger
    let ledger: SharedLedger
    let log: LogThread
    let queries: QueryDesk
    let control: ControlDriver
    let bus: NanomsgBus
    let gossip: GossipSocket
    let wiring: Wiring
    let backups: Backups
    private let lock: DirectoryLock
    let tell: @Sendable (EngineEvent) -> Void
    private let group: MultiThreadedEventLoopGroup
    private let nextInterest = Atomic<UInt64>(1)
    /// By the numbers of their loops.
    let ports: Mutex<[Int: FrontPort]>
    let usage: ProcessUsage
    private let counting: Mutex<Task<Void, Never>?>
    let isStopping = Atomic<Bool>(false)
    private let runner = Mutex<ScheduleRunner?>(nil)

    /// Opens the data directory, takes a fresh epoch, recovers the log, and starts log thread, control plane and links.
    ///
    /// What a node held that was removed from its cluster is set aside, and it begins anew as another.
    ///
    /// - Parameter tell: called with what the engine cannot do by itself.
    package init(
        settings: EngineSettings, logger: Logger, tell: @escaping @Sendable (EngineEvent) -> Void
    ) async throws {
        self.settings = settings
        self.logger = logger
        self.tell = tell
        lock = try DirectoryLock(directory: settings.directory)
        let (storage, run, opened, recovered) = try Self.open(settings, logger)
        identity = NodeIdentity(id: run.node, name: settings.name, cluster: settings.cluster)
        let boot = Boot.random(using: systemLinkRandom)

        usage = ProcessUsage(at: settings.clock().monotonic)
        let wiring = Wiring()
        self.wiring = wiring
        let clock = settings.clock
        ledger = SharedLedger(
            sequencer: Sequencer(start: SequencerStart(origin: run.origin, recovered: recovered)), loops: settings.loops,
            clock: { clock().wall }, post: { wiring.post($0) }, posted: { wiring.wake(sparesLog: $0) }, hasRoom: { wiring.hasRoom })
        log = LogThread(log: opened, storage: storage, settings: settings.logThread, clocks: clock) { wiring.notice($0) }
        backups = Backups(log: log, storage: storage, identity: identity, epoch: run.epoch, clock: clock)
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        queries = QueryDesk(
            settings: settings.queries,
            source: QuerySource(log: log, storage: storage) { [ledger] in ledger.read { $0.sequence } },
            timers: group.next())
        var replication = ReplicationSettings()
        replication.replicas = settings.replicas
        replication.minimumMembers = settings.join.isEmpty ? 1 : 2
        replication.versions = settings.versions
        let local = try LocalMember(
            id: run.node, name: settings.name, boot: boot, epochMilliseconds: UInt64(run.epoch.start.milliseconds),
            gossip: settings.advertisedGossip, bus: settings.advertisedBus, fronts: settings.advertisedFronts,
            wireVersion: settings.versions.highest)
        let plane = ControlPlane(
            membership: Membership(
                local: local, settings: settings.membership, random: RandomSource(seed: systemLinkRandom()),
                at: clock().monotonic),
            replication: Replication(
                settings: replication, own: run.origin, vector: recovered.vector, sequence: recovered.lastSequence,
                members: max(1, recovered.registry.members.keys.count { $0 != run.node } + 1)))
        control = try await ControlDriver(
            loop: group.next(), plane: plane, ledger: PeerLedger(shared: ledger) { [log] in log.skip($0) }, clock: clock,
            logger: logger)
        wiring.connect(log: log, control: control, ledger: ledger, logger: logger)

        let link = LinkIdentity(
            node: run.node, boot: boot, cluster: settings.cluster, messageLimit: settings.messageLimit,
            advertised: settings.advertisedBus, versions: settings.versions)
        bus = try NanomsgBus(identity: link, keys: settings.keys, listen: settings.bus) { [control] events in
            control.post(events.compactMap(ControlPlane.Input.init))
        }
        do {
            gossip = try GossipSocket(identity: link, keys: settings.keys, listen: settings.gossip) { [control] events in
                control.post(events.map(ControlPlane.Input.init))
            }
        } catch {
            bus.close()
            throw error
        }
        ports = Mutex([:])
        counting = Mutex(nil)
        let outlets = ControlOutlets(
            bus: bus, gossip: gossip,
            read: { [log] read, reply in log.scan(JournalScan(read)) { reply(Self.chunk(from: $0, logger: logger)) } },
            readRing: { [log] read, reply in
                log.ring(of: read.place.topic, read.place.partition, after: read.after, byteLimit: read.byteLimit) {
                    reply(RingChunk($0, of: read.place))
                }
            },
            mend: { [log] records in log.mend(records) },
            resolve: { [log] run, outcome in log.resolve(run, outcome == .settled ? .settled : .unavailable) },
            replicated: { wiring.replicated($0) }, presence: { wiring.presenceChanged($0) },
            peers: { wiring.peersChanged($0) },
            errand: { [self] bytes, loop, peer in deliver(bytes, to: loop, from: peer) },
            conflict: {
                tell(.failed(
                    "another living process has this node's id \(run.node), and the other nodes keep to that one: a copy of "
                        + "a data directory must not run beside its original. Stop the other first, or begin with an "
                        + "empty directory"))
            },
            removed: { [self] in
                // Its own log is to say so too, and what it held is set aside at the next start.
                if ledger.read({ $0.registry.departed[run.node] }) == nil {
                    _ = record(DepartureRecord(node: run.node, name: settings.name, user: ""))
                }
                tell(.removed)
            })
        wiring.onAttached { [self] in attachedPorts }
        control.start(outlets)
        log.beginRepairs()
        let now = clock().wall
        ledger.sequence(from: nil) { sequencer, batch in sequencer.introduce(name: settings.name, at: now, into: &batch) }
        startCounting()
        let runner = ScheduleRunner(engine: self)
        self.runner.withLock { $0 = runner }
        runner.start()
    }

    /// Begins a run on what the data directory holds; where the node was removed from its cluster, on nothing.
    private static func open(
        _ settings: EngineSettings, _ logger: Logger
    ) throws -> (DirectoryStorage, Journal.NodeIdentity, Log, Recovered) {
        var random = SystemRandomNumberGenerator()
        let storage = try DirectoryStorage(path: settings.directory)
        let run = try Journal.NodeIdentity.begin(in: storage, at: settings.clock().wall, random: &random)
        let (opened, recovered) = try Log.open(storage, settings: settings.log, at: settings.clock().wall)
        report(recovered, logger: logger)
        guard let departure = recovered.registry.departed[run.node] else { return (storage, run, opened, recovered) }
        let place = try SetAside.perform(in: settings.directory, run)
        let empty = try DirectoryStorage(path: settings.directory)
        let next = try Journal.NodeIdentity.begin(in: empty, at: settings.clock().wall, random: &random)
        let (log, nothing) = try Log.open(empty, settings: settings.log, at: settings.clock().wall)
        report(departure, of: run.node, now: next.node, place, logger: logger)
        return (empty, next, log, nothing)
    }

    /// Joins the nodes that the settings name, and waits until one answered, at most `patience`. Gives whether one did.
    package func join(patience: Duration) async throws -> Bool {
        guard !settings.join.isEmpty else { return true }
        control.post(.join(settings.join))
        let deadline = settings.clock().monotonic + patience
        while settings.clock().monotonic < deadline {
            if try await control.inspect({ plane, _ in plane.members.count > 1 }) { return true }
            try await Task.sleep(for: .milliseconds(20))
        }
        return false
    }

    /// Says in ``unreadiness()`` that the node is about to stop.
    package func announceStop() { isStopping.store(true, ordering: .relaxed) }

    /// Announces that the node stops, lets lanes empty for at most `patience`, and closes links, log and directory.
    package func stop(patience: Duration) async {
        counting.withLock { $0?.cancel() }
        // The runner holds the engine, so it is let go.
        runner.withLock { runner in
            runner?.stop()
            runner = nil
        }
        control.post(.stopping)
        let deadline = settings.clock().monotonic + patience
        while settings.clock().monotonic < deadline {
            guard let isBusy = try? await control.inspect({ plane, now in plane.hasUnreceivedFrames(at: now) }), isBusy
            else { break }
            do { try await Task.sleep(for: .milliseconds(20)) } catch { break }
        }
        bus.close()
        gossip.close()
        do { try await queries.close() } catch {
            logger.warning("the threads of queries did not stop in an orderly way", metadata: ["error": "\(error)"])
        }
        log.close()
        lock.release()
        do { try await group.shutdownGracefully() } catch {
            logger.warning("the control loop did not stop in an orderly way", metadata: ["error": "\(error)"])
        }
    }

    var attachedPorts: [FrontPort] { ports.withLock { ports in ports.sorted { $0.key < $1.key }.map(\.value) } }

    func takeInterestID() -> UInt64 { nextInterest.add(1, ordering: .relaxed).oldValue }

    /// Tells peers once a second how many subscribers each topic has here, where that changed.
    private func startCounting() {
        counting.withLock {
            $0 = Task { [weak self] in
                var deviation: Int64 = 0
                while !Task.isCancelled {
                    do { try await Task.sleep(for: .seconds(1)) } catch { return }
                    guard let self else { return }
                    self.reportJump(from: &deviation)
                    var counts: [TopicName: UInt64] = [:]
                    for port in self.attachedPorts {
                        counts.merge(await port.subscriberCounts()) { $0 + $1 }
                    }
                    self.control.post(.subscribers(counts))
                }
            }
        }
    }

    /// Tells the operator when the system's clock has jumped, and when it is followed again.
    private func reportJump(from known: inout Int64) {
        let deviation = SystemCalendar.shared.deviation
        defer { known = deviation }
        if deviation != 0, abs(deviation - known) > Calendar.tolerance.milliseconds {
            logger.warning(
                "the system's clock has jumped: the node goes on by its own pace, and believes the clock after ten minutes",
                metadata: ["seconds": "\(deviation / 1_000)"])
        } else if deviation == 0, known != 0 {
            logger.notice("the system's clock is followed again")
        }
    }

    private static func chunk(from result: Result<ScanChunk, StorageError>, logger: Logger) -> JournalChunk? {
        switch result {
        case .success(let chunk): return JournalChunk(chunk)
        case .failure(let error):
            logger.error("the log could not be read for a peer", metadata: ["error": "\(error)"])
            return nil
        }
    }

    private static func report(
        _ departure: Registry.Departure, of former: NodeID, now node: NodeID, _ place: String, logger: Logger
    ) {
        logger.warning(
            "this node was removed from its cluster: what it held is set aside, and it begins empty under a new id",
            metadata: [
                "former": "\(former)", "node": "\(node)", "removed-by": "\(departure.stamp.origin.node)",
                "user": "\(departure.record.user)", "set-aside": "\(place)",
            ])
    }

    private static func report(_ recovered: Recovered, logger: Logger) {
        logger.info(
            "log opened", metadata: ["records": "\(recovered.records)", "sequence": "\(recovered.lastSequence)"])
        if let cut = recovered.cut {
            logger.notice("an unfinished write was cut off the log", metadata: ["place": "\(cut)"])
        }
        for file in recovered.damagedFiles {
            logger.error("a checkpoint could not be read and was passed over", metadata: ["file": "\(file)"])
        }
    }
}
