import Model
import Synchronization

/// The sealed packets of the membership protocol: one UDP socket on a thread of its own.
///
/// It promises nothing but that what arrives was sealed by the run of the peer that the event names, and comes once.
package final class GossipSocket: Sendable {
    private let core: GossipCore
    private let thread: LinkThread
    /// Where the socket is bound; with the port that the system chose if 0 was asked for.
    package let localEndpoint: Endpoint

    /// Listens and starts the thread, which calls `receiver` with batches; `receiver` must not call ``close()``.
    package init(
        identity: LinkIdentity, keys: ClusterKeyRing, listen: Endpoint, settings: GossipSettings = GossipSettings(),
        random: @escaping LinkRandom = systemLinkRandom, receiver: @escaping @Sendable ([GossipEvent]) -> Void
    ) throws(GossipError) {
        let socket = try UDPSocket.bound(to: listen)
        let core = GossipCore(identity: identity, keys: keys, settings: settings, random: random, receiver: receiver)
        self.core = core
        localEndpoint = socket.localEndpoint
        thread = LinkThread(name: "gossip") { GossipLoop(core: core, socket: socket).run() }
    }

    /// What was carried and dropped since the socket was made.
    package var counters: LinkCounters { core.state.withLock { $0.counters } }

    /// Introduces us to whoever is at an endpoint; a name is looked up without holding up anything else.
    package func greet(_ endpoint: Endpoint) {
        core.post(.greet(endpoint), bytes: 0)
    }

    /// Sends a packet within the session with a run of a node. Without one a hello goes in its place, and the packet is
    /// dropped.
    package func send(_ packet: [UInt8], to node: NodeID, boot: Boot, at endpoint: Endpoint) {
        guard packet.count <= core.settings.packetLimit else {
            return core.state.withLock { $0.counters.drop(.oversized) }
        }
        core.post(.packet(packet, LinkEnd(node: node, boot: boot), endpoint), bytes: packet.count)
    }

    /// Ends the thread and the socket; later calls do nothing.
    package func close() {
        let isFirst = core.state.withLock { state in
            defer { state.isClosing = true }
            return !state.isClosing
        }
        guard isFirst else { return }
        core.wakeup.wake()
        thread.join()
    }
}

/// What a gossip socket and its thread have in common.
final class GossipCore: Sendable {
    /// What the thread is to do, in order.
    enum Command {
        case greet(Endpoint)
        case packet([UInt8], LinkEnd, Endpoint)
        case resolved(Endpoint, GossipAddress?)
    }

    struct State {
        var commands: [Command] = []
        var queuedBytes = 0
        var counters = LinkCounters()
        var isClosing = false
    }

    /// What a command counts beside its packet, in bytes.
    private static let commandCost = 64

    let identity: LinkIdentity
    let keys: ClusterKeyRing
    let settings: GossipSettings
    let random: LinkRandom
    let receiver: @Sendable ([GossipEvent]) -> Void
    let wakeup = LinkWakeup()
    let state = Mutex(State())

    init(
        identity: LinkIdentity, keys: ClusterKeyRing, settings: GossipSettings, random: @escaping LinkRandom,
        receiver: @escaping @Sendable ([GossipEvent]) -> Void
    ) {
        self.identity = identity
        self.keys = keys
        self.settings = settings
        self.random = random
        self.receiver = receiver
    }

    /// Queues a command and wakes the thread; past the queue's limit it is counted and dropped.
    func post(_ command: Command, bytes: Int) {
        state.withLock { state in
            guard !state.isClosing else { return }
            let cost = bytes + Self.commandCost
            guard state.queuedBytes + cost <= settings.queueLimit else { return state.counters.drop(.queueFull) }
            state.queuedBytes += cost
            state.commands.append(command)
        }
        wakeup.wake()
    }

    /// Takes the commands; nil once the socket closes.
    func takeCommands() -> [Command]? {
        state.withLock { state in
            guard !state.isClosing else { return nil }
            defer {
                state.commands = []
                state.queuedBytes = 0
            }
            return state.commands
        }
    }
}
