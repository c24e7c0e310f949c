import Model

/// What replication needs of the node's one sequencer.
package protocol ReplicaLedger: AnyObject {
    /// This run of this node.
    var origin: Origin { get }

    /// Takes peers' records in, in this order; one outcome for each, and the last local sequence given.
    func admit(_ records: [Record]) -> (taken: [Bool], sequence: UInt64)

    /// Passes over positions that are gone; false where they do not follow what is held.
    func skip(_ run: AbsentRun) -> Bool

    /// Learns where peers' shares of memory topics begin.
    func raise(_ heads: [MemoryHead])

    /// The journals that this node has sequenced, synced or not.
    var vector: VersionVector { get }

    /// The registry, for a snapshot.
    var registry: Registry { get }

    /// The last offset taken in of an origin's share of a memory topic; nil where the topic does not live here in that
    /// generation.
    func memoryHead(of place: MemoryPlace) -> UInt64?

    /// This origin's last offsets in the memory topics that a filter matches.
    func memoryHeads(matching filters: [TopicFilter]) -> [MemoryHead]
}

/// A stretch of the log that a lane wants: one origin's records, as far as the peer lacks them.
package struct JournalRead: Sendable {
    package let origin: Origin
    /// The local sequence from which to read on.
    package let from: UInt64
    /// The positions that the peer has, indexed by slot.
    package let after: [UInt64]
    /// About how many bytes of records to give.
    package let byteLimit: Int
    /// The one run that is wanted; nil for everything behind `after`.
    package let run: AbsentRun?

    package init(origin: Origin, from: UInt64, after: [UInt64], byteLimit: Int) {
        self.origin = origin
        self.from = from
        self.after = after
        self.byteLimit = byteLimit
        run = nil
    }

    /// The records of a run that a peer has lost.
    init(_ run: AbsentRun, from: UInt64, byteLimit: Int) {
        origin = run.origin
        self.from = from
        after = [UInt64](repeating: .max, count: Slot.count)
        self.byteLimit = byteLimit
        self.run = run
    }
}

/// What the log gave.
package struct JournalChunk: Sendable {
    /// Records in log order, and runs that are gone, each before the record that follows it.
    package let items: [Item]
    /// Where to read on.
    package let next: UInt64
    /// Whether the log has no more of this origin.
    package let isAtEnd: Bool
    /// Whether a run of the registry's journal is gone, so that a snapshot must go before it.
    package let needsSnapshot: Bool
    /// Whether it ends before records that are damaged here and may come back.
    package let isHeldUp: Bool

    package enum Item: Sendable {
        case record(Record)
        case absent(AbsentRun)
    }

    package init(items: [Item], next: UInt64, isAtEnd: Bool, needsSnapshot: Bool, isHeldUp: Bool = false) {
        self.items = items
        self.next = next
        self.isAtEnd = isAtEnd
        self.needsSnapshot = needsSnapshot
        self.isHeldUp = isHeldUp
    }
}
