import Broker
import Clustering
import Journal
import Model

/// One run of a node: its ledger, log thread, control plane and loops, joined as the real node joins them.
package final class VirtualProcess {
    package unowned let node: VirtualNode
    package let identity: NodeIdentity
    package let boot: Boot
    unowned let world: World
    let ledger: VirtualLedger
    package let disk: VirtualDisk
    package private(set) var plane: ControlPlane
    var links = VirtualLinks()
    private(set) var front: Front?
    /// Everything up to this local sequence is synced here, as loops were told.
    package private(set) var storedThrough: UInt64 = 0
    /// Everything of its own up to this local sequence is replicated, as loops were told.
    package private(set) var replicatedThrough: UInt64 = 0
    package private(set) var isRunning = true
    private var inbox: [ControlPlane.Input] = []
    private var isHandling = false
    private var tickAt = MonotonicTime.distantFuture

    init(
        world: World, node: VirtualNode, identity: NodeIdentity, boot: Boot, log: Log, recovered: Recovered,
        random: RandomSource
    ) {
        self.world = world
        self.node = node
        self.identity = identity
        self.boot = boot
        let origin = identity.origin
        let wall = { [unowned node] in node.wall }
        ledger = VirtualLedger(
            sequencer: Sequencer(start: SequencerStart(origin: origin, recovered: recovered)),
            loops: node.settings.loops,
            wall: wall)
        disk = VirtualDisk(world: world, node: node, log: log)
        storedThrough = recovered.lastSequence
        let endpoint = VirtualLinks.endpoint(of: node.index)
        // Two runs with one epoch are told apart by membership, unless it is deceived as well.
        let started = node.settings.flaw == .reusesOffsets ? node.wall : identity.epoch.start
        do {
            let local = try LocalMember(
                id: node.id, name: "node-\(node.index)", boot: boot,
                epochMilliseconds: UInt64(started.milliseconds), gossip: endpoint, bus: endpoint,
                fronts: [],
                wireVersion: LaneFrame.formatVersion)
            plane = ControlPlane(
                membership: Membership(
                    local: local, settings: node.settings.membership, random: random, at: world.now),
                replication: Replication(
                    settings: node.settings.replication, own: origin, vector: recovered.vector,
                    sequence: recovered.lastSequence,
                    members: recovered.registry.members.keys.count { $0 != node.id } + 1))
        } catch {
            preconditionFailure("a virtual node has a wrong record: \(error)")
        }
        disk.acknowledgesBeforeSync = node.settings.flaw == .acknowledgesBeforeSync
        front = Front(process: self)
    }

    /// The members by its registry, in order.
    package var members: [NodeID] { ledger.sequencer.registry.members.keys.sorted() }

    func begin() {
        ledger.onBatch = { [unowned self] batch, woken in
            disk.append(batch)
            inbox.append(.sequenced(batch))
            for loop in woken { front?.wake(loop) }
        }
        ledger.onSkip = { [unowned self] in disk.skip($0) }
        disk.onDurable = { [unowned self] sequence in
            storedThrough = sequence
            front?.stored(through: sequence)
            post(.synced(through: sequence))
        }
        disk.onStalled = { [unowned self] isStalled in
            world.note(isStalled ? "disk full" : "disk has room", node: node.index)
            ledger.trouble = isStalled ? "the disk takes no records" : nil
            post(.accepting(!isStalled))
        }
        disk.onDamage = { [unowned self] found in
            world.note("damage", node: node.index, UInt64(found.holes.count))
            post(.wanting(found.wanted))
        }
        ledger.sequence { [name = "node-\(node.index)"] sequencer, wall, batch in
            sequencer.introduce(name: name, at: wall, into: &batch)
        }
        disk.beginRepairs()
        post(.join(node.index == 0 ? [VirtualLinks.endpoint(of: 1)] : [VirtualLinks.endpoint(of: 0)]))
        sayHello()
        front?.begin()
        post(.tellPeers)
    }

    /// Ends without a word; nothing that was scheduled happens any more.
    func end() {
        isRunning = false
        disk.stop()
        front?.end()
    }

    /// Lets something happen later, if the process still runs then.
    func after(_ delay: Duration, _ action: @escaping () -> Void) {
        world.after(delay) { [weak self] in
            if let self, isRunning { action() }
        }
    }

    /// Tells an event loop of a node something, as the real node does: its bytes go over the lane.
    func carry(_ errand: Errand, to peer: NodeID, loop: Int, from sender: Int) {
        if peer == node.id { return front?.take(errand, loop: loop) ?? () }
        post(.errand(ErrandParcel(to: peer, loop: loop, from: sender, errand.encoded)))
    }

    // MARK: The control plane

    /// Hands an input to the control plane, and does what it wants done.
    func post(_ input: ControlPlane.Input) {
        inbox.append(input)
        settle()
    }

    /// Handles whatever waits for the control plane.
    func settle() {
        guard !isHandling, isRunning else { return }
        isHandling = true
        var effects: [ControlPlane.Effect] = []
        while !inbox.isEmpty {
            let inputs = inbox
            inbox = []
            for input in inputs { plane.handle(input, at: world.now, ledger: ledger, into: &effects) }
            for effect in effects { perform(effect) }
            effects.removeAll()
        }
        isHandling = false
        scheduleTick()
    }

    private func scheduleTick() {
        let deadline = max(plane.nextDeadline(after: world.now), world.now + .microseconds(10))
        guard deadline < tickAt else { return }
        tickAt = deadline
        world.at(deadline) { [weak self] in
            guard let self, isRunning, tickAt == deadline else { return }
            tickAt = .distantFuture
            post(.tick)
        }
    }

    private func perform(_ effect: ControlPlane.Effect) {
        switch effect {
        case .gossip(let packet, let peer, let peerBoot, _): sendGossip(packet, to: peer, boot: peerBoot)
        case .greet(let endpoint):
            guard let peer = VirtualLinks.index(at: endpoint) else { return }
            world.transmit(.hello(echo: nil), .gossip, from: node.index, boot: boot, to: peer)
        case .connect(let peer, _): links.targets.insert(Self.index(of: peer))
        case .disconnect(let peer): links.targets.remove(Self.index(of: peer))
        case .memberChanged(let member, _):
            world.note("member", node: node.index, member.id.rawValue << 8 | UInt64(member.state.rawValue))
        case .removed:
            world.note("removed", node: node.index)
            node.isRemoved = true
            // A real node begins anew under another id; what matters here is that this one is gone.
            after(.microseconds(1)) { [unowned node] in node.stop(.killed) }
        case .conflict: preconditionFailure("seed \(world.seed): node \(node.index) met a process with its own id")
        case .malformed(let error, let peer):
            preconditionFailure("seed \(world.seed): \(peer) sent what cannot be read: \(error)")
        case .replication(let effect): perform(effect)
        case .presence(let events): front?.presenceChanged(events)
        case .peers(let peers): front?.peersChanged(peers)
        }
    }

    private func perform(_ effect: ReplicationEffect) {
        switch effect {
        case .send(let peer, let frame):
            let peer = Self.index(of: peer)
            guard let peerBoot = links.bus[peer] else { return }
            world.transmit(.sealed(frame, to: peerBoot), .bus, from: node.index, boot: boot, to: peer)
        case .read(let purpose, let read):
            let scan =
                read.run.map { JournalScan($0, from: read.from, byteLimit: read.byteLimit) }
                ?? JournalScan(
                    origin: read.origin, from: read.from, expected: read.after, byteLimit: read.byteLimit)
            disk.scan(scan) { [weak self] chunk in self?.post(.chunk(JournalChunk(chunk), for: purpose)) }
        case .readRing(let peer, let boot, let read):
            disk.ring(read) { [weak self] items in
                self?.post(.ring(RingChunk(items, of: read.place), for: peer, boot: boot))
            }
        case .mend(let records): disk.mend(records)
        case .resolve(let run, let outcome): disk.resolve(run, outcome == .settled ? .settled : .unavailable)
        case .replicated(let sequence):
            replicatedThrough = sequence
            world.note("replicated", node: node.index, sequence, isShown: false)
            front?.replicated(through: sequence)
        case .interestConfirmed(let loop, let id): front?.interestConfirmed(loop: loop, id: id)
        case .errand(let loop, let bytes, let peer):
            guard let errand = try? Errand(bytes) else {
                preconditionFailure("seed \(world.seed): \(peer) sent an errand that cannot be read")
            }
            front?.take(errand, loop: loop)
        case .errandLost(let parcel):
            guard let errand = try? Errand(parcel.bytes) else {
                preconditionFailure("seed \(world.seed): an errand that cannot be read came back")
            }
            front?.lost(errand, loop: parcel.sender)
        case .presence: preconditionFailure("the control plane tells of presence by itself")
        case .cycle: break
        case .outdated(let peer, _):
            preconditionFailure("seed \(world.seed): all virtual nodes speak one version, \(peer) too")
        case .malformed(let error, let peer):
            preconditionFailure("seed \(world.seed): \(peer) sent a frame that cannot be read: \(error)")
        }
    }

    static func index(of id: NodeID) -> Int { Int(id.rawValue) - 1 }
}

extension RingChunk {
    /// What a ring gave, as a lane takes it.
    fileprivate init(_ items: [RingItem], of place: MemoryPlace) {
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

extension JournalChunk {
    /// What the log gave, as a lane takes it.
    fileprivate init(_ chunk: ScanChunk) {
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
