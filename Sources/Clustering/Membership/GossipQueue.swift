import Glibc
import Model

/// The members whose records have news that must still be told, each with how often it has been told.
///
/// Only ids are queued: what is sent is the record as it is then. So the queue is never longer than the list of
/// members.
struct GossipQueue: Sendable {
    /// One member with news.
    struct Entry: Sendable {
        /// Whose record is to be told.
        let node: NodeID
        /// How often it has been sent since it last changed.
        var transmissions: Int
    }

    private var entries: [Entry] = []

    /// Whether there is nothing to tell.
    var isEmpty: Bool { entries.isEmpty }

    /// The members to tell of, those told least often first, then by id.
    var order: [NodeID] {
        entries.sorted { ($0.transmissions, $0.node) < ($1.transmissions, $1.node) }.map(\.node)
    }

    /// Begins to tell of a member, or begins again because its record changed.
    mutating func enqueue(_ node: NodeID) {
        if let index = entries.firstIndex(where: { $0.node == node }) {
            entries[index].transmissions = 0
        } else {
            entries.append(Entry(node: node, transmissions: 0))
        }
    }

    /// Counts one sending of a member's record and drops it when it has been sent `limit` times.
    mutating func recordTransmission(of node: NodeID, limit: Int) {
        guard let index = entries.firstIndex(where: { $0.node == node }) else { return }
        entries[index].transmissions += 1
        if entries[index].transmissions >= limit { entries.remove(at: index) }
    }

    /// Stops telling of a member.
    mutating func remove(_ node: NodeID) {
        entries.removeAll { $0.node == node }
    }

    /// How often each record is sent in a cluster of `members`: `multiplier` × ⌈log10(N + 1)⌉ (memberlist,
    /// `retransmitLimit`).
    static func retransmitLimit(multiplier: Int, members: Int) -> Int {
        multiplier * Int(log10(Double(members + 1)).rounded(.up))
    }
}
