/// The lasting identity of a node: 8 random bytes, drawn when its data directory is made.
///
/// It lives in the data directory, never in an address, so a node may move between hosts. Written as 16 hexadecimal
/// digits.
package struct NodeID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The 8 bytes, most significant first; zero names no node.
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// Reads 16 lower- or upper-case hexadecimal digits; nil for anything else.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count == 16, let value = UInt64(text, radix: 16) else { return nil }
        self.init(rawValue: value)
    }

    package var description: String { hexadecimal(rawValue, digits: 16) }

    package static func < (left: NodeID, right: NodeID) -> Bool { left.rawValue < right.rawValue }
}

/// One run of a node's process: 16 random bytes drawn at each start and never stored.
package struct Boot: Hashable, Sendable, CustomStringConvertible {
    /// The first 8 bytes, big-endian.
    package let high: UInt64
    /// The last 8 bytes, big-endian.
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package var description: String { hexadecimal(high, digits: 16) + hexadecimal(low, digits: 16) }
}

/// `value` in lower-case hexadecimal, padded with zeros to `digits`.
package func hexadecimal(_ value: UInt64, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}
