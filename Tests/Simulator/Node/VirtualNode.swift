import Clustering
import Journal
import Model

/// One node: a disk that outlives its processes, and the process that runs at present.
package final class VirtualNode {
    /// What a node is set up with.
    package struct Settings {
        package var replication = ReplicationSettings()
        package var log = LogSettings()
        package var membership = MembershipSettings()
        package var loops = 1
        /// How far its clock is off.
        package var skew: Duration = .zero
        /// Whether its clock is set right before a process starts, as a machine does that asks a time server when it boots.
        package var setsClockAtStart = false
        /// How long its clock must stand where it jumped to before it is believed.
        package var clockPatience = Calendar.patience
        /// What is wrong with it, to see whether the checks find it.
        package var flaw: Flaw?

        package init() {}
    }

    /// A planted bug.
    package enum Flaw: CaseIterable, Sendable {
        /// Says that records are stored when they are only written.
        case acknowledgesBeforeSync
        /// Throws the records of a lane's frame away, now and then, and acknowledges it.
        case dropsRecordsOfFrames
        /// Skips one frame of a lane with records in it, and acknowledges it.
        case skipsFrame
        /// Goes on with the offsets that its disk shows after a restart, in the epoch that it had before.
        case reusesOffsets
        /// Delivers a loop's mail only in part, now and then.
        case losesMail
        /// Throws the memory topics' records of a lane's frame away, now and then, and acknowledges it: nothing that
        /// subscribers may notice.
        case dropsMemoryRecordsOfFrames

        /// The flaws that break a promise.
        package static let harmful: [Flaw] = allCases.filter { $0 != .dropsMemoryRecordsOfFrames }
    }

    /// How a process ends.
    package enum End: CaseIterable, Sendable {
        /// Everything written stays in the files.
        case killed
        /// What was not synced is lost in part.
        case powerLost
    }

    package let index: Int
    package let id: NodeID
    package var settings: Settings
    package private(set) var storage = MemoryStorage()
    /// How many times as long as the weather says its disk takes for everything.
    package var slowness = 1
    /// Whether the flaw that happens once has happened.
    var hasSkippedFrame = false
    package private(set) var process: VirtualProcess?
    /// Whether it has learnt that an operator removed it; it does not start again.
    package internal(set) var isRemoved = false
    /// Told when a process has started.
    package var onStart: (VirtualProcess) -> Void = { _ in }
    private unowned let world: World
    private var random: RandomSource
    private lazy var calendar = Calendar(system: clock, at: world.now, patience: settings.clockPatience)

    init(world: World, index: Int, settings: Settings, random: RandomSource) {
        self.world = world
        self.index = index
        self.settings = settings
        self.random = random
        id = NodeID(rawValue: UInt64(index + 1))
        do { try NodeIdentity(node: id, epoch: Epoch(rawValue: 0)).store(storage) } catch {
            preconditionFailure("an empty disk refused the identity: \(error)")
        }
    }

    package var isRunning: Bool { process != nil }

    /// What the node's clock says, jumps and all.
    private var clock: WallTime { WallTime(milliseconds: world.wall.milliseconds + settings.skew.milliseconds) }

    /// The calendar that the node's process goes by.
    package var wall: WallTime { calendar.time(system: clock, at: world.now) }

    /// Sets the node's clock forward or back.
    package func setClock(by distance: Duration) {
        settings.skew += distance
        world.note("clock jumps", node: index, UInt64(bitPattern: distance.milliseconds))
    }

    /// Starts a process on what the disk holds; false where the disk is too full for it.
    @discardableResult
    package func start() -> Bool {
        precondition(process == nil, "a node runs one process at a time")
        guard !isRemoved else { return false }
        do {
            if settings.setsClockAtStart { settings.skew = .zero }
            calendar = Calendar(system: clock, at: world.now, patience: settings.clockPatience)
            let identity = try takeIdentity()
            let (log, recovered) = try Log.open(storage, settings: settings.log, at: wall)
            let boot = Boot(high: random.next(), low: random.next())
            let process = VirtualProcess(
                world: world, node: self, identity: identity, boot: boot, log: log, recovered: recovered,
                random: random.split())
            self.process = process
            world.note("starts", node: index, identity.epoch.rawValue)
            process.begin()
            onStart(process)
            return true
        } catch LogError.storage(.full) {
            return false
        } catch {
            preconditionFailure("node \(index) cannot start: \(error)")
        }
    }

    /// Takes a fresh epoch, but where the flaw is to keep the old one.
    private func takeIdentity() throws(LogError) -> NodeIdentity {
        if settings.flaw == .reusesOffsets, let known = try NodeIdentity.load(storage), known.epoch.rawValue > 0 {
            return known
        }
        return try NodeIdentity.begin(in: storage, at: wall, random: &random)
    }

    /// Ends the process without a word.
    package func stop(_ end: End) {
        guard let process else { return }
        world.note("ends", node: index, end == .killed ? 0 : 1)
        process.end()
        self.process = nil
        if end == .powerLost {
            let capacity = storage.capacity
            storage = storage.afterPowerLoss(random: &random)
            storage.capacity = capacity
        }
    }

    /// A copy of everything on its disk, as a backup would have it.
    package func copyDisk() -> MemoryStorage { MemoryStorage(storage.contents) }

    /// Puts an older copy of its disk in the place of what it has.
    package func restoreDisk(_ copy: MemoryStorage) {
        precondition(process == nil, "a running process needs its disk")
        storage = copy
        world.note("restores", node: index)
    }

    /// The files of closed segments, oldest first; while no process runs also the last one's.
    package var segmentFiles: [String] { storage.contents.keys.filter { $0.hasPrefix("log-") }.sorted() }

    /// Damages one of the files at a place that chance chooses: bits turn over, a stretch becomes zeros, or the end is
    /// gone.
    package func damage(_ file: String, random: inout RandomSource) {
        let size = storage.contents[file]?.count ?? 0
        guard size > 0 else { return }
        let position = Int.random(in: 0..<size, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0, 1: storage.flip(bit: Int.random(in: 0..<8, using: &random), ofByte: position, in: file)
        case 2: storage.clear(position..<min(size, position + Int.random(in: 1...600, using: &random)), in: file)
        default: storage.cut(file, to: position)
        }
        world.note("damages", node: index, UInt64(position))
    }

    /// Gives the node an empty disk, as if it were lost for good.
    package func loseDisk() {
        precondition(process == nil, "a running process needs its disk")
        storage = MemoryStorage()
        do { try NodeIdentity(node: id, epoch: Epoch(rawValue: 0)).store(storage) } catch {
            preconditionFailure("an empty disk refused the identity: \(error)")
        }
    }
}
