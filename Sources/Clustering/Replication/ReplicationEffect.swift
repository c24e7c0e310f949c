import Model

/// What replication wants done, in this order.
package enum ReplicationEffect: Sendable {
    /// Put a frame on the lane to a peer; it may be lost, and then it is sent again.
    case send(NodeID, [UInt8])
    /// Read the log, and answer with ``Replication/chunk(_:for:at:ledger:into:)``.
    case read(ReadPurpose, JournalRead)
    /// Read the ring of a memory topic for a peer, and answer with ``Replication/ring(_:for:boot:at:into:)``.
    case readRing(NodeID, boot: Boot, RingRead)
    /// Write these records, which were asked for because the log has lost them, where they stood.
    case mend([Record])
    /// What came of asking for a run that the log has lost.
    case resolve(AbsentRun, WantOutcome)
    /// Every own record up to this local sequence is synced on as many nodes as `replicated` means.
    case replicated(through: UInt64)
    /// Every reachable member forwards by this interest.
    case interestConfirmed(loop: Int, id: UInt64)
    /// Somebody came, went, changed, or began or ceased to type.
    case presence([PresenceShift])
    /// Give a peer's errand to the event loop of this number.
    case errand(loop: Int, [UInt8], from: NodeID)
    /// An errand of this node's own event loop will not be carried: there is no lane, or no room on it.
    case errandLost(ErrandParcel)
    /// The lane has been silent for long: make a new connection.
    case cycle(NodeID)
    /// A peer speaks only this version of the lane format, which cannot say what comes next: it gets nothing more until it
    /// runs a later build.
    case outdated(NodeID, version: UInt8)
    /// A peer's frame could not be read and changed nothing.
    case malformed(FormatError, from: NodeID)
}

/// What a stretch of the log is read for.
package enum ReadPurpose: Hashable, Sendable {
    /// This node's own records, for a peer that is behind.
    case push(NodeID, boot: Boot)
    /// Another origin's records, which a peer asked for.
    case pull(NodeID, boot: Boot, Origin)
    /// Records that a peer has lost.
    case mend(NodeID, boot: Boot)
}

/// What came of asking holders for positions that the log has lost.
package enum WantOutcome: Sendable, Equatable {
    /// Every member was asked: what did not come is gone.
    case settled
    /// A member that does not answer may have more of it.
    case unavailable
}

/// What replication has counted since the node started.
package struct ReplicationCounters: Equatable, Sendable {
    package internal(set) var framesSent: UInt64 = 0
    package internal(set) var framesResent: UInt64 = 0
    package internal(set) var framesReceived: UInt64 = 0
    /// Frames that came twice or too early.
    package internal(set) var framesOutOfOrder: UInt64 = 0
    package internal(set) var framesMalformed: UInt64 = 0
    package internal(set) var recordsReceived: UInt64 = 0
    /// Records of a peer's own journals whose predecessors were missing, so that its lane began anew; none is to be
    /// expected.
    package internal(set) var recordsEarly: UInt64 = 0
    package internal(set) var pulls: UInt64 = 0
    package internal(set) var snapshotsSent: UInt64 = 0
    /// Questions to origins for what is missing of memory topics.
    package internal(set) var fetches: UInt64 = 0
    /// Shares of memory topics of which something missing was given up and told as lost.
    package internal(set) var fetchesGivenUp: UInt64 = 0
    /// Questions for records that the log has lost, and how many records came.
    package internal(set) var mendsAsked: UInt64 = 0
    package internal(set) var recordsRegained: UInt64 = 0
}
