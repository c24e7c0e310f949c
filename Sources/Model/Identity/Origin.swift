/// One run of one node as a writer: 48 bits of start time in milliseconds, then 16 random bits.
///
/// A node takes a fresh epoch at every start and syncs it to disk before the first record carries it.
package struct Epoch: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64

    package init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// An epoch that begins at `start` and is greater than `previous`, whatever the clock says.
    package init(start: WallTime, after previous: Epoch?, random: inout some RandomNumberGenerator) {
        let clock = UInt64(clamping: start.milliseconds) << 16 | UInt64(UInt16.random(in: .min ... .max, using: &random))
        if let previous, clock >> 16 <= previous.rawValue >> 16 {
            rawValue = ((previous.rawValue >> 16) &+ 1) << 16 | (clock & 0xFFFF)
        } else {
            rawValue = clock
        }
    }

    /// When the run began, by its node's own clock.
    package var start: WallTime { WallTime(milliseconds: Int64(rawValue >> 16)) }

    package var description: String { hexadecimal(rawValue, digits: 16) }

    package static func < (left: Epoch, right: Epoch) -> Bool { left.rawValue < right.rawValue }
}

/// Who wrote a record: a node, in one of its epochs. Each origin is the only writer of its journals.
package struct Origin: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let node: NodeID
    package let epoch: Epoch

    package init(node: NodeID, epoch: Epoch) {
        self.node = node
        self.epoch = epoch
    }

    package var description: String { "\(node)/\(epoch)" }

    package static func < (left: Origin, right: Origin) -> Bool {
        (left.node, left.epoch) < (right.node, right.epoch)
    }
}

/// Where a topic's records are kept: `hash(topic) mod 64`, fixed for the cluster's life, or the `system` slot.
package struct Slot: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// 0 … 63 for topics, 64 for the system slot.
    package let index: UInt8

    /// How many slots hold topics.
    package static let topicCount = 64
    /// How many slots there are, the system slot among them.
    package static let count = 65
    /// The slot of registry, members and schedules.
    package static let system = Slot(index: 64)!

    package init?(index: UInt8) {
        guard index < Slot.count else { return nil }
        self.index = index
    }

    /// The slot of a topic: FNV-1a (64 bits) over the UTF-8 of its name, modulo 64.
    package init(of topic: TopicName) {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in topic.text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        index = UInt8(hash % UInt64(Slot.topicCount))
    }

    package var description: String { self == .system ? "system" : "\(index)" }

    package static func < (left: Slot, right: Slot) -> Bool { left.index < right.index }
}
