import CNanomsg
import Glibc
import Model
import Runtime
import Synchronization
import Testing

/// Bytes written in hexadecimal, spaces passed over.
func hexBytes(_ text: String) -> [UInt8] {
    let digits = text.filter { !$0.isWhitespace }
    return stride(from: 0, to: digits.count, by: 2).map { offset in
        let start = digits.index(digits.startIndex, offsetBy: offset)
        return UInt8(digits[start..<digits.index(start, offsetBy: 2)], radix: 16)!
    }
}

/// What a receiver was told, and a way to wait for more of it.
final class LinkRecorder<Event: Sendable>: Sendable {
    private let events = Mutex<[Event]>([])
    private let wakeup = LinkWakeup()

    /// Adds a batch; to be used as a receiver.
    func receive(_ batch: [Event]) {
        events.withLock { $0 += batch }
        wakeup.wake()
    }

    /// All events so far.
    var all: [Event] { events.withLock { $0 } }

    /// Waits until `value` of all events is there; after 20 s it fails the test.
    func await<Value>(_ what: Comment, _ value: ([Event]) -> Value?) throws -> Value {
        try awaitLink(what, wakeup: wakeup) { value(all) }
    }
}

/// Waits until `value` is there, looking at every wake and every 5 ms; after 20 s it fails the test.
@discardableResult
func awaitLink<Value>(_ what: Comment, wakeup: LinkWakeup? = nil, _ value: () -> Value?) throws -> Value {
    let deadline = LinkClock.now() + .seconds(20)
    while LinkClock.now() < deadline {
        wakeup?.clear()
        if let value = value() { return value }
        var descriptor = pollfd(fd: wakeup?.descriptor ?? -1, events: Int16(POLLIN), revents: 0)
        poll(&descriptor, 1, 5)
    }
    return try #require(value(), what)
}

/// A gate that holds its visitors until it opens.
final class LinkGate: Sendable {
    private let wakeup = LinkWakeup()
    private let isOpen = Mutex(false)

    /// Waits here until the gate is open.
    func pass() {
        while !isOpen.withLock({ $0 }) {
            var descriptor = pollfd(fd: wakeup.descriptor, events: Int16(POLLIN), revents: 0)
            poll(&descriptor, 1, -1)
        }
    }

    /// Lets all through, for good.
    func open() {
        isOpen.withLock { $0 = true }
        wakeup.wake()
    }
}

/// Ports that nobody else of this process uses, below those that the system hands out by itself.
enum LinkPort {
    private static let next = Mutex(UInt16.random(in: 12_000..<26_000))

    /// A port on which a probe could listen just now.
    static func take() -> UInt16 {
        next.withLock { port in
            while true {
                port = port >= 32_000 ? 12_000 : port + 1
                if isFree(port) { return port }
            }
        }
    }

    private static func isFree(_ port: UInt16) -> Bool {
        let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(probe) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(probe, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        } == 0
    }
}

/// Identities and keys that tests share.
enum LinkSample {
    static let keys = ring(1)

    /// A ring of one key whose bytes are all `byte`.
    static func ring(_ byte: UInt8...) -> ClusterKeyRing {
        do {
            return try ClusterKeyRing(byte.map { [UInt8](repeating: $0, count: 32) })
        } catch {
            preconditionFailure("sample keys are valid")
        }
    }

    static func identity(
        _ node: UInt64, boot: UInt64? = nil, cluster: String = "flock", messageLimit: Int = 1024 * 1024,
        versions: WireVersions = .spoken
    ) -> LinkIdentity {
        LinkIdentity(
            node: NodeID(rawValue: node), boot: Boot(high: 0xB007, low: boot ?? node * 100), cluster: cluster,
            messageLimit: messageLimit, advertised: Endpoint(host: "127.0.0.1", port: 7336), versions: versions)
    }
}

/// A bus of its own identity with what it was told.
struct TestBus {
    let identity: LinkIdentity
    let endpoint: Endpoint
    let events = LinkRecorder<BusEvent>()
    let bus: NanomsgBus

    init(
        _ node: UInt64, boot: UInt64? = nil, keys: ClusterKeyRing = LinkSample.keys, cluster: String = "flock",
        at endpoint: Endpoint? = nil, gate: LinkGate? = nil, change: (inout BusSettings) -> Void = { _ in }
    ) throws {
        var settings = BusSettings()
        settings.drainLimit = .milliseconds(200)
        change(&settings)
        let recorder = events
        identity = LinkSample.identity(node, boot: boot, cluster: cluster)
        self.endpoint = endpoint ?? Endpoint(host: "127.0.0.1", port: LinkPort.take())
        bus = try NanomsgBus(identity: identity, keys: keys, listen: self.endpoint, settings: settings) { batch in
            recorder.receive(batch)
            if batch.contains(where: { if case .frame = $0 { true } else { false } }) { gate?.pass() }
        }
    }

    var node: NodeID { identity.node }

