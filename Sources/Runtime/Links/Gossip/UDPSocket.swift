import Glibc
import Model

/// A bound UDP socket that does not wait; closed by its owner.
struct UDPSocket: Sendable {
    /// What to poll.
    let descriptor: Int32
    /// Whether it speaks IPv6, and IPv4 by mapped addresses, or only IPv4.
    let family: Int32

    /// A socket bound to a literal address or a name of this machine's.
    static func bound(to endpoint: Endpoint) throws(GossipError) -> UDPSocket {
        guard let address = GossipAddress.resolve(endpoint, family: AF_UNSPEC, numeric: false, passive: true) else {
            throw .listen(endpoint, code: EADDRNOTAVAIL)
        }
        let kind = Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, kind, 0)
        guard descriptor >= 0 else { throw .listen(endpoint, code: errno) }
        // A burst of a thousand packets waits in it; the system may grant less.
        set(descriptor, SOL_SOCKET, SO_RCVBUF, 1024 * 1024)
        if address.family == AF_INET6 { set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
        let status = address.bytes.withUnsafeBytes { raw in
            raw.withMemoryRebound(to: sockaddr.self) { bind(descriptor, $0.baseAddress, socklen_t(raw.count)) }
        }
        guard status == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw .listen(endpoint, code: code)
        }
        return UDPSocket(descriptor: descriptor, family: address.family)
    }

    /// Where it is bound, with the port that the system chose if 0 was asked for.
    var localEndpoint: Endpoint {
        withAddressStorage { raw, length in
            let status = raw.withMemoryRebound(to: sockaddr.self) { getsockname(descriptor, $0.baseAddress, &length) }
            precondition(status == 0, "a bound socket has an address")
        }.endpoint
    }

    /// Whether the system took the packet.
    func send(_ packet: UnsafeRawBufferPointer, to address: GossipAddress) -> Bool {
        let sent = address.bytes.withUnsafeBytes { raw in
            raw.withMemoryRebound(to: sockaddr.self) {
                sendto(descriptor, packet.baseAddress, packet.count, 0, $0.baseAddress, socklen_t(raw.count))
            }
        }
        return sent == packet.count
    }

    /// Receives a packet into `buffer`; its length and source, or nil when none is there.
    func receive(into buffer: UnsafeMutableRawBufferPointer) -> (count: Int, from: GossipAddress)? {
        var count = -1
        let source = withAddressStorage { raw, length in
            raw.withMemoryRebound(to: sockaddr.self) { address in
                repeat {
                    count = recvfrom(descriptor, buffer.baseAddress, buffer.count, 0, address.baseAddress, &length)
                } while count < 0 && errno == EINTR
            }
        }
        return count < 0 ? nil : (count, source)
    }

    /// Ends the socket; to be called once.
    func close() {
        Glibc.close(descriptor)
    }

    private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    private func withAddressStorage(
        _ body: (UnsafeMutableRawBufferPointer, inout socklen_t) -> Void
    ) -> GossipAddress {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutableBytes(of: &storage) { raw in
            body(raw, &length)
            return GossipAddress(UnsafeRawBufferPointer(raw), length: Int(length))
        }
    }
}
