import CEpoll
import Glibc
import WebSocket

/// One non-blocking socket of a load.
struct LoadConnection {
    /// How far a connection is.
    enum Phase {
        /// Not opened, or closed again.
        case closed
        /// TCP's handshake is under way.
        case connecting
        /// WebSocket's handshake is under way.
        case shaking
        /// So many answers are missing until it can do its work.
        case attaching(Int)
        /// It can do its work.
        case ready
    }

    /// What the connection does.
    let role: LoadRole
    /// Its place among those of its role.
    let ordinal: Int
    /// Where it attaches.
    let address: ServerAddress

    /// How far it is.
    var phase = Phase.closed
    /// The socket; −1 while there is none.
    var descriptor: Int32 = -1
    /// The WebSocket handshake while it lasts.
    var handshake: ClientHandshake?
    /// Bytes of a frame or a response whose end has not come.
    var carry: [UInt8] = []
    /// Bytes that have not been sent.
    var outgoing: [UInt8] = []
    /// Whether the poller tells when it can be written.
    var awaitsRoom = false
    /// Whether an answer said that the topic is not known yet, so that all has to be asked again.
    var asksAgain = false
    /// When its first attempt began.
    var since: UInt64 = 0

    /// Begins to connect; the socket, or the error's number.
    mutating func connect(to place: SocketAddress) -> Int32 {
        descriptor = socket(
            Int32(place.family), Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return errno }
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        phase = .connecting
        let result = place.withPointer { Glibc.connect(descriptor, $0, $1) }
        return result == 0 || errno == EINPROGRESS ? 0 : errno
    }

    /// Becomes a connection that only listens.
    ///
    /// A socket that has answered something delays its acknowledgements, hoping to send them with the next answer (tcp(7),
    /// `TCP_QUICKACK`); on loopback those that come after all are then dealt with inside the server's `send`, and cost it
    /// about a third more. Brokers whose subscribers speak before they listen would pay for that, others would not.
    func listen() {
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_QUICKACK, &yes, socklen_t(MemoryLayout<Int32>.size))
    }

    /// What became of the connect: 0, or an error's number.
    func connectResult() -> Int32 {
        var error: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno
    }

    /// Sends what is waiting, as far as the socket takes it; whether all went. An error shows when the socket is read.
    mutating func flush() -> Bool {
        guard !outgoing.isEmpty else { return true }
        let count = outgoing.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        if count == outgoing.count {
            outgoing.removeAll(keepingCapacity: true)
            return true
        }
        if count > 0 { outgoing.removeFirst(count) }
        return false
    }

    /// Ends the connection, with a close frame where there is a WebSocket.
    mutating func end() {
        guard descriptor >= 0 else { return }
        switch phase {
        case .attaching, .ready:
            FrameEncoder.close(.normal, mask: MaskingKey(word: .random(in: 0...UInt32.max)), into: &outgoing)
            _ = flush()
        case .closed, .connecting, .shaking: break
        }
        drop()
    }

    /// Ends the connection without a word.
    mutating func drop() {
        if descriptor >= 0 { close(descriptor) }
        self = LoadConnection(role: role, ordinal: ordinal, address: address, since: since)
    }
}

/// Where a socket connects to.
struct SocketAddress {
    private var storage = sockaddr_storage()
    private var size: socklen_t = 0

    /// The family of the socket that it needs.
    var family: sa_family_t { storage.ss_family }

    /// Looks a host up.
    init(_ address: ServerAddress) throws(CommandFailure) {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(address.endpoint.host, "\(address.endpoint.port)", &hints, &found)
        guard code == 0, let first = found?.pointee, let place = first.ai_addr else {
            throw .unreachable("\(address): \(String(cString: gai_strerror(code)))")
        }
        size = first.ai_addrlen
        withUnsafeMutableBytes(of: &storage) { target in
            target.copyMemory(from: UnsafeRawBufferPointer(start: place, count: Int(first.ai_addrlen)))
        }
        freeaddrinfo(found)
    }

    /// Lends the address as the system wants it.
    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        withUnsafeBytes(of: storage) { bytes in
            guard let base = bytes.baseAddress else { preconditionFailure("an address has bytes") }
            return body(base.assumingMemoryBound(to: sockaddr.self), size)
        }
    }
}
