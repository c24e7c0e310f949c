import Clustering
import Model

/// A network of membership cores under a virtual clock, with the sealed link between them reduced to its sessions.
///
/// One seed is one run. A link says hello in three packets, any of which may be lost; a packet is delivered only to the
/// very process that it was sealed for.
final class VirtualNetwork {
    /// One process.
    struct Process {
        /// Its deciding part.
        var membership: Membership
        /// The node that it is a process of.
        let node: NodeID
        /// Its boot.
        let boot: Boot
        /// Where it listens.
        let endpoint: Endpoint
        /// Whether it runs.
        var isUp = true
        /// Until when it does nothing, its packets waiting.
        var stalledUntil = MonotonicTime.zero
        /// When its core wants to be woken.
        fileprivate(set) var deadline = MonotonicTime.zero
        /// Boots with which it has a session.
        var sessions: [Boot] = []
        /// What it noticed, with the time.
        var changes: [(at: MonotonicTime, member: Member, from: MemberState?)] = []
        /// Set when another process owns its node id.
        var conflict: Run?
        /// Whether it was told that its node was removed.
        var isRemoved = false
        /// Digests that came in.
        var digests: [(from: NodeID, bytes: [UInt8])] = []
        /// Endpoints that it greeted, with the time.
        var greetings: [(at: MonotonicTime, endpoint: Endpoint)] = []
    }

    /// What crosses the network.
    enum Datagram {
        /// A hello of the link, with the boot that it echoes.
        case hello(echo: Boot?)
        /// A sealed packet.
        case sealed([UInt8], to: Boot)
    }

    /// A datagram under way.
    struct Delivery {
        let at: MonotonicTime
        let number: Int
        let from: Int
        let to: Endpoint
        let datagram: Datagram
    }

    private(set) var now = MonotonicTime(nanoseconds: 1_000_000_000)
    var processes: [Process] = []
    /// The share of datagrams lost.
    var loss = 0.0
    /// The share of datagrams delivered twice.
    var duplication = 0.0
    /// The slowest datagram; each takes from half of it up to it.
    var delay = Duration.milliseconds(1)
    /// Nodes on one side of a partition; the rest are on the other. Nil when there is none.
    var island: [NodeID]?
    /// Shown every packet that a core sends.
    var onSend: (_ packet: [UInt8], _ from: NodeID, _ to: NodeID) -> Void = { _, _, _ in }
    /// Datagrams handed to the network by each process.
    private(set) var sent: [Int] = []
    private var random: RandomSource
    private var underway = Heap()
    private var lastNumber = 0
    private let settings: MembershipSettings

    init(seed: UInt64, settings: MembershipSettings = MembershipSettings()) {
        random = RandomSource(seed: seed)
        self.settings = settings
    }

    /// Starts a process and returns its index.
    @discardableResult
    func start(node: UInt64, host: String? = nil, epoch: UInt64? = nil, seeds: [Endpoint] = []) throws -> Int {
        let boot = Boot(high: random.next(), low: random.next())
        let endpoint = Endpoint(host: host ?? "10.0.0.\(node)", port: 7336)
        let local = try LocalMember(
            id: NodeID(rawValue: node), name: "node-\(node)", boot: boot,
            epochMilliseconds: epoch ?? UInt64(now.nanoseconds / 1_000_000), gossip: endpoint,
            bus: Endpoint(host: endpoint.host, port: 7337), fronts: [Endpoint(host: endpoint.host, port: 7335)],
            wireVersion: 1)
        let membership = Membership(local: local, settings: settings, random: random.split(), at: now)
        // A process that starts at an address has taken it from the one before.
        for index in processes.indices where processes[index].endpoint == endpoint { processes[index].isUp = false }
        processes.append(Process(membership: membership, node: NodeID(rawValue: node), boot: boot, endpoint: endpoint))
        sent.append(0)
        let index = processes.count - 1
        act(index) { $0.join(seeds, at: $1, into: &$2) }
        return index
    }

    /// Starts `count` nodes that join through the first, and lets them meet.
    func startCluster(of count: Int) throws {
        for node in 1...UInt64(count) { try start(node: node, seeds: node == 1 ? [] : [Self.seed]) }
    }

    /// The address of node 1.
    static let seed = Endpoint(host: "10.0.0.1", port: 7336)

    /// Lets one process decide something, and does what it wants done.
    func act(_ index: Int, _ body: (inout Membership, MonotonicTime, inout [MembershipEffect]) -> Void) {
        var effects: [MembershipEffect] = []
        body(&processes[index].membership, now, &effects)
        processes[index].deadline = processes[index].membership.nextDeadline
        for effect in effects { perform(effect, by: index) }
    }

    /// Stops a process without a word.
    func crash(_ index: Int) { processes[index].isUp = false }

    /// Runs until `duration` has passed, or until `condition` holds, which is looked at after every event.
    @discardableResult
    func run(for duration: Duration, until condition: (() -> Bool)? = nil) -> Bool {
        let end = now + duration
        while true {
            if let condition, condition() { return true }
            let (index, wake) = nextWake()
            let delivery = underway.first
            let next = min(wake, delivery?.at ?? .distantFuture)
            guard next <= end else { break }
            now = max(now, next)
            if let delivery, delivery.at <= wake {
                underway.removeFirst()
                deliver(delivery)
            } else {
                act(index) { $0.advance(to: $1, into: &$2) }
            }
        }
        now = end
        return condition?() ?? false
    }

