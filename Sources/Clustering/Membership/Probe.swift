import Model

/// The one member being probed, from its ping to the end of the probe interval.
struct Probe: Sendable {
    /// Who is probed.
    let target: NodeID
    /// The process that must answer.
    let run: Run
    /// The number that its acknowledgement must bear.
    let sequence: UInt32
    /// When relays are asked; nil once they have been.
    var relaysAt: MonotonicTime?
    /// When the probe has failed.
    var endsAt: MonotonicTime
    /// Who was asked to ping it too.
    var relays: [NodeID] = []
    /// Which of them said that they got no answer either.
    var nacks: [NodeID] = []
    /// Whether it has answered.
    var isAcknowledged = false

    /// The probe with its times moved forward by a stall of this process.
    func shifted(by stall: Duration) -> Probe {
        var copy = self
        copy.relaysAt = relaysAt.map { $0 + stall }
        copy.endsAt = endsAt + stall
        return copy
    }
}

/// A ping made for another member.
struct Relay: Sendable {
    /// The number of the ping made for it.
    let sequence: UInt32
    /// Who is pinged.
    let target: NodeID
    /// Who asked, and where it is to be answered.
    let requester: NodeID
    /// The requester's process.
    let requesterBoot: Boot
    /// Where the request came from.
    let requesterEndpoint: Endpoint
    /// The number that the requester gave to its request.
    let requesterSequence: UInt32
    /// When the requester is told that nothing was heard; nil once it was.
    var nackAt: MonotonicTime?
    /// When the relay is given up.
    var endsAt: MonotonicTime

    /// The most pings made for others at one time; the oldest gives way.
    static let maximumCount = 256

    /// The relay with its times moved forward by a stall of this process.
    func shifted(by stall: Duration) -> Relay {
        var copy = self
        copy.nackAt = nackAt.map { $0 + stall }
        copy.endsAt = endsAt + stall
        return copy
    }
}

/// The time in which a process may show that it still owns the id that a newcomer claims.
struct Challenge: Sendable {
    /// The node id claimed by two processes.
    let node: NodeID
    /// The process that has it.
    let incumbent: Run
    /// The process that claims it.
    let newcomer: Run
    /// Where the newcomer spoke from.
    let newcomerEndpoint: Endpoint
    /// The number that the incumbent's acknowledgement must bear.
    let sequence: UInt32
    /// Pings still to be sent.
    var pingsLeft: Int
    /// When the next is sent, or, with none left, when the newcomer is accepted.
    var nextAt: MonotonicTime
}

/// How far this node trusts its own timing: 0 is healthy, and every point slows its probes by one interval.
///
/// Lifeguard §4.1, local health multiplier.
struct LocalHealth: Sendable {
    /// 0 … the maximum.
    private(set) var score = 0
    private let maximum: Int

    init(maximum: Int) {
        self.maximum = maximum
    }

    /// Adds to the score, or takes from it, within its bounds.
    mutating func adjust(by change: Int) {
        score = min(maximum, max(0, score + change))
    }

    /// `duration` × (score + 1).
    func scaled(_ duration: Duration) -> Duration { duration * (score + 1) }
}

/// An address given by the operator under which a node may be found.
struct Seed: Sendable {
    /// A resolved address.
    let endpoint: Endpoint
    /// Who answered there last.
    var met: NodeID?
    /// When it is greeted next, if there is still reason to.
    var nextAt: MonotonicTime
    /// The pause after that.
    var pause: Duration

    /// The most seeds kept; those beyond are not used.
    static let maximumCount = 256
}
