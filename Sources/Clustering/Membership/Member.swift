import Model

/// What this node holds of one member of the cluster, itself included.
///
/// A record is fixed for one ``Run`` but for `incarnation` and `state`. Its encoded form is at most ``maximumBytes``
/// long.
package struct Member: Hashable, Sendable {
    /// The lasting identity of the node.
    package let id: NodeID
    /// What an operator calls the node, at most ``maximumNameBytes`` of UTF-8.
    package let name: String
    /// The process that the record speaks of.
    package let run: Run
    /// How often that process has had to contradict what was said of it; from 0.
    package internal(set) var incarnation: UInt64
    /// What is believed of that process.
    package internal(set) var state: MemberState
    /// Where it listens for gossip (UDP).
    package let gossip: Endpoint
    /// Where its bus listens.
    package let bus: Endpoint
    /// Where clients reach it, at most ``maximumFronts``.
    package let fronts: [Endpoint]
    /// The highest version of the bus's wire format that it speaks.
    package let wireVersion: UInt8

    /// The process's boot, which keys are bound to.
    package var boot: Boot { run.boot }

    /// The longest name, in bytes of UTF-8.
    package static let maximumNameBytes = 64
    /// The longest host of an endpoint, in bytes: the longest DNS name (RFC 1035 §2.3.4).
    package static let maximumHostBytes = 253
    /// The most client endpoints that one member may advertise.
    package static let maximumFronts = 4
    /// The longest encoded record, in bytes, so that one always fits beside the largest digest.
    package static let maximumBytes = 512

    /// The standing that decides which of two records of one node is newer.
    var precedence: Precedence { Precedence(run: run, incarnation: incarnation, state: state) }

    /// This record with another incarnation and state.
    func with(incarnation: UInt64, state: MemberState) -> Member {
        var copy = self
        copy.incarnation = incarnation
        copy.state = state
        return copy
    }
}

/// One process of a node: when it started, and its boot.
///
/// Runs of one node are ordered by start, so that a restarted process, whose incarnation begins at 0 again, outranks
/// everything said of the one before it. Equal starts fall back on the boot.
package struct Run: Hashable, Comparable, Sendable {
    /// When the process started, in milliseconds since 1970; strictly greater than in the node's run before.
    package let epochMilliseconds: UInt64
    /// The boot drawn by that process.
    package let boot: Boot

    package init(epochMilliseconds: UInt64, boot: Boot) {
        self.epochMilliseconds = epochMilliseconds
        self.boot = boot
    }

    package static func < (left: Run, right: Run) -> Bool {
        (left.epochMilliseconds, left.boot.high, left.boot.low) < (
            right.epochMilliseconds, right.boot.high, right.boot.low
        )
    }
}

/// What orders the records of one node: the later run, then the higher incarnation, then the graver state.
struct Precedence: Hashable, Comparable, Sendable {
    /// The process spoken of.
    let run: Run
    /// Its incarnation.
    let incarnation: UInt64
    /// What is claimed of it.
    let state: MemberState

    static func < (left: Precedence, right: Precedence) -> Bool {
        (left.run, left.incarnation, left.state.rawValue) < (right.run, right.incarnation, right.state.rawValue)
    }
}

/// What is believed of a member; between records of one run and incarnation the higher raw value wins.
package enum MemberState: UInt8, CaseIterable, Sendable {
    /// It answers, or nobody has said otherwise.
    case alive = 0
    /// A probe failed; it has until the suspicion times out to contradict.
    case suspect = 1
    /// Nobody heard it contradict the suspicion in time. Still a member.
    case dead = 2
    /// It announced that it stops. Still a member, and not probed.
    case away = 3
    /// An operator made it leave, or had it forgotten.
    case left = 4

    /// Whether a process is believed to run: such members are probed and gossiped with.
    package var isLiving: Bool { self == .alive || self == .suspect }
}

/// What the node says of itself when it starts.
package struct LocalMember: Sendable {
    /// The record that the node begins with: alive, incarnation 0.
    let member: Member

    /// Describes the running process.
    ///
    /// The record must fit its bounds (``Member/maximumNameBytes``, ``Member/maximumHostBytes``,
    /// ``Member/maximumFronts``, ``Member/maximumBytes``), and no port may be 0.
    /// - Throws: ``FormatError/invalid(_:)`` that names the field that is out of bounds.
    package init(
        id: NodeID, name: String, boot: Boot, epochMilliseconds: UInt64,
        gossip: Endpoint, bus: Endpoint, fronts: [Endpoint], wireVersion: UInt8
    ) throws(FormatError) {
        let member = Member(
            id: id, name: name, run: Run(epochMilliseconds: epochMilliseconds, boot: boot), incarnation: 0,
            state: .alive,
            gossip: gossip, bus: bus, fronts: fronts, wireVersion: wireVersion)
        var writer = ByteWriter()
        member.write(to: &writer)
        var reader = ByteReader(writer.bytes)
        _ = try Member(reading: &reader)
        self.member = member
    }
}