    /// Whether every running process holds exactly the running ones' nodes to be alive.
    var agrees: Bool {
        let running = processes.filter(\.isUp)
        let nodes = running.map { Standing(node: $0.node, boot: $0.boot) }.sorted()
        return running.allSatisfy { process in
            process.membership.members.filter { $0.state == .alive }.map { Standing(node: $0.id, boot: $0.boot) }
                == nodes
        }
    }

    /// What one process believes of a node.
    func state(of node: UInt64, at index: Int) -> MemberState? {
        processes[index].membership.member(NodeID(rawValue: node))?.state
    }

    private struct Standing: Comparable {
        let node: NodeID
        let boot: Boot
        static func < (left: Standing, right: Standing) -> Bool { left.node < right.node }
    }
}

extension VirtualNetwork {
    private func nextWake() -> (index: Int, at: MonotonicTime) {
        var best = (index: 0, at: MonotonicTime.distantFuture)
        for index in processes.indices where processes[index].isUp {
            let deadline = max(processes[index].deadline, processes[index].stalledUntil)
            if deadline < best.at { best = (index, deadline) }
        }
        return best
    }

    private func perform(_ effect: MembershipEffect, by index: Int) {
        switch effect {
        case .send(let bytes, let node, let boot, let endpoint):
            onSend(bytes, processes[index].node, node)
            precondition(bytes.count <= 1_200, "a packet must fit")
            if processes[index].sessions.contains(boot) {
                transmit(.sealed(bytes, to: boot), from: index, to: endpoint)
            } else {
                transmit(.hello(echo: nil), from: index, to: endpoint)
            }
        case .greet(let endpoint):
            processes[index].greetings.append((now, endpoint))
            transmit(.hello(echo: nil), from: index, to: endpoint)
        case .changed(let member, let from):
            processes[index].changes.append((now, member, from))
        case .digest(let bytes, let from):
            processes[index].digests.append((from, bytes))
        case .conflict(_, let run):
            processes[index].conflict = run
            processes[index].isUp = false
        case .removed:
            processes[index].isRemoved = true
            processes[index].isUp = false
        case .malformed(let error, let from):
            preconditionFailure("\(from) sent what cannot be read: \(error)")
        }
    }

    private func transmit(_ datagram: Datagram, from index: Int, to endpoint: Endpoint) {
        sent[index] += 1
        let copies = Double.random(in: 0..<1, using: &random) < duplication ? 2 : 1
        for _ in 0..<copies where Double.random(in: 0..<1, using: &random) >= loss {
            let slowest = delay.nanoseconds
            let taken = Duration.nanoseconds(Int64.random(in: slowest / 2...slowest, using: &random))
            lastNumber += 1
            underway.insert(
                Delivery(at: now + taken, number: lastNumber, from: index, to: endpoint, datagram: datagram))
        }
    }

    private func deliver(_ delivery: Delivery) {
        let sender = processes[delivery.from]
        guard let index = processes.firstIndex(where: { $0.isUp && $0.endpoint == delivery.to }) else { return }
        if let island, island.contains(sender.node) != island.contains(processes[index].node) { return }
        if processes[index].stalledUntil > now {
            let later = processes[index].stalledUntil + .milliseconds(1)
            lastNumber += 1
            let copy = Delivery(
                at: later, number: lastNumber, from: delivery.from, to: delivery.to, datagram: delivery.datagram)
            return underway.insert(copy)
        }
        switch delivery.datagram {
        case .hello(let echo):
            let isNew = !processes[index].sessions.contains(sender.boot)
            // Answered statelessly; only one that echoes our boot makes a session.
            if echo != processes[index].boot || isNew {
                transmit(.hello(echo: sender.boot), from: index, to: sender.endpoint)
            }
            guard echo == processes[index].boot else { return }
            if isNew { processes[index].sessions.append(sender.boot) }
            act(index) { $0.greeted(sender.node, boot: sender.boot, at: sender.endpoint, at: $1, into: &$2) }
        case .sealed(let bytes, let boot):
            guard boot == processes[index].boot else { return }
            guard processes[index].sessions.contains(sender.boot) else {
                return transmit(.hello(echo: nil), from: index, to: sender.endpoint)
            }
            act(index) { $0.receive(bytes[...], from: sender.node, at: sender.endpoint, at: $1, into: &$2) }
        }
    }
}

/// Deliveries in order of time, then of sending.
private struct Heap {
    private var items: [VirtualNetwork.Delivery] = []

    var first: VirtualNetwork.Delivery? { items.first }

    mutating func insert(_ item: VirtualNetwork.Delivery) {
        items.append(item)
        var child = items.count - 1
        while child > 0, precedes(items[child], items[(child - 1) / 2]) {
            items.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func removeFirst() {
        items.swapAt(0, items.count - 1)
        items.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < items.count && precedes(items[child], items[least]) {
                least = child
            }
            guard least != parent else { return }
            items.swapAt(parent, least)
            parent = least
        }
    }

    private func precedes(_ left: VirtualNetwork.Delivery, _ right: VirtualNetwork.Delivery) -> Bool {
        (left.at, left.number) < (right.at, right.number)
    }
}
