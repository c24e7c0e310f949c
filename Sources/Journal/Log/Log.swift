import Model

/// Everything that a node holds, in the order in which it sequenced it: append-only segments and the indexes over them.
///
/// A value without threads or clocks; its owner appends, reads and keeps house. A sync may run elsewhere meanwhile:
/// ``nextSync()`` says what to sync and ``synced(_:)`` is told that it was.
package struct Log: Sendable {
    package let settings: LogSettings
    let storage: any Storage
    /// Every segment, by number; the numbers ascend with the sequences.
    var segments: [UInt32: Segment] = [:]
    var order: [UInt32] = []
    var nextNumber: UInt32 = 1
    var topics: [TopicGeneration: TopicIndex] = [:]
    var cache = RecordRun()
    /// Every disk record after this local sequence is in the cache.
    var cacheFloor: UInt64 = 0
    /// What arrived in memory topics, oldest first, and how many bytes of it are kept.
    var ringOrder: ArraySlice<(key: TopicGeneration, sequence: UInt64)> = []
    var ringBytes = 0
    /// The registry that the log's records and checkpoints come to.
    package internal(set) var registry = Registry()
    /// The last position appended of every journal.
    package internal(set) var vector = VersionVector()
    /// The highest epoch of each node that was forgotten.
    package internal(set) var forgotten: [NodeID: Epoch] = [:]
    /// The newest epoch met of each node.
    var newest: [NodeID: Epoch] = [:]
    /// The newest time of each origin's records.
    var lastTimes: [Origin: HybridTime] = [:]
    /// Everything up to this local sequence has been appended.
    package internal(set) var appendedThrough: UInt64 = 0
    /// The last local sequence that recovery read from a segment.
    var readThrough: UInt64 = 0
    /// Everything up to this local sequence survives a power cut.
    package internal(set) var durableThrough: UInt64 = 0
    /// The place in the files up to which everything is durable.
    package internal(set) var durable = LogPlace.start
    /// Why nothing more is accepted, once a sync has failed.
    package internal(set) var failure: StorageError?
    var isSyncing = false
    /// Whether the active segment may hold bytes of a failed append.
    var isTailDirty = false
    /// Whether a file was made that the directory may not hold yet.
    var isDirectoryDirty = false
    /// What is damaged, and what came back of it.
    var repairs = Repairs()
    /// How far the scrub has come.
    var scrubbing = Scrubbing()
    var lastCheckpoint: String?
    /// What the file of the segments' lengths says.
    var lengths = SegmentLengths()
    /// The last local sequence that a checkpoint covers.
    var checkpointed: UInt64 = 0

    init(storage: any Storage, settings: LogSettings) {
        precondition(settings.segmentBytes <= 1 << 30, "a place in a segment is a number of 32 bits")
        self.storage = storage
        self.settings = settings
    }

    /// The segment that is written to.
    var active: Segment? { order.last.flatMap { segments[$0] } }

    /// Where the last segment ends.
    var end: LogPlace { active.map { LogPlace(segment: $0.firstSequence, length: $0.size) } ?? .start }

    /// The bytes of all segments.
    package var size: Int { segments.values.reduce(0) { $0 + $1.size } }

    /// How many segments there are.
    package var segmentCount: Int { order.count }

    /// How many bytes of memory topics are kept.
    package var memoryBytes: Int { ringBytes }
}
