import Glibc
import Model

/// A numeric UDP address as the system takes it.
struct GossipAddress: Hashable, Sendable {
    /// A `sockaddr_in` or `sockaddr_in6`.
    let bytes: [UInt8]

    /// `AF_INET` or `AF_INET6`.
    var family: Int32 { Int32(bytes.withUnsafeBytes { $0.loadUnaligned(as: sa_family_t.self) }) }

    /// The first `length` bytes of what the system wrote.
    init(_ storage: UnsafeRawBufferPointer, length: Int) {
        bytes = Array(storage.prefix(length))
    }

    /// What an endpoint means to a socket of `family`; nil when it means nothing. Where `numeric`, the host is not
    /// looked up as a name, and nothing waits. A socket for IPv6 reaches IPv4 by mapped addresses (RFC 4291 §2.5.5.2).
    static func resolve(_ endpoint: Endpoint, family: Int32, numeric: Bool, passive: Bool = false) -> GossipAddress? {
        var hints = addrinfo()
        hints.ai_family = family
        hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | (numeric ? AI_NUMERICHOST : 0) | (passive ? AI_PASSIVE : 0)
        if family == AF_INET6, !passive { hints.ai_flags |= AI_V4MAPPED }
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(endpoint.host, String(endpoint.port), &hints, &list) == 0, let found = list else {
            return nil
        }
        defer { freeaddrinfo(list) }
        return GossipAddress(
            UnsafeRawBufferPointer(start: found.pointee.ai_addr, count: Int(found.pointee.ai_addrlen)),
            length: Int(found.pointee.ai_addrlen))
    }

    /// The address as an endpoint; a mapped IPv4 address as IPv4.
    var endpoint: Endpoint {
        bytes.withUnsafeBytes { raw in
            let port = UInt16(raw[2]) << 8 | UInt16(raw[3])
            if family == AF_INET { return Endpoint(host: Self.ipv4(raw[4..<8]), port: port) }
            let address = raw[8..<24]
            let isMapped =
                address.prefix(10).allSatisfy { $0 == 0 } && address.dropFirst(10).prefix(2).allSatisfy { $0 == 0xFF }
            if isMapped { return Endpoint(host: Self.ipv4(raw[20..<24]), port: port) }
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let status = raw.withMemoryRebound(to: sockaddr.self) {
                getnameinfo(
                    $0.baseAddress, socklen_t(bytes.count), &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
            }
            precondition(status == 0, "the system can write every address that it read")
            let host = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            return Endpoint(host: String(decoding: host, as: UTF8.self), port: port)
        }
    }

    private static func ipv4(_ octets: Slice<UnsafeRawBufferPointer>) -> String {
        octets.map { String($0) }.joined(separator: ".")
    }
}
