import Model

/// The lane to one peer, for as long as neither process changes: two streams of frames, each with go-back-N.
///
/// It outlives silence and SWIM's verdicts, and is made anew when the peer has another boot.
struct Lane {
    let peer: NodeID
    let boot: Boot
    /// The version of the lane format that both ends speak.
    let version: UInt8
    /// Whether the peer is owed something that its version has no words for: it gets nothing more, and catches up as a
    /// later version.
    var isOutdated = false
    var outbound = Outbound()
    var inbound = Inbound()
    /// What the peer said to hold, when it last did.
    var known = VersionVector()
    /// The peer's present epoch; nil until its first word.
    var epoch: Epoch?
    /// Whether the peer is believed to live.
    var isReachable = true
    var lastHeard: MonotonicTime
    var lastCycle: MonotonicTime
    var lastVectorSent: MonotonicTime?
    /// When the peer last showed a hash equal to this node's.
    var sameDigestAt: MonotonicTime?
    var interest = PeerInterest()
    /// How many subscribers the peer has, by topic.
    var subscribers: [TopicName: UInt64] = [:]
    /// Who is there and who types at the peer.
    var presence = PeerPresence()
    /// Pulls of the peer that wait, the first being served.
    var waitingPulls: [PullService] = []
    /// What the peer wants of a ring here, newest question only.
    var waitingFetch: FetchService?
    /// What the peer has lost and asks for, newest question only.
    var waitingMend: MendService?
    /// What this node has lost and asks the peer for, and when it asked or was last given something.
    var askedMend: (run: AbsentRun, at: MonotonicTime)?

    /// What this node sends.
    struct Outbound {
        var nextSequence: UInt64 = 1
        /// Sent and not yet received, oldest first.
        var unreceived: [SentFrame] = []
        var unreceivedBytes = 0
        /// Received and not yet synced by the peer, with the own records they bring it up to.
        var unsynced: [(sequence: UInt64, ownThrough: UInt64)] = []
        var received: UInt64 = 0
        var durable: UInt64 = 0
        var credit: UInt64 = 64 * 1_024
        var lastProgress: MonotonicTime = .zero
        var lastSent: MonotonicTime = .zero
        var owesAcknowledgement = false
        /// Items of the stream that go before records: the start, pulls, and what answers the peer.
        var control: [LaneItem] = []
        /// Whether the peer is to be told what is synced here.
        var owesVector = false
        /// Whether the peer is to be told how many subscribers there are here.
        var owesSubscribers = true
        /// What the peer is to be told of this node's interest.
        var owedInterest: OwedInterest? = .all
        /// The last offsets sent of memory topics, as far as the peer was not told them as heads.
        var heads: [TopicName: MemoryHead] = [:]
        /// Whether records of memory topics left before they were sent.
        var hasPassedOver = false
        var source = PushSource.unstarted
        /// The own positions that the peer has or was sent, indexed by slot.
        var after = [UInt64](repeating: 0, count: Slot.count)
        /// Items read from the log and not yet sent.
        var prepared: [LaneItem] = []
        var preparedFirst = 0
        /// Reads for the push from before it began anew, whose answers are passed over.
        var staleReads = 0
        /// The local sequence up to which own records are sent once all of `prepared` is.
        var preparedThrough: UInt64 = 0
        /// When own records are read on that the log could not give because they are damaged.
        var heldUpUntil = MonotonicTime.zero
        /// The local sequence up to which own records were sent.
        var ownThrough: UInt64 = 0
        /// The local sequence up to which the peer has synced all own records.
        var ownDurable: UInt64 = 0
        var subscribersVersion: UInt64 = 0
        /// The version of this node's presence that the peer was told; 0 for none.
        var presenceTold: UInt64 = 0
        var lastPresenceRetold: MonotonicTime?
        /// The version of this node's presence that the frames sent so far bring the peer up to.
        var presenceSent: UInt64 = 0
        /// The same of the frames that the peer has received.
        var presenceReceived: UInt64 = 0
        /// What event loops have to tell the peer's, and does not wait behind records.
        var errands: [(loop: Int, bytes: [UInt8])] = []
        var errandBytes = 0

        /// Forgets what was prepared of an origin's journals.
        mutating func dropPrepared(of origin: Origin) {
            prepared.removeFirst(preparedFirst)
            preparedFirst = 0
            prepared.removeAll { item in
                switch item {
                case .record(let record): record.origin == origin && record.position > 0
                case .absent(let run): run.origin == origin
                default: false
                }
            }
        }

        /// Whether items wait for the window.
        var hasControl: Bool { !control.isEmpty || owesVector || owesSubscribers || owedInterest != nil }
    }

    /// A change of interest that waits to be told.
    enum OwedInterest: Equatable {
        /// The whole set, in place of whatever the peer has.
        case all
        /// What came and went since a version that the peer was told.
        case change(base: UInt64, added: Set<TopicFilter>, removed: Set<TopicFilter>)
    }

    /// What this node receives.
    struct Inbound {
        /// The last frame taken in.
        var received: UInt64 = 0
        /// The last frame whose records are all synced here.
        var durable: UInt64 = 0
        /// Frames that wait for the sync of a local sequence.
        var unsynced: [(frame: UInt64, sequence: UInt64)] = []
    }

