import CNanomsg
import Glibc
import Model

/// One socket of the library; closed by its owner, once.
///
/// Its calls may come from any thread. Its descriptors are only ever polled: to read one would abort the library.
struct NanomsgSocket: Sendable {
    private let socket: Int32

    /// Why the library refused something.
    struct Failure: Error {
        /// The library's error number.
        let code: Int32
        /// The library's words for it.
        var reason: String { String(cString: nn_strerror(code)) }
    }

    /// What came of trying to send without waiting.
    enum Sending {
        /// The library has the chunk; that is no promise that it arrives.
        case taken
        /// No connection has room; the chunk is still the caller's.
        case blocked
        /// The socket is of no more use; the chunk is still the caller's.
        case failed
    }

    /// What came of trying to receive.
    enum Receiving {
        /// A chunk that the caller frees.
        case chunk(UnsafeMutableRawPointer, count: Int)
        /// Nothing is there.
        case empty
        /// The socket was closed.
        case closed
    }

    /// A `NN_PULL`, bound.
    static func bound(to endpoint: Endpoint, settings: BusSettings) throws(Failure) -> NanomsgSocket {
        let socket = try NanomsgSocket(roost_nn_pull, settings: settings, ipv6: endpoint.host.contains(":"))
        // The library binds to literal addresses and interface names only.
        let host = endpoint.host == "localhost" ? "127.0.0.1" : endpoint.host
        try socket.adopt(nn_bind(socket.socket, Self.address(Endpoint(host: host, port: endpoint.port))))
        return socket
    }

    /// A `NN_PUSH` that connects, and reconnects, by itself. `ipv6` chooses how a name is looked up; a literal address
    /// speaks for itself.
    static func connected(to endpoint: Endpoint, settings: BusSettings, ipv6: Bool) throws(Failure) -> NanomsgSocket {
        let literal = endpoint.host.contains(":")
        let named = endpoint.host.contains { !$0.isNumber && $0 != "." }
        let socket = try NanomsgSocket(roost_nn_push, settings: settings, ipv6: literal || (named && ipv6))
        try socket.adopt(nn_connect(socket.socket, Self.address(endpoint)))
        return socket
    }

    private init(_ kind: Int32, settings: BusSettings, ipv6: Bool) throws(Failure) {
        socket = roost_nn_socket(kind)
        guard socket >= 0 else { throw Failure(code: nn_errno()) }
        let reconnect = Int32(settings.reconnectInterval.milliseconds)
        let options = [
            (roost_nn_tcp_level, NN_TCP_NODELAY, 1),
            (NN_SOL_SOCKET, NN_RECONNECT_IVL, reconnect),
            (NN_SOL_SOCKET, NN_RECONNECT_IVL_MAX, 0),
            (NN_SOL_SOCKET, NN_RCVMAXSIZE, Int32(settings.receiveLimit)),
            (NN_SOL_SOCKET, NN_SNDBUF, Int32(settings.socketBuffer)),
            (NN_SOL_SOCKET, NN_RCVBUF, Int32(settings.socketBuffer)),
            (NN_SOL_SOCKET, NN_IPV4ONLY, ipv6 ? 0 : 1),
        ]
        for (level, option, value) in options { try adopt(roost_nn_set(socket, level, option, value)) }
    }

    /// Polls readable while a chunk can be sent; only for a `NN_PUSH`.
    var sendDescriptor: Int32 { roost_nn_descriptor(socket, NN_SNDFD) }

    /// Whether a connection stands, as far as the library knows: a killed peer shows at once, a partition never.
    var isConnected: Bool { nn_get_statistic(socket, Int32(NN_STAT_CURRENT_CONNECTIONS)) > 0 }

    /// Sends a chunk of `nn_allocmsg` without waiting.
    func send(_ chunk: UnsafeMutableRawPointer) -> Sending {
        while true {
            if roost_nn_send_chunk(socket, chunk, NN_DONTWAIT) >= 0 { return .taken }
            switch nn_errno() {
            case EAGAIN: return .blocked
            case EINTR: continue
            default: return .failed
            }
        }
    }

    /// Polls readable while a chunk can be received; only for a `NN_PULL`.
    var receiveDescriptor: Int32 { roost_nn_descriptor(socket, NN_RCVFD) }

    /// Receives a chunk without waiting.
    func receive() -> Receiving {
        while true {
            var chunk: UnsafeMutableRawPointer?
            let count = roost_nn_receive_chunk(socket, &chunk, NN_DONTWAIT)
            if count >= 0, let chunk { return .chunk(chunk, count: Int(count)) }
            switch nn_errno() {
            case EAGAIN: return .empty
            case EBADF, roost_nn_terminated: return .closed
            default: continue
            }
        }
    }

    /// Ends the socket. No other thread may be using it: the library gives its number to the next socket.
    func close() {
        while nn_close(socket) != 0, nn_errno() == EINTR {}
    }

    /// A chunk to seal into.
    static func allocate(_ count: Int) -> UnsafeMutableRawBufferPointer {
        guard let chunk = roost_nn_allocate(count) else { preconditionFailure("memory for a frame") }
        return UnsafeMutableRawBufferPointer(start: chunk, count: count)
    }

    /// Frees a chunk that was received, or that was not sent.
    static func free(_ chunk: UnsafeMutableRawPointer) {
        nn_freemsg(chunk)
    }

    private func adopt(_ status: Int32) throws(Failure) {
        guard status < 0 else { return }
        let failure = Failure(code: nn_errno())
        close()
        throw failure
    }

    private static func address(_ endpoint: Endpoint) -> String { "tcp://\(endpoint)" }
}
