import Journal
import Model

/// A whole cluster under a virtual clock, with its network, disks and clients. One seed is one run.
package final class World {
    package let seed: UInt64
    /// The only source of chance for scenarios.
    package var random: RandomSource
    package private(set) var now = MonotonicTime(nanoseconds: 1_000_000_000)
    package var network: VirtualNetwork
    package private(set) var nodes: [VirtualNode] = []
    package private(set) var trace = Trace()
    /// What clients were promised, for the checks.
    package var book = Book()
    /// Bounds that were exceeded.
    package var exceeded: [String] = []
    private var queue = EventQueue()
    private var chance: RandomSource

    package init(seed: UInt64) {
        self.seed = seed
        random = RandomSource(seed: seed)
        network = VirtualNetwork(random: random.split())
        chance = random.split()
    }

    /// The calendar, as a node without skew reads it.
    package var wall: WallTime { WallTime(milliseconds: 1_700_000_000_000 + now.nanoseconds / 1_000_000) }

    /// Adds a node with an empty disk, not started yet.
    @discardableResult
    package func addNode(_ settings: VirtualNode.Settings = VirtualNode.Settings()) -> VirtualNode {
        let node = VirtualNode(world: self, index: nodes.count, settings: settings, random: chance.split())
        nodes.append(node)
        return node
    }

    /// Adds and starts nodes that join through the first, each with a calendar that is a little off, and lets them
    /// meet.
    package func startCluster(of count: Int, _ settings: VirtualNode.Settings = VirtualNode.Settings()) {
        var settings = settings
        for _ in 0..<count {
            settings.skew = randomDuration(.seconds(-2)...(.seconds(2)))
            addNode(settings).start()
        }
        run(for: .seconds(3))
    }

    /// Lets something happen later.
    package func after(_ delay: Duration, _ action: @escaping () -> Void) { queue.insert(at: now + delay, action) }

    /// Lets something happen at a time.
    func at(_ time: MonotonicTime, _ action: @escaping () -> Void) { queue.insert(at: max(time, now), action) }

    /// Runs for a while.
    package func run(for duration: Duration) {
        let end = now + duration
        while let next = queue.nextTime, next <= end { step() }
        now = end
    }

    /// Runs until a condition holds, which is looked at now and then; gives whether it came to hold in time.
    package func run(atMost duration: Duration, until condition: () -> Bool) -> Bool {
        let end = now + duration
        while now < end {
            if condition() { return true }
            run(for: .milliseconds(200))
        }
        return condition()
    }

    private func step() {
        let event = queue.removeFirst()
        now = max(now, event.at)
        event.action()
    }

    /// Notes something in the trace; what is not shown only counts for its hash.
    package func note(_ what: StaticString, node: Int, _ detail: UInt64 = 0, isShown: Bool = true) {
        trace.note(what, node: node, detail, at: now, isShown: isShown)
    }

    func randomDuration(_ range: ClosedRange<Duration>) -> Duration { chance.duration(in: range) }

    func randomChance(_ probability: Double) -> Bool { chance.chance(probability) }

    /// Sends a packet; it is delivered to whatever process listens there when it arrives.
    func transmit(
        _ packet: VirtualLinks.Packet, _ channel: VirtualNetwork.Channel, from: Int, boot: Boot, to: Int
    ) {
        for arrival in network.arrivals(channel, from: from, to: to, at: now) {
            at(arrival) { [unowned self] in
                guard network.isOpen(from: from, to: to), to < nodes.count else { return }
                nodes[to].process?.receive(packet, channel, from: from, boot: boot)
            }
        }
    }
}
