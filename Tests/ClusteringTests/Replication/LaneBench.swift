import Clustering
import Journal
import Model

/// A ledger without a log: a sequencer, and what it sequenced.
final class BenchLedger: ReplicaLedger {
    var sequencer: Sequencer
    var batch: [Sequenced] = []

    init(node: UInt64) {
        let origin = Origin(node: NodeID(rawValue: node), epoch: Epoch(rawValue: node * 100))
        sequencer = Sequencer(start: SequencerStart(origin: origin))
    }

    var origin: Origin { sequencer.origin }
    var vector: VersionVector { sequencer.vector }
    var registry: Registry { sequencer.registry }

    func admit(_ records: [Record]) -> (taken: [Bool], sequence: UInt64) {
        let taken = records.map { sequencer.admit($0, at: WallTime(milliseconds: 1_000), into: &batch) == .taken }
        return (taken, sequencer.sequence)
    }

    func skip(_ run: AbsentRun) -> Bool { sequencer.skip(run) }

    func raise(_ heads: [MemoryHead]) {
        for head in heads { sequencer.raiseHead(of: head.topic, head.partition, to: head.offset, into: &batch) }
    }

    func memoryHead(of place: MemoryPlace) -> UInt64? { sequencer.memoryHead(of: place.topic, place.partition) }

    func memoryHeads(matching filters: [TopicFilter]) -> [MemoryHead] { [] }
}

/// One side of a lane, with what it wants done.
struct LaneEnd {
    var replication: Replication
    let ledger: BenchLedger
    var boot: Boot
    var frames: [[UInt8]] = []
    var reads: [(ReadPurpose, JournalRead)] = []
    var replicatedThrough: UInt64 = 0
    var shifts: [PresenceShift] = []
    /// What came for this side's event loops.
    var errands: [String] = []
    var lost: [ErrandParcel] = []
    /// Whose announcements every reachable peer has taken.
    var confirmed: [UInt64] = []
    var outdated: [(peer: NodeID, version: UInt8)] = []
    var mended: [Record] = []
    var resolved: [(run: AbsentRun, outcome: WantOutcome)] = []

    var id: NodeID { ledger.origin.node }

    init(node: UInt64, _ settings: ReplicationSettings = ReplicationSettings()) {
        ledger = BenchLedger(node: node)
        boot = Boot(high: node, low: node)
        replication = Replication(
            settings: settings, own: ledger.origin, vector: VersionVector(), sequence: 0, members: 2)
    }

    /// Lets the core decide something, with what it sequenced meanwhile, and keeps what it wants done.
    mutating func act(_ body: (inout Replication, BenchLedger, inout [ReplicationEffect]) -> Void) {
        var effects: [ReplicationEffect] = []
        body(&replication, ledger, &effects)
        while !ledger.batch.isEmpty {
            let batch = ledger.batch
            ledger.batch = []
            replication.sequenced(batch, at: .zero, into: &effects)
        }
        for effect in effects {
            switch effect {
            case .send(_, let frame): frames.append(frame)
            case .read(let purpose, let read): reads.append((purpose, read))
            case .replicated(let through): replicatedThrough = through
            case .presence(let more): shifts += more
            case .outdated(let peer, let version): outdated.append((peer, version))
            case .errand(_, let bytes, _): errands.append(String(decoding: bytes, as: UTF8.self))
            case .errandLost(let parcel): lost.append(parcel)
            case .interestConfirmed(_, let id): confirmed.append(id)
            case .mend(let records): mended += records
            case .resolve(let run, let outcome): resolved.append((run, outcome))
            case .readRing, .cycle, .malformed: break
            }
        }
    }

    /// Sequences something of its own.
    mutating func write(_ body: (inout Sequencer, WallTime, inout [Sequenced]) -> Void) {
        act { _, ledger, _ in body(&ledger.sequencer, WallTime(milliseconds: 1_000), &ledger.batch) }
    }

    mutating func sync() {
        act { replication, ledger, effects in
            replication.synced(through: ledger.sequencer.sequence, at: .zero, into: &effects)
        }
    }

    mutating func advance(to now: MonotonicTime) {
        act { replication, ledger, effects in replication.advance(to: now, ledger: ledger, into: &effects) }
    }
}

/// Two nodes and the frames between them.
struct LaneBench {
    var left: LaneEnd
    var right: LaneEnd

    /// - Parameter rightVersions: what the right speaks; with the left it agrees on the highest that both do.
    init(_ settings: ReplicationSettings = ReplicationSettings(), rightVersions: WireVersions = .spoken) {
        left = LaneEnd(node: 1, settings)
        var rightSettings = settings
        rightSettings.versions = rightVersions
        right = LaneEnd(node: 2, rightSettings)
        open(in: settings.versions.common(with: rightVersions)!)
    }

    /// Opens a session between the two as they are.
    private mutating func open(in version: UInt8) {
        let (leftBoot, rightBoot) = (left.boot, right.boot)
        left.act { $0.opened(NodeID(rawValue: 2), boot: rightBoot, version: version, at: .zero, into: &$2) }
        right.act { $0.opened(NodeID(rawValue: 1), boot: leftBoot, version: version, at: .zero, into: &$2) }
    }

    /// Ends the right's process, and begins another on what it had sequenced, which speaks all versions.
    mutating func upgradeRight() {
        let sequencer = right.ledger.sequencer
        right = LaneEnd(node: 2)
        right.ledger.sequencer = Sequencer(
            start: SequencerStart(
                origin: Origin(node: right.id, epoch: Epoch(rawValue: 9_000)), sequence: sequencer.sequence,
                vector: sequencer.vector, registry: sequencer.registry))
        right.boot = Boot(high: 2, low: 9_000)
        right.replication = Replication(
            settings: ReplicationSettings(), own: right.ledger.origin, vector: sequencer.vector,
            sequence: sequencer.sequence, members: 2)
        (left.frames, right.frames) = ([], [])
        open(in: WireVersions.spoken.highest)
    }

    /// Delivers what the left has sent so far; what `isLost` accepts is lost.
    mutating func deliverRight(at now: MonotonicTime = .zero, losing isLost: (Int) -> Bool = { _ in false }) {
        let frames = left.frames
        left.frames = []
        for (index, frame) in frames.enumerated() where !isLost(index) {
            right.act { [left] in $0.receive(frame, from: left.id, boot: left.boot, at: now, ledger: $1, into: &$2) }
        }
    }

    mutating func deliverLeft(at now: MonotonicTime = .zero) {
        let frames = right.frames
        right.frames = []
        for frame in frames {
            left.act { [right] in $0.receive(frame, from: right.id, boot: right.boot, at: now, ledger: $1, into: &$2) }
        }
    }

    /// Delivers both ways until nothing is under way.
    mutating func settle(at now: MonotonicTime = .zero) {
        while !left.frames.isEmpty || !right.frames.isEmpty {
            deliverRight(at: now)
            deliverLeft(at: now)
        }
    }
}
