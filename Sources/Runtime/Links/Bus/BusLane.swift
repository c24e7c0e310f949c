import Model

/// The send thread's side of one peer: a `NN_PUSH`, a sealer and what waits for both.
final class BusLane {
    /// The peer.
    let node: NodeID
    /// Where it is reached.
    private(set) var endpoint: Endpoint
    /// When the next hello is due; never while there is a session.
    private(set) var helloTime: MonotonicTime
    /// Waits for the socket to have room.
    private(set) var isBlocked = false
    /// The lane's socket; nil where the library refused the endpoint.
    private var socket: NanomsgSocket?
    private var descriptor: Int32 = -1
    private var sealer: FrameSealer?
    private var queue = FrameQueue()
    /// A sealed frame that the socket had no room for; its counter is spent, so it goes first.
    private var sealed: (chunk: UnsafeMutableRawBufferPointer, plaintext: Int)?
    private var hello: LinkHello?
    private var helloPause: Duration
    private var answers: TokenBucket

    init(node: NodeID, endpoint: Endpoint, settings: BusSettings, at now: MonotonicTime) {
        self.node = node
        self.endpoint = endpoint
        helloTime = now
        helloPause = settings.helloInterval
        answers = TokenBucket(burst: settings.answerBurst, perSecond: settings.answerRate, at: now)
    }

    /// Whether something waits to be sent.
    var hasWork: Bool { hello != nil || holdsFrames }

    /// Whether frames wait to be sent, sealed or not.
    var holdsFrames: Bool { sealed != nil || !queue.isEmpty }

    /// What to poll while the lane is blocked.
    var pollDescriptor: Int32 { descriptor }

    /// What to poll until the library has handed all it took to the system; nil where there is nobody to hand it to.
    var drainDescriptor: Int32? {
        guard let socket, sealer != nil, descriptor >= 0, socket.isConnected else { return nil }
        return descriptor
    }

    /// The lowest counter that frames to come may have; nil without a session.
    var nextCounter: UInt64? { sealer?.nextCounter }

    /// Opens the connection, or opens it anew; what was on its way may be lost. Nil when it stands, else why not.
    func open(_ endpoint: Endpoint, settings: BusSettings, ipv6: Bool) -> NanomsgSocket.Failure? {
        socket?.close()
        socket = nil
        descriptor = -1
        isBlocked = false
        self.endpoint = endpoint
        do throws(NanomsgSocket.Failure) {
            let opened = try NanomsgSocket.connected(to: endpoint, settings: settings, ipv6: ipv6)
            socket = opened
            descriptor = opened.sendDescriptor
            return nil
        } catch {
            isBlocked = true
            return error
        }
    }

    /// Seals for a new session from now on; the plaintext bytes that waited for the old one, and are gone.
    func begin(_ sealer: FrameSealer) -> Int {
        let dropped = discard()
        self.sealer = sealer
        helloTime = .distantFuture
        return dropped
    }

    /// Queues a frame; false without a session.
    func append(_ frame: [UInt8]) -> Bool {
        guard sealer != nil else { return false }
        queue.append(frame)
        return true
    }

    /// Has a hello sent before anything else; a newer one takes its place.
    func say(_ hello: LinkHello) {
        self.hello = hello
    }

    /// Whether one more hello may be answered.
    func mayAnswer(at now: MonotonicTime) -> Bool { answers.take(at: now) }

    /// The hello that was due at `now` is said; the next comes later.
    func postponeHello(from now: MonotonicTime, settings: BusSettings) {
        helloTime = now + helloPause
        helloPause = min(helloPause * 2, settings.helloIntervalLimit)
    }

    /// Has a hello sent soon, where there is no session.
    func hastenHello(to now: MonotonicTime, settings: BusSettings) {
        guard sealer == nil else { return }
        helloTime = min(helloTime, now)
        helloPause = settings.helloInterval
    }

    /// The socket may have room again.
    func unblock() {
        isBlocked = false
    }

    /// Sends at most `limit` frames; returns the plaintext bytes that left the queue.
    func send(_ limit: Int, hellos: HelloSealer, counters: inout LinkCounters) -> Int {
        guard let socket, !isBlocked else { return 0 }
        if let hello, !send(hello, over: socket, hellos: hellos, counters: &counters) { return 0 }
        var released = 0
        for _ in 0..<limit {
            guard let frame = sealed ?? sealNext() else { break }
            guard take(socket.send(frame.chunk.baseAddress!)) else {
                sealed = frame
                break
            }
            sealed = nil
            released += frame.plaintext
            counters.sent += 1
            counters.bytesSent += UInt64(frame.plaintext)
        }
        return released
    }

    /// Closes the connection and drops what waits.
    func close() {
        _ = discard()
        socket?.close()
        socket = nil
    }

    private func send(
        _ hello: LinkHello, over socket: NanomsgSocket, hellos: HelloSealer, counters: inout LinkCounters
    ) -> Bool {
        let chunk = NanomsgSocket.allocate(LinkHello.sealedLength)
        hellos.seal(hello, into: chunk)
        guard take(socket.send(chunk.baseAddress!)) else {
            NanomsgSocket.free(chunk.baseAddress!)
            return false
        }
        self.hello = nil
        counters.hellosSent += 1
        return true
    }

    private func take(_ sending: NanomsgSocket.Sending) -> Bool {
        switch sending {
        case .taken: return true
        case .blocked:
            isBlocked = true
            return false
        case .failed:
            // Nothing wakes the lane now but a new connection.
            isBlocked = true
            descriptor = -1
            return false
        }
    }

    private func sealNext() -> (chunk: UnsafeMutableRawBufferPointer, plaintext: Int)? {
        guard let sealer, let frame = queue.popFirst() else { return nil }
        let chunk = NanomsgSocket.allocate(frame.count + SealedHeader.dataOverhead)
        frame.withUnsafeBytes { sealer.seal($0, into: chunk) }
        return (chunk, frame.count)
    }

    private func discard() -> Int {
        var dropped = queue.bytes
        queue = FrameQueue()
        if let sealed {
            dropped += sealed.plaintext
            NanomsgSocket.free(sealed.chunk.baseAddress!)
        }
        sealed = nil
        return dropped
    }
}

/// Frames that wait, first in, first out; bounded by ``BusSettings/queueLimit`` before they come here.
private struct FrameQueue {
    /// All plaintext in it.
    private(set) var bytes = 0
    private var frames: [[UInt8]] = []
    private var head = 0

    var isEmpty: Bool { head == frames.count }

    mutating func append(_ frame: [UInt8]) {
        bytes += frame.count
        frames.append(frame)
    }

    mutating func popFirst() -> [UInt8]? {
        guard head < frames.count else { return nil }
        let frame = frames[head]
        frames[head] = []
        head += 1
        bytes -= frame.count
        if head == frames.count {
            frames.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 1024, head * 2 >= frames.count {
            frames.removeFirst(head)
            head = 0
        }
        return frame
    }
}
