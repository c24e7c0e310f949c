import Model

/// One thing that a frame says.
package enum LaneItem: Sendable {
    /// The first word of a session: everything that the sender has synced, and how it names its present epoch.
    case start(VersionVector, epoch: Epoch)
    /// A record: the sender's own, one of another origin that was pulled, or one retold by a snapshot.
    case record(Record)
    /// Positions that the sender knows to be gone.
    case absent(AbsentRun)
    /// Everything that the sender has synced, because digests differ.
    case vector(VersionVector)
    /// Asks for an origin's records after these positions, indexed by slot.
    case pull(Origin, after: [UInt64])
    /// A pull has given what it could; the asker asks again when it still lacks some.
    case pulled(Origin)
    /// A hash over the journals of ended epochs, and the versions of the peer's interest and presence that the sender
    /// holds.
    case pulse(digest: UInt64, interest: UInt64, presence: UInt64?)
    /// Changes that make the sender's interest of version `base` into that of `version`; base 0 replaces all.
    case interest(base: UInt64, version: UInt64, added: [TopicFilter], removed: [TopicFilter])
    /// The sender forwards by this version from here on; the heads are those of its memory topics that it concerns.
    case interestTaken(version: UInt64, heads: [MemoryHead])
    /// How many subscribers each topic has at the sender; topics with none are left out.
    case subscribers([TopicName: UInt64])
    /// The sender's memory topics go on to these offsets, and all up to them was sent or is in its rings.
    case heads([MemoryHead])
    /// Asks for what the sender's ring has of its share of a memory topic after an offset.
    case fetch(MemoryPlace, after: UInt64)
    /// Offsets that the sender's ring has no more.
    case lost(MemoryPlace, ClosedRange<UInt64>)
    /// A fetch has given what it could; the asker asks again when it still lacks some.
    case fetched(MemoryPlace)
    /// Changes of who is there and who types at the sender, which follow its version `base`; each makes the next version.
    case presence(base: UInt64, [PresenceChange])
    /// A part of all who are there and type at the sender, in place of whatever the peer has.
    case presenceSet(version: UInt64, isFirst: Bool, isLast: Bool, [(key: PresenceKey, entry: PresenceEntry)])
    /// What one of the sender's event loops has to tell the peer's event loop of a number, which alone can read it.
    case errand(loop: Int, [UInt8])
    /// Asks for the records of a run that the sender had and has lost.
    case mend(AbsentRun)
    /// Of a run that was asked for, everything that the sender holds has been sent.
    case mended(AbsentRun)
}

/// The last offset that an origin gave in its share of a memory topic.
package struct MemoryHead: Equatable, Sendable {
    package let topic: TopicName
    package let partition: Partition
    package let offset: UInt64

    package init(topic: TopicName, partition: Partition, offset: UInt64) {
        self.topic = topic
        self.partition = partition
        self.offset = offset
    }
}

extension LaneItem {
    /// Whether it is the first word of a session.
    var isStart: Bool {
        if case .start = self { true } else { false }
    }

    /// The lowest version of the lane format that has it.
    var needs: UInt8 {
        switch self {
        case .record(let record): record.needs
        case .presence, .presenceSet: WireVersions.presence
        case .errand: WireVersions.errands
        case .mend, .mended: WireVersions.repairs
        default: WireVersions.spoken.lowest
        }
    }

    /// The most filters, heads or counts in one item.
    package static let maximumEntries = 65_536
    /// How many heads one item carries at most when they are repeated, so that it fits a frame.
    static let maximumHeads = 256
    /// About how many bytes of presence one item carries.
    static let presenceBytes = 32_768
}

extension Record {
    /// The lowest version of the lane format that has such records.
    var needs: UInt8 {
        switch body {
        case .departure: WireVersions.departures
        case .message(let message) where message.row != nil: WireVersions.rows
        case .schedule: WireVersions.schedules
        case .message, .topic, .member: WireVersions.spoken.lowest
        }
    }
}
