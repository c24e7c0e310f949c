import Glibc
import Model
import Synchronization

/// The receive thread's part of a bus: it waits for a chunk, drains what else has come, and hands on one batch.
final class BusReceiver {
    private let bus: BusCore
    private let socket: NanomsgSocket
    private let hellos: HelloOpener
    private var openers: [Boot: FrameOpener] = [:]
    private var events: [BusEvent] = []
    private var counters = LinkCounters()
    private var sawStaleBoot = false

    init(bus: BusCore, socket: NanomsgSocket) {
        self.bus = bus
        self.socket = socket
        hellos = HelloOpener(identity: bus.identity, channel: .bus, keys: bus.keys)
    }

    /// Receives until the bus stops, then closes the socket.
    ///
    /// It polls rather than waits in `nn_recv`, which nothing but closing would end: a closed socket's number may
    /// already be another's when this thread next uses it.
    func run() {
        var descriptors = [bus.stop.descriptor, socket.receiveDescriptor]
            .map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while true {
            poll(&descriptors, nfds_t(descriptors.count), -1)
            if descriptors[0].revents != 0 { break }
            if descriptors[1].revents != 0, !receiveBatch() { break }
        }
        socket.close()
    }

    /// Whether the socket is still open.
    private func receiveBatch() -> Bool {
        forgetEnded()
        var isOpen = true
        loop: for _ in 0..<bus.settings.batchFrames {
            switch socket.receive() {
            case .chunk(let chunk, let count): receive(chunk, count: count)
            case .empty: break loop
            case .closed:
                isOpen = false
                break loop
            }
        }
        finishBatch()
        return isOpen
    }

    private func receive(_ chunk: UnsafeMutableRawPointer, count: Int) {
        defer { NanomsgSocket.free(chunk) }
        let bytes = UnsafeRawBufferPointer(start: chunk, count: count)
        switch SealedHeader.read(bytes) {
        case .failure(let reason): counters.drop(reason)
        case .success(let header) where header.kind == .hello: receiveHello(bytes, header)
        case .success(let header): receiveFrame(bytes, header)
        }
    }

    private func receiveFrame(_ bytes: UnsafeRawBufferPointer, _ header: SealedHeader) {
        guard let opener = openers[header.boot] else {
            let isOurs = header.boot == bus.identity.boot
            counters.drop(isOurs ? .reflected : .staleBoot)
            sawStaleBoot = sawStaleBoot || !isOurs
            return
        }
        switch opener.open(bytes, header: header) {
        case .failure(let reason): counters.drop(reason)
        case .success(let frame):
            counters.received += 1
            counters.bytesReceived += UInt64(frame.count)
            events.append(.frame(opener.peer.node, boot: opener.peer.boot, frame))
        }
    }

    private func receiveHello(_ bytes: UnsafeRawBufferPointer, _ header: SealedHeader) {
        if header.boot == bus.identity.boot { return counters.drop(.reflected) }
        switch hellos.open(bytes, header: header) {
        case .failure(let reason): counters.drop(reason)
        case .success(let hello):
            let outcome = bus.state.withLock { $0.receive(hello) }
            bus.wakeup.wake()
            if let reason = outcome.dropped { counters.drop(reason) }
            guard outcome.opened else { return }
            forgetEnded()
            openers[hello.sender.boot] = FrameOpener(
                identity: bus.identity, peer: hello.sender, channel: .bus, keys: bus.keys,
                firstCounter: hello.firstCounter)
            guard let version = bus.identity.versions.common(with: hello.versions) else {
                preconditionFailure("a session opens only where there is a version in common")
            }
            events.append(.opened(hello.sender.node, peerBoot: hello.sender.boot, version: version))
        }
    }

    private func forgetEnded() {
        let ended = bus.state.withLock { state in
            defer { state.ended.removeAll() }
            return state.ended
        }
        for end in ended { openers[end.boot] = nil }
    }

    private func finishBatch() {
        let counted = counters
        let greet = sawStaleBoot
        bus.state.withLock { state in
            state.counters.add(counted)
            // Another run of a peer may be there; our hellos should not wait for their turn.
            if greet { state.commands.append(.greet) }
        }
        if greet { bus.wakeup.wake() }
        counters = LinkCounters()
        sawStaleBoot = false
        guard !events.isEmpty else { return }
        let batch = events
        events = []
        events.reserveCapacity(batch.count)
        bus.receiver(batch)
    }
}