    /// A frame kept until it is received. The header is written anew each time that it is sent.
    struct SentFrame {
        let sequence: UInt64
        let body: [UInt8]
        let ownThrough: UInt64
        /// The version of this node's presence that the frame and those before it bring the peer up to.
        let presence: UInt64
    }

    /// Where the next own records come from.
    enum PushSource: Equatable {
        /// The peer has not yet said what it holds.
        case unstarted
        /// From memory, at this index since the start of the node.
        case tail(index: Int)
        /// From the log, from this local sequence on; `isReading` while an answer is awaited.
        case log(from: UInt64, isReading: Bool)
    }

    /// A peer's pull being served.
    struct PullService {
        let origin: Origin
        var after: [UInt64]
        var next: UInt64 = 0
        var isReading = false
    }

    /// A peer's question for what it has lost being served.
    struct MendService {
        let run: AbsentRun
        var next: UInt64 = 0
        var isReading = false
    }

    /// A peer's fetch being served.
    struct FetchService {
        let place: MemoryPlace
        let after: UInt64
        var isReading = false
    }

    /// What the peer's subscribers want of memory topics.
    struct PeerInterest {
        /// The version held; 0 after dropping.
        var version: UInt64 = 0
        var filters: Set<TopicFilter> = []
        private var verdicts: [TopicName: Bool] = [:]
        /// The version of this node's own interest that the peer forwards by.
        var confirmed: UInt64 = 0
        var lastFullSent: MonotonicTime?

        /// The topics among some heads whose messages were not forwarded before; the others' are still on their way.
        mutating func unwanted(_ heads: [MemoryHead]) -> [MemoryHead] { heads.filter { !wants($0.topic) } }

        mutating func apply(base: UInt64, version: UInt64, added: [TopicFilter], removed: [TopicFilter]) {
            guard base == 0 || base == self.version else { return }
            if base == 0 { filters.removeAll() }
            for filter in removed { filters.remove(filter) }
            for filter in added { filters.insert(filter) }
            self.version = version
            verdicts.removeAll(keepingCapacity: true)
        }

        mutating func drop() {
            version = 0
            filters.removeAll()
            verdicts.removeAll()
        }

        mutating func wants(_ topic: TopicName) -> Bool {
            if let verdict = verdicts[topic] { return verdict }
            let verdict = filters.contains { $0.matches(topic) }
            if verdicts.count >= 65_536 { verdicts.removeAll(keepingCapacity: true) }
            verdicts[topic] = verdict
            return verdict
        }
    }

    init(peer: NodeID, boot: Boot, version: UInt8, at now: MonotonicTime) {
        self.peer = peer
        self.boot = boot
        self.version = version
        lastHeard = now
        lastCycle = now
        outbound.lastProgress = now
        outbound.lastSent = now
    }

    /// How many bytes may be sent now.
    func room(_ settings: ReplicationSettings) -> Int {
        guard !isOutdated, outbound.unsynced.count < settings.maximumUnsyncedFrames else { return 0 }
        return min(settings.windowBytes, Int(clamping: outbound.credit)) - outbound.unreceivedBytes
    }

    /// Notes that interest changed since `base`, when the peer was told of all before.
    mutating func oweInterest(base: UInt64, added: Set<TopicFilter>, removed: Set<TopicFilter>) {
        switch outbound.owedInterest {
        case .all: break
        case nil: outbound.owedInterest = .change(base: base, added: added, removed: removed)
        case .change(let base, var more, var less):
            // Let go of here, so that the sets are changed in place and not copied.
            outbound.owedInterest = nil
            for filter in removed where more.remove(filter) == nil { less.insert(filter) }
            for filter in added where less.remove(filter) == nil { more.insert(filter) }
            outbound.owedInterest = .change(base: base, added: more, removed: less)
        }
    }

    /// Notes what the peer acknowledged. Says whether either mark moved.
    mutating func acknowledged(received: UInt64, durable: UInt64, at now: MonotonicTime) {
        let sent = outbound.nextSequence - 1
        guard received <= sent, durable <= received else { return }
        if received > outbound.received {
            outbound.received = received
            outbound.lastProgress = now
            let done = outbound.unreceived.prefix { $0.sequence <= received }
            outbound.unreceivedBytes -= done.reduce(0) { $0 + $1.body.count }
            outbound.presenceReceived = done.last?.presence ?? outbound.presenceReceived
            outbound.unreceived.removeFirst(done.count)
        }
        if durable > outbound.durable {
            outbound.durable = durable
            let done = outbound.unsynced.prefix { $0.sequence <= durable }
            if let last = done.last { outbound.ownDurable = max(outbound.ownDurable, last.ownThrough) }
            outbound.unsynced.removeFirst(done.count)
        }
    }

    /// Notes that a local sequence is synced here.
    mutating func synced(through sequence: UInt64) {
        let done = inbound.unsynced.prefix { $0.sequence <= sequence }
        guard let last = done.last else { return }
        inbound.durable = last.frame
        inbound.unsynced.removeFirst(done.count)
        outbound.owesAcknowledgement = true
    }
}
