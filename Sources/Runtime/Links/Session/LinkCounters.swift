/// Why something received, or handed over for sending, was dropped.
package enum DropReason: Int, Error, CaseIterable, Sendable {
    /// Data whose tag does not verify: forged, damaged, or sealed for an earlier run of this node.
    case forged
    /// Too short for its header and tag.
    case truncated
    /// A counter that was seen, or that is behind what may still come.
    case replayed
    /// Our own frame or packet, come back.
    case reflected
    /// A hello from another node that has our identity: a copied data directory.
    case duplicateIdentity
    /// A version or kind that this build does not read, in the header or in a hello.
    case unknownVersion
    /// Sealed with a key that is not in our ring.
    case unknownKey
    /// A hello whose tag does not verify under a key of ours: another cluster's name, damaged, or forged.
    case wrongCluster
    /// A verified hello whose fields cannot be read.
    case malformed
    /// Data from a boot without a session here: one of both ends has restarted since.
    case staleBoot
    /// A hello that echoes a boot or a ticket of ours which is no longer current: late, or replayed.
    case staleEcho
    /// A hello from a node that allows messages too large for our receive limit.
    case limitMismatch
    /// A bus hello from a node that we were not told to connect to.
    case stranger
    /// An answer to a hello that the rate limit kept back.
    case answerLimited
    /// Not sent: there is no session with the peer yet.
    case noSession
    /// Not sent: the peer's queue is full.
    case queueFull
    /// Not sent: larger than the link carries.
    case oversized
    /// Not sent: the name or address cannot be reached, or the system refused it.
    case unreachable
}

/// What a link has carried and dropped since it was made.
package struct LinkCounters: Sendable, Equatable {
    /// Frames or packets sealed and handed to the system, hellos not counted.
    package var sent: UInt64 = 0
    /// Frames or packets verified and passed on.
    package var received: UInt64 = 0
    /// Plaintext bytes sent.
    package var bytesSent: UInt64 = 0
    /// Plaintext bytes received.
    package var bytesReceived: UInt64 = 0
    /// Hellos sent, answers among them.
    package var hellosSent: UInt64 = 0
    /// Why something was last dropped; nil when nothing was.
    package private(set) var lastReason: DropReason?
    private var drops = [UInt64](repeating: 0, count: DropReason.allCases.count)

    package init() {}

    /// How many were dropped for a reason.
    package subscript(reason: DropReason) -> UInt64 { drops[reason.rawValue] }

    /// All drops.
    package var dropped: UInt64 { drops.reduce(0, +) }

    /// Counts a drop.
    package mutating func drop(_ reason: DropReason) {
        drops[reason.rawValue] += 1
        lastReason = reason
    }

    /// Adds what another has counted.
    package mutating func add(_ other: LinkCounters) {
        sent += other.sent
        received += other.received
        bytesSent += other.bytesSent
        bytesReceived += other.bytesReceived
        hellosSent += other.hellosSent
        for reason in DropReason.allCases { drops[reason.rawValue] += other.drops[reason.rawValue] }
        lastReason = other.lastReason ?? lastReason
    }
}
