/// The times and bounds of membership, with defaults chosen by simulation.
///
/// The defaults are for 3–7 nodes on one network. In the simulation of the tests, with 1 ms of delay, every survivor
/// knows of a crash after 1.7 s at the median and 2.4 s in 99 of 100 seeds; 10 % of packet loss kills nobody, nor does
/// a process that stands still for 1.5 s (with a `suspicionMultiplier` of 3 that would be 2.1 s, and death by a stall
/// of 1.5 s).
package struct MembershipSettings: Sendable {
    /// How often one member is probed, before the local health multiplier. A whole probe, relays included, must end
    /// within it.
    package var probeInterval: Duration = .milliseconds(300)
    /// How long a direct ping may take before relays are asked; above the network's slowest usual round trip.
    package var probeTimeout: Duration = .milliseconds(100)
    /// How many members are asked to ping one that did not answer (SWIM §4.1: k).
    package var relays = 3
    /// A suspicion lasts at least this × max(1, log10 N) × `probeInterval`.
    package var suspicionMultiplier = 4
    /// A suspicion that nobody confirms lasts this many times as long as the least.
    package var suspicionMaximumFactor = 2
    /// How many independent confirmations bring a suspicion down to the least (Lifeguard §4.2: K).
    package var suspicionConfirmations = 2
    /// How often one who accused a member pings it again and tells it so.
    package var suspectPingInterval: Duration = .milliseconds(150)
    /// A change is sent this × ⌈log10(N + 1)⌉ times by each member that learns of it (SWIM §4.1: λ).
    package var retransmitMultiplier = 4
    /// How often changes that still have to be told are sent on their own.
    package var gossipInterval: Duration = .milliseconds(100)
    /// To how many members each time.
    package var gossipFanOut = 3
    /// How often the whole list is exchanged with one random member.
    package var syncInterval: Duration = .seconds(30)
    /// How often one random member that is dead or away is greeted, so that a healed partition rejoins by itself.
    package var reconnectInterval: Duration = .seconds(10)
    /// How soon a silent seed is greeted again; doubles each time.
    package var greetInterval: Duration = .milliseconds(200)
    /// The longest pause between two greetings of a silent seed, which is greeted for ever.
    package var greetIntervalMaximum: Duration = .seconds(5)
    /// How often a process is pinged when another claims its node id.
    package var challengeInterval: Duration = .milliseconds(100)
    /// How many unanswered pings give the node id to the newcomer.
    package var challengePings = 6
    /// The most that the local health multiplier slows probing: intervals grow up to this + 1 times (Lifeguard §4.1:
    /// S).
    package var healthMaximum = 8
    /// A wake-up later than this is taken as a stall of this very process, and no timer runs out because of it.
    package var stallTolerance: Duration = .milliseconds(250)
    /// The most members held, those that left included; more are not taken up and are counted.
    package var maximumMembers = 1_024

    package init() {}

    /// Checks the relations between the bounds, once, at start.
    func assertSound() {
        precondition(probeTimeout * 2 <= probeInterval, "a probe must leave its relays as long as the direct ping had")
        precondition(
            probeTimeout > .zero && gossipInterval > .zero && greetInterval > .zero, "an interval must be positive")
        precondition(suspectPingInterval > .zero && challengeInterval > .zero, "an interval must be positive")
        precondition(syncInterval > .zero && reconnectInterval > .zero, "an interval must be positive")
        precondition(suspicionMultiplier >= 1 && suspicionMaximumFactor >= 1, "a suspicion must last")
        precondition(
            suspicionConfirmations < MemberUpdate.maximumAccusers, "the accusers of a suspicion must fit its record")
        precondition(relays >= 0 && gossipFanOut >= 1 && retransmitMultiplier >= 1, "a change must be told to somebody")
        precondition(challengePings >= 1 && healthMaximum >= 0 && maximumMembers >= 2, "a bound must leave room")
    }
}
