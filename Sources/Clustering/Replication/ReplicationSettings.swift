import Model

/// The times and bounds of replication.
package struct ReplicationSettings: Sendable {
    /// How many nodes a record is meant to be on; `replicated` needs a majority of min(this, members).
    package var replicas = 3
    /// The versions of the lane format that this node speaks.
    package var versions = WireVersions.spoken
    /// How many members there are at least, whatever the registry says: 2 for a node told to join others.
    package var minimumMembers = 1
    /// The most bytes sent to a peer and not yet received by it.
    package var windowBytes = 4 * 1_024 * 1_024
    /// How much of its own recent records a node keeps in memory for lanes that are nearly up to date, in bytes.
    package var tailBytes = 8 * 1_024 * 1_024
    /// How much is read from the log at a time for a lane that is behind, in bytes.
    package var readBytes = 256 * 1_024
    /// How often an idle lane says that it lives.
    package var pulseInterval: Duration = .milliseconds(250)
    /// How long `received` may stand still before everything after it is sent again.
    package var resendInterval: Duration = .milliseconds(250)
    /// How long a lane may be silent before its origin's records are sought elsewhere.
    package var stallInterval: Duration = .seconds(1)
    /// How long a lane may be silent before its connection is cycled.
    package var cycleInterval: Duration = .seconds(3)
    /// How often vectors may be exchanged with one peer because digests differ.
    package var vectorInterval: Duration = .seconds(1)
    /// How long a pull may go without a record before another holder is asked.
    package var pullPatience: Duration = .seconds(5)
    /// The most pulls that a peer may have waiting here; one more is passed over, and the peer asks again.
    package var maximumWaitingPulls = 256
    /// The most items that may wait for a lane's window; past it nothing more is pulled over the lane, and the interest
    /// of a peer that takes no answers is dropped.
    package var maximumControlItems = 1_024
    /// The most frames of one direction of a lane that may be received and not yet synced; past it nothing is sent, and
    /// no credit is given.
    package var maximumUnsyncedFrames = 65_536
    /// How many bytes of records may wait to be synced here before peers get no credit.
    package var unsyncedBytes = 64 * 1_024 * 1_024
    /// How long what is missing of a memory topic is asked for before it is told as lost.
    package var fetchPatience: Duration = .seconds(10)
    /// The most shares of memory topics of one origin that may be missing a part at once; one more is told as lost.
    package var maximumMissingTails = 16_384
    /// How many bytes of errands may wait for a lane's window; one more is given back.
    package var errandBytes = 16 * 1_024 * 1_024
    /// How many bytes of one origin's memory topics are kept until what lies before them has come; what comes then is
    /// fetched with the rest.
    package var earlyBytes = 1_024 * 1_024

    /// How long a holder may take to answer for records that this node has lost before another is asked.
    package var mendPatience: Duration = .seconds(5)
    /// How long holders that do not answer are waited for before readers are told that something is lost.
    package var wantPatience: Duration = .seconds(10)
    /// How long a lane waits before it reads again where the log was held up by damage.
    package var heldUpPause: Duration = .milliseconds(250)

    package init() {}
}
