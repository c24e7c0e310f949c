import Glibc
import Model

/// A member's time to contradict that it is dead.
///
/// Lifeguard §4.2: it begins long, and shrinks with every member that independently accuses it, by
/// max(minimum, maximum − (maximum − minimum) × log(C + 1) / log(K + 1)) for C of K confirmations.
struct Suspicion: Sendable {
    /// The member under suspicion.
    let node: NodeID
    /// When this node began to suspect it.
    private(set) var startedAt: MonotonicTime
    /// Who accuses it, in order of id, at most ``MemberUpdate/maximumAccusers``.
    private(set) var accusers: [NodeID]
    /// When this node next tells it; nil while this node has not accused it itself.
    var nextPingAt: MonotonicTime?

    private let minimum: Duration
    private let maximum: Duration
    private let confirmationsExpected: Int

    /// Begins a suspicion in a cluster of `members` living members, this node included.
    init(of node: NodeID, accusers: [NodeID], members: Int, settings: MembershipSettings, at now: MonotonicTime) {
        self.node = node
        self.accusers = []
        startedAt = now
        minimum = settings.probeInterval * (Double(settings.suspicionMultiplier) * max(1, log10(Double(members))))
        maximum = minimum * settings.suspicionMaximumFactor
        // Two cannot accuse: the suspect, and whoever began.
        confirmationsExpected = max(0, min(settings.suspicionConfirmations, members - 2))
        _ = add(accusers)
    }

    /// Adds accusers; true when one of them is news.
    mutating func add(_ others: [NodeID]) -> Bool {
        var added = false
        for accuser in others where accusers.count < MemberUpdate.maximumAccusers && !accusers.contains(accuser) {
            accusers.append(accuser)
            added = true
        }
        accusers.sort()
        return added
    }

    /// When the member is taken for dead unless it has contradicted.
    var deadline: MonotonicTime {
        guard confirmationsExpected > 0 else { return startedAt + minimum }
        let confirmations = max(0, accusers.count - 1)
        let share = log(Double(confirmations + 1)) / log(Double(confirmationsExpected + 1))
        return startedAt + max(minimum, maximum - (maximum - minimum) * share)
    }

    /// Moves its times forward by a stall of this process.
    mutating func shift(by stall: Duration) {
        startedAt = startedAt + stall
        nextPingAt = nextPingAt.map { $0 + stall }
    }
}
