import Glibc
import NIOCore

/// An IP address as 128 bits; IPv4 as `::ffff:a.b.c.d` (RFC 4291 §2.5.5.2), so that both spellings are the same.
package struct NetworkAddress: Hashable, Sendable {
    let high: UInt64
    let low: UInt64

    private init(_ bytes: some Sequence<UInt8>) {
        var words: (high: UInt64, low: UInt64) = (0, 0)
        for byte in bytes { words = (words.high << 8 | words.low >> 56, words.low << 8 | UInt64(byte)) }
        (high, low) = words
    }

    private static let mappedPrefix = [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF]

    /// Reads `192.0.2.1` or `2001:db8::1`; nil for everything else.
    package init?(_ text: String) {
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            self.init(Self.mappedPrefix + withUnsafeBytes(of: four) { Array($0) })
        } else if inet_pton(AF_INET6, text, &six) == 1 {
            self.init(withUnsafeBytes(of: six) { Array($0) })
        } else {
            return nil
        }
    }

    /// The address of a socket's end; nil for one that is not on a network.
    init?(_ address: SocketAddress?) {
        switch address {
        case .v4(let end): self.init(Self.mappedPrefix + withUnsafeBytes(of: end.address.sin_addr) { Array($0) })
        case .v6(let end): self.init(withUnsafeBytes(of: end.address.sin6_addr) { Array($0) })
        case .unixDomainSocket, nil: return nil
        }
    }

    private init(high: UInt64, low: UInt64) {
        (self.high, self.low) = (high, low)
    }

    var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// What a limit for each address counts: an IPv4 address, or the /64 network that one IPv6 customer has at least.
    var subscriber: NetworkAddress { isIPv4 ? self : NetworkAddress(high: high, low: 0) }
}

/// A range of addresses: `10.0.0.0/8`, `2001:db8::/32`, or one alone.
package struct AddressBlock: Hashable, Sendable {
    private let base: NetworkAddress
    /// How many of 128 bits count.
    private let bits: Int

    /// Reads an address, with or without the number of bits that count; nil for everything else.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let base = NetworkAddress(String(parts[0])) else { return nil }
        let width = parts[0].contains(":") ? 128 : 32
        var prefix = width
        if parts.count == 2 {
            guard let given = Int(parts[1]), (0...width).contains(given) else { return nil }
            prefix = given
        }
        self.base = base
        bits = 128 - width + prefix
    }

    /// Whether the address lies in the block.
    package func contains(_ address: NetworkAddress) -> Bool {
        let highMask: UInt64 = bits >= 64 ? .max : ~(.max >> UInt64(bits))
        let lowMask: UInt64 = bits <= 64 ? 0 : ~(.max >> UInt64(bits - 64))
        return (address.high ^ base.high) & highMask == 0 && (address.low ^ base.low) & lowMask == 0
    }

    /// 127.0.0.0/8 and ::1.
    package static let loopback: [AddressBlock] = ["127.0.0.0/8", "::1"].compactMap(AddressBlock.init)
}

/// The client's address as the nearest proxy that is not ours told it in `X-Forwarded-For`.
///
/// Each proxy appends the address that it was reached from, so only what our own appended can be believed: the list is
/// read from its end, and our proxies are passed over. Nil where there is none, or it is no address.
func forwardedAddress(_ lines: [String], through proxies: [AddressBlock]) -> NetworkAddress? {
    for item in lines.flatMap({ $0.split(separator: ",") }).reversed() {
        guard let address = forwardedItem(item.drop { $0 == " " }) else { return nil }
        if !proxies.contains(where: { $0.contains(address) }) { return address }
    }
    return nil
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`.
private func forwardedItem(_ item: Substring) -> NetworkAddress? {
    var text = String(item)
    while text.last == " " { text.removeLast() }
    if let address = NetworkAddress(text) { return address }
    if text.hasPrefix("["), let end = text.lastIndex(of: "]") {
        return NetworkAddress(String(text[text.index(after: text.startIndex)..<end]))
    }
    return text.lastIndex(of: ":").flatMap { NetworkAddress(String(text[..<$0])) }
}
