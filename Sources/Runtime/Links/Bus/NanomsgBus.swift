import Model
import Synchronization

/// The sealed links between nodes: one `NN_PULL` bound here, and one `NN_PUSH` with one connection to each peer.
///
/// It promises no delivery: a frame may be lost wherever a connection or a process ends. It does promise that what
/// arrives was sealed by the run of the peer that the event names, in order, and once.
package final class NanomsgBus: Sendable {
    private let core: BusCore
    private let receiving: LinkThread
    private let sending: LinkThread

    /// Listens, and starts the two threads.
    ///
    /// `receiver` gets batches: frames, openings and, from the send thread, the rest. The two threads may call it at
    /// once; it must not call ``close()``.
    package init(
        identity: LinkIdentity, keys: ClusterKeyRing, listen: Endpoint, settings: BusSettings = BusSettings(),
        random: @escaping LinkRandom = systemLinkRandom, receiver: @escaping @Sendable ([BusEvent]) -> Void
    ) throws(BusError) {
        guard listen.port != 0 else { throw .portZero }
        guard LinkSessions.fits(messageLimit: identity.messageLimit, frameLimit: settings.receiveLimit) else {
            throw .messageLimit(identity.messageLimit, receiveLimit: settings.receiveLimit)
        }
        let pull: NanomsgSocket
        do throws(NanomsgSocket.Failure) {
            pull = try NanomsgSocket.bound(to: listen, settings: settings)
        } catch {
            throw .listen(listen, reason: error.reason)
        }
        let core = BusCore(
            identity: identity, keys: keys, listen: listen, settings: settings, random: random, receiver: receiver)
        self.core = core
        receiving = LinkThread(name: "bus-receive") { BusReceiver(bus: core, socket: pull).run() }
        sending = LinkThread(name: "bus-send") { BusSender(bus: core).run() }
    }

    /// The largest frame that may be sent, in bytes of plaintext.
    package var frameLimit: Int { core.frameLimit }

    /// What was carried and dropped since the bus was made.
    package var counters: LinkCounters { core.state.withLock { $0.counters } }

    /// Keeps a connection to a node, and hellos going until there is a session. Where the endpoint has changed, it
    /// connects anew; otherwise a second call does nothing. Past ``BusSettings/peerLimit`` it is counted and ignored.
    package func connect(_ node: NodeID, at endpoint: Endpoint) {
        core.command { state in
            guard state.queues[node] != nil || state.queues.count < core.settings.peerLimit else {
                return state.counters.drop(.unreachable)
            }
            if state.queues[node] == nil { state.queues[node] = BusState.Queue() }
            state.commands.append(.connect(node, endpoint))
        }
    }

    /// Ends the session and connection with a node and drops what is queued for it.
    package func disconnect(_ node: NodeID) {
        core.command { state in
            guard state.queues.removeValue(forKey: node) != nil else { return }
            if let end = state.sessions.forget(node) { state.ended.append(end) }
            state.commands.append(.disconnect(node))
        }
    }

    /// Connects to a node anew within its session, for a connection that has been silent too long.
    package func cycle(_ node: NodeID) {
        core.command { $0.commands.append(.cycle(node)) }
    }

    /// Hands frames to the send thread, in order for each peer. What has no session, passes the queue's limit or is too
    /// large is counted and dropped; after the queue's limit ``BusEvent/writable(_:)`` says when to go on.
    package func send(_ frames: [(NodeID, [UInt8])]) {
        core.command {
            $0.enqueue(frames, queueLimit: core.settings.queueLimit, frameLimit: core.frameLimit)
        }
    }

    /// Sends what is queued, as far as peers take it within ``BusSettings/drainLimit``, and ends; later calls do
    /// nothing.
    package func close() {
        let isFirst = core.state.withLock { state in
            guard !state.isClosing else { return false }
            state.isClosing = true
            state.commands.append(.close)
            return true
        }
        guard isFirst else { return }
        core.wakeup.wake()
        sending.join()
        core.stop.wake()
        receiving.join()
    }
}

/// What a bus and its two threads have in common.
final class BusCore: Sendable {
    let identity: LinkIdentity
    let keys: ClusterKeyRing
    let listen: Endpoint
    let settings: BusSettings
    let random: LinkRandom
    let receiver: @Sendable ([BusEvent]) -> Void
    let wakeup = LinkWakeup()
    let stop = LinkWakeup()
    let state: Mutex<BusState>

    init(
        identity: LinkIdentity, keys: ClusterKeyRing, listen: Endpoint, settings: BusSettings,
        random: @escaping LinkRandom, receiver: @escaping @Sendable ([BusEvent]) -> Void
    ) {
        self.identity = identity
        self.keys = keys
        self.listen = listen
        self.settings = settings
        self.random = random
        self.receiver = receiver
        let sessions = LinkSessions(
            identity: identity, bound: settings.peerLimit, frameLimit: settings.receiveLimit)
        state = Mutex(BusState(sessions: sessions))
    }

    var frameLimit: Int { settings.receiveLimit - SealedHeader.dataOverhead }

    /// Changes the shared state, unless the bus is closing, and wakes the send thread where there is something to do.
    func command(_ change: (inout BusState) -> Void) {
        let wakes = state.withLock { state in
            guard !state.isClosing else { return false }
            let wasIdle = state.commands.isEmpty
            change(&state)
            return wasIdle && !state.commands.isEmpty
        }
        if wakes { wakeup.wake() }
    }
}
