import Glibc
import Model
import Synchronization

/// The send thread's part of a bus: it takes commands, seals and sends for all lanes, and polls the blocked ones.
final class BusSender {
    /// How many frames one lane sends before the next has its turn.
    private static let turn = 64
    /// The shortest pause between hellos that stale frames bring forward.
    private static let greetPause = Duration.milliseconds(200)

    private let bus: BusCore
    private let hellos: HelloSealer
    private var lanes: [NodeID: BusLane] = [:]
    /// Above every counter that a sealer of this bus has used: one boot's keys may come back after a disconnect.
    private var freshCounter: UInt64 = 1
    private var counters = LinkCounters()
    private var events: [BusEvent] = []
    private var released: [NodeID: Int] = [:]
    private var closingTime: MonotonicTime?
    private var greetTime = MonotonicTime.zero

    init(bus: BusCore) {
        self.bus = bus
        hellos = HelloSealer(identity: bus.identity, channel: .bus, keys: bus.keys, random: bus.random)
    }

    /// Sends until the bus is closed and the lanes are drained, or waited for long enough.
    func run() {
        while true {
            bus.wakeup.clear()
            let commands = bus.state.withLock { state in
                defer { state.commands = [] }
                return state.commands
            }
            let now = LinkClock.now()
            for command in commands { obey(command, at: now) }
            sayDueHellos(at: now)
            for lane in lanes.values {
                release(lane.send(Self.turn, hellos: hellos, counters: &counters), of: lane.node)
            }
            report()
            if let closingTime, now >= closingTime || !lanes.values.contains(where: \.holdsFrames) { break }
            if !lanes.values.contains(where: { $0.hasWork && !$0.isBlocked }) { wait(from: now) }
        }
        drainSockets()
        for lane in lanes.values { lane.close() }
        report()
    }

    private func obey(_ command: BusState.Command, at now: MonotonicTime) {
        switch command {
        case .connect(let node, let endpoint): connect(node, endpoint, at: now)
        case .disconnect(let node):
            guard let lane = lanes.removeValue(forKey: node) else { return }
            retire(lane)
            lane.close()
            released[node] = nil
            events.append(.closed(node))
        case .cycle(let node):
            if let lane = lanes[node] { open(lane, lane.endpoint) }
        case .frame(let node, let frame):
            guard let lane = lanes[node], lane.append(frame) else {
                counters.drop(.noSession)
                release(frame.count, of: node)
                return
            }
        case .opened(let peer): begin(peer)
        case .answer(let hello): answer(hello, at: now)
        case .greet:
            guard now >= greetTime else { return }
            greetTime = now + Self.greetPause
            for lane in lanes.values { lane.hastenHello(to: now, settings: bus.settings) }
        case .close: closingTime = now + bus.settings.drainLimit
        }
    }

    private func connect(_ node: NodeID, _ endpoint: Endpoint, at now: MonotonicTime) {
        if let lane = lanes[node] {
            if lane.endpoint != endpoint { open(lane, endpoint) }
            return
        }
        let lane = BusLane(node: node, endpoint: endpoint, settings: bus.settings, at: now)
        lanes[node] = lane
        open(lane, endpoint)
    }

    private func open(_ lane: BusLane, _ endpoint: Endpoint) {
        if lane.open(endpoint, settings: bus.settings, ipv6: bus.listen.host.contains(":")) != nil {
            counters.drop(.unreachable)
        }
    }

    private func begin(_ peer: LinkEnd) {
        guard let lane = lanes[peer.node] else { return }
        retire(lane)
        let sealer = FrameSealer(
            identity: bus.identity, peer: peer, channel: .bus, keys: bus.keys, firstCounter: freshCounter)
        release(lane.begin(sealer), of: peer.node)
    }

    private func retire(_ lane: BusLane) {
        freshCounter = max(freshCounter, lane.nextCounter ?? 0)
    }

    private func answer(_ hello: LinkHello, at now: MonotonicTime) {
        guard let lane = lanes[hello.sender.node] else { return }
        guard lane.mayAnswer(at: now) else { return counters.drop(.answerLimited) }
        let first = lane.nextCounter ?? freshCounter
        lane.say(bus.state.withLock { $0.sessions.answer(to: hello, firstCounter: first) })
    }

    private func sayDueHellos(at now: MonotonicTime) {
        for lane in lanes.values where lane.helloTime <= now {
            let hello = bus.state.withLock { $0.sessions.hello(to: lane.node, firstCounter: freshCounter) }
            lane.say(hello)
            lane.postponeHello(from: now, settings: bus.settings)
        }
    }

    private func release(_ bytes: Int, of node: NodeID) {
        if bytes > 0 { released[node, default: 0] += bytes }
    }

    private func report() {
        let counted = counters
        let released = released
        let limit = bus.settings.queueLimit
        let writable = bus.state.withLock { state in
            state.counters.add(counted)
            return released.compactMap { state.release($1, of: $0, queueLimit: limit) ? $0 : nil }
        }
        counters = LinkCounters()
        self.released.removeAll(keepingCapacity: true)
        let batch = events + writable.map { .writable($0) }
        events.removeAll()
        if !batch.isEmpty { bus.receiver(batch) }
    }

    private func wait(from now: MonotonicTime) {
        let blocked = lanes.values.filter { $0.hasWork && $0.isBlocked && $0.pollDescriptor >= 0 }
        var descriptors = [pollfd(fd: bus.wakeup.descriptor, events: Int16(POLLIN), revents: 0)]
        for lane in blocked { descriptors.append(pollfd(fd: lane.pollDescriptor, events: Int16(POLLIN), revents: 0)) }
        let deadline = min(lanes.values.map(\.helloTime).min() ?? .distantFuture, closingTime ?? .distantFuture)
        poll(&descriptors, nfds_t(descriptors.count), LinkClock.milliseconds(until: deadline, from: now))
        for (lane, polled) in zip(blocked, descriptors.dropFirst()) where polled.revents != 0 { lane.unblock() }
    }

    /// The library drops what it holds when a socket closes; a socket that can send again has handed it to the system.
    private func drainSockets() {
        while let closingTime {
            let now = LinkClock.now()
            var descriptors = lanes.values.compactMap(\.drainDescriptor)
                .map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard now < closingTime, !descriptors.isEmpty else { return }
            poll(&descriptors, nfds_t(descriptors.count), 0)
            if descriptors.allSatisfy({ $0.revents != 0 }) { return }
            var waiting = descriptors.filter { $0.revents == 0 }
            poll(&waiting, nfds_t(waiting.count), LinkClock.milliseconds(until: closingTime, from: now))
        }
    }
}