    func connect(to other: TestBus) { bus.connect(other.node, at: other.endpoint) }

    /// Waits for a session with a run of a peer.
    func awaitOpened(_ peer: LinkIdentity) throws {
        try events.await("a session with \(peer.node)") { events in
            events.contains(.opened(peer.node, peerBoot: peer.boot, version: WireVersions.spoken.highest)) ? () : nil
        }
    }

    /// The frames received so far from a node.
    func frames(from node: NodeID) -> [[UInt8]] {
        events.all.compactMap { event in
            if case .frame(node, _, let frame) = event { frame } else { nil }
        }
    }

    /// Waits until `count` frames have come from a node.
    func awaitFrames(_ count: Int, from node: NodeID) throws -> [[UInt8]] {
        try events.await("\(count) frames from \(node)") { _ in
            let frames = frames(from: node)
            return frames.count >= count ? frames : nil
        }
    }

    /// Waits until drops for a reason are counted.
    func awaitDrops(_ reason: DropReason, atLeast count: UInt64 = 1) throws {
        try awaitLink("a drop: \(reason)") { bus.counters[reason] >= count ? () : nil }
    }
}

/// A plain `NN_PUSH` that sends a bus whatever a test makes up.
final class RawPush {
    private let socket: Int32

    init(to endpoint: Endpoint) {
        socket = roost_nn_socket(roost_nn_push)
        precondition(nn_connect(socket, "tcp://\(endpoint)") >= 0, "a connection is begun")
    }

    deinit { nn_close(socket) }

    func send(_ frame: [UInt8]) {
        precondition(nn_send(socket, frame, frame.count, 0) == Int32(frame.count), "a frame is sent")
    }
}

/// A plain `NN_PULL` in the place of a bus, for looking at what another sends.
final class RawPull {
    private let socket: Int32

    init(at endpoint: Endpoint) {
        socket = roost_nn_socket(roost_nn_pull)
        precondition(nn_bind(socket, "tcp://\(endpoint)") >= 0, "the port is free")
        precondition(roost_nn_set(socket, NN_SOL_SOCKET, NN_RCVTIMEO, 20_000) == 0, "the option is known")
    }

    deinit { nn_close(socket) }

    func receive() throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = nn_recv(socket, &buffer, buffer.count, 0)
        try #require(count >= 0, "a frame within 20 s")
        return Array(buffer[..<Int(count)])
    }
}

/// One end of a session as values, for making up frames as a peer would.
struct TestPeer {
    let identity: LinkIdentity
    let keys: ClusterKeyRing
    let channel: LinkChannel

    init(_ identity: LinkIdentity, keys: ClusterKeyRing = LinkSample.keys, channel: LinkChannel) {
        self.identity = identity
        self.keys = keys
        self.channel = channel
    }

    /// A sealed hello.
    func hello(echo: LinkHello.Echo? = nil, hasSession: Bool = false, ticket: UInt64 = 1, firstCounter: UInt64 = 1)
        -> [UInt8]
    {
        let hello = LinkHello(
            sender: identity.end, ticket: ticket, echo: echo, hasSession: hasSession, firstCounter: firstCounter,
            messageLimit: identity.messageLimit, advertised: identity.advertised)
        return HelloSealer(identity: identity, channel: channel, keys: keys, random: systemLinkRandom).seal(hello)
    }

    /// A sealed frame to a peer.
    func frame(_ text: String, to peer: LinkIdentity, counter: UInt64) -> [UInt8] {
        let sealer = FrameSealer(
            identity: identity, peer: peer.end, channel: channel, keys: keys, firstCounter: counter)
        return sealer.sealed(Array(text.utf8))
    }

    /// The hello in received bytes.
    func open(_ bytes: [UInt8]) throws -> LinkHello {
        let opener = HelloOpener(identity: identity, channel: channel, keys: keys)
        return try bytes.withUnsafeBytes { raw in
            try opener.open(raw, header: try SealedHeader.read(raw).get()).get()
        }
    }
}

extension FrameSealer {
    /// A frame sealed into bytes of its own.
    func sealed(_ plaintext: [UInt8]) -> [UInt8] {
        let count = plaintext.count + SealedHeader.dataOverhead
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            let destination = UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count)
            plaintext.withUnsafeBytes { seal($0, into: destination) }
            initialized = count
        }
    }
}

extension FrameOpener {
    /// What comes of received bytes.
    func open(_ bytes: [UInt8]) -> Result<[UInt8], DropReason> {
        bytes.withUnsafeBytes { raw in
            switch SealedHeader.read(raw) {
            case .failure(let reason): .failure(reason)
            case .success(let header): open(raw, header: header)
            }
        }
    }
}

/// Bytes with one bit turned over.
func flipping(_ frame: [UInt8], bit: Int) -> [UInt8] {
    var frame = frame
    frame[bit / 8] ^= 1 << UInt8(bit % 8)
    return frame
}
