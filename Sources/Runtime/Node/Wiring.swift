import Clustering
import Journal
import Logging
import Model
import Synchronization

/// Joins parts that are made one after the other and call each other: what is said before all are there is kept.
final class Wiring: Sendable {
    private let state = Mutex(State())

    private struct State {
        var log: LogThread?
        var control: ControlDriver?
        var ledger: SharedLedger?
        var logger: Logger?
        var ports: (@Sendable () -> [FrontPort])?
        var repairs = (counters: RepairCounters(), pending: 0)
        var mustWakeLog = false
        var mustWakeControl = false
    }

    func connect(log: LogThread, control: ControlDriver, ledger: SharedLedger, logger: Logger) {
        state.withLock {
            $0.log = log
            $0.control = control
            $0.ledger = ledger
            $0.logger = logger
        }
    }

    func onAttached(_ ports: @escaping @Sendable () -> [FrontPort]) { state.withLock { $0.ports = ports } }

    /// Whether the log thread keeps up.
    var hasRoom: Bool { state.withLock { $0.log }?.hasRoom ?? true }

    /// Hands a batch on, in the order of local sequence; called under the sequencer's lock, so it only enqueues.
    func post(_ batch: [Sequenced]) {
        state.withLock { state in
            guard let log = state.log, let control = state.control else {
                preconditionFailure("nothing is sequenced before the parts are joined")
            }
            let bytes = LogLoop.cost(of: batch)
            if log.enqueue(batch, bytes: bytes) { state.mustWakeLog = true }
            if control.enqueue(sequenced: batch, bytes: bytes) { state.mustWakeControl = true }
        }
    }

    /// Wakes whom a batch waits for; called after the lock.
    ///
    /// - Parameter sparesLog: whether the log's thread is left asleep until the next call that does not spare it.
    func wake(sparesLog: Bool) {
        let (log, control) = state.withLock { state in
            let wakesLog = state.mustWakeLog && !sparesLog
            defer {
                if wakesLog { state.mustWakeLog = false }
                state.mustWakeControl = false
            }
            return (wakesLog ? state.log : nil, state.mustWakeControl ? state.control : nil)
        }
        log?.wake()
        control?.wake()
    }

    /// What the log has counted of damage, and how many stretches may still come back.
    var repairs: (counters: RepairCounters, pending: Int) { state.withLock { $0.repairs } }

    func replicated(_ sequence: UInt64) {
        for port in state.withLock({ $0.ports })?() ?? [] { port.replicated(through: sequence) }
    }

    func presenceChanged(_ events: [PresenceEvent]) {
        for port in state.withLock({ $0.ports })?() ?? [] { port.presenceChanged(events) }
    }

    func peersChanged(_ peers: [Origin]) {
        for port in state.withLock({ $0.ports })?() ?? [] { port.peersChanged(peers) }
    }

    /// Passes on what the log thread says.
    func notice(_ notice: LogThread.Notice) {
        let (control, ledger, logger, ports) = state.withLock { ($0.control, $0.ledger, $0.logger, $0.ports) }
        switch notice {
        case .durable(let sequence, let isAwaited):
            let ports = ports?() ?? []
            for port in ports { port.durable(through: sequence) }
            control?.synced(through: sequence, isAwaited: isAwaited)
            // A repeat may wait for a message that was patient when it first came: it looks after it has begun to wait, and
            // here somebody looks whether it waits, so that one of both finds the other.
            if ports.contains(where: \.replicas.isAwaited) { control?.syncIsAwaited() }
        case .stalled(let error):
            logger?.error("the disk takes no records: publishes are refused", metadata: ["error": "\(error)"])
            ledger?.setTrouble("this node's disk takes no records: \(error)")
            control?.post(.accepting(false))
        case .slow(let limit):
            let seconds = limit.components.seconds
            logger?.error("the disk is slow: publishes are refused", metadata: ["sync-seconds": "\(seconds)"])
            ledger?.setTrouble("this node's disk is slow: a sync has taken more than \(seconds) s")
            control?.post(.accepting(false))
        case .recovered:
            logger?.notice("the disk takes records again")
            ledger?.setTrouble(nil)
            control?.post(.accepting(true))
        case .failed(let error):
            logger?.critical("the disk failed to sync: nothing more is accepted", metadata: ["error": "\(error)"])
            ledger?.setTrouble("this node's disk failed to sync, it accepts nothing until it is started anew: \(error)")
            control?.post(.accepting(false))
        case .housekeeping(let done):
            logger?.debug("log kept in order", metadata: ["dropped": "\(done.dropped)", "rewritten": "\(done.rewritten)"])
        case .damaged(let found):
            for hole in found.holes {
                logger?.error(
                    "a part of the log is damaged; it is not served, and peers are asked for what stood there",
                    metadata: ["place": "\(hole)"])
            }
            control?.post(.wanting(found.wanted))
        case .mended(let mended):
            logger?.notice(
                "a damaged segment was written anew with what peers hold",
                metadata: ["file": "\(mended.file)", "records": "\(mended.records)"])
        case .repairs(let counters, let pending): state.withLock { $0.repairs = (counters, pending) }
        case .housekeepingFailed(let error):
            logger?.warning("the log could not be kept in order", metadata: ["error": "\(error)"])
        }
    }
}

extension JournalScan {
    /// What a lane asks for, as the log is asked.
    init(_ read: JournalRead) {
        if let run = read.run {
            self.init(run, from: read.from, byteLimit: read.byteLimit)
        } else {
            self.init(origin: read.origin, from: read.from, expected: read.after, byteLimit: read.byteLimit)
        }
    }
}

extension JournalChunk {
    /// What the log gave, as a lane takes it.
    init(_ chunk: ScanChunk) {
        self.init(
            items: chunk.items.map { item in
                switch item {
                case .record(let record): .record(record)
                case .absent(let run): .absent(run)
                }
            },
            next: chunk.nextSequence, isAtEnd: chunk.reachedEnd, needsSnapshot: chunk.needsSnapshot,
            isHeldUp: chunk.isHeldUp)
    }
}

extension RingChunk {
    /// What a ring gave, as a lane takes it.
    init(_ items: [RingItem], of place: MemoryPlace) {
        self.init(
            place: place,
            items: items.map { item in
                switch item {
                case .record(let record): .record(record)
                case .lost(let offsets): .lost(offsets)
                }
            })
    }
}

extension ControlPlane.Input {
    /// What the bus says, as the control plane takes it; nil for what concerns the bus alone.
    init?(_ event: BusEvent) {
        switch event {
        case .opened(let node, let boot, let version): self = .opened(node, boot: boot, version: version)
        case .frame(let node, let boot, let frame): self = .frame(frame, from: node, boot: boot)
        case .writable, .closed: return nil
        }
    }

    init(_ event: GossipEvent) {
        switch event {
        case .met(let node, let boot, let endpoint): self = .met(node, boot: boot, at: endpoint)
        case .packet(let node, _, let endpoint, let packet): self = .packet(packet, from: node, at: endpoint)
        }
    }
}
