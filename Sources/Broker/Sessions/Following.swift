import Model

/// How one connection follows one topic, however many of its subscriptions match it.
struct Following {
    /// What lets a message pass: any of these; nil for everything.
    var selectors: [Selector]?
    var stage: Stage
    /// Offsets that were rightly not shown and of which the client has not been told.
    var unseen = Cursor()
    /// Whether a deadline for telling of `unseen` is scheduled.
    var isNoticeScheduled = false

    /// Where the messages come from.
    enum Stage {
        /// From the topic's list of live receivers.
        case listed
        /// From the live stream, one by one. What `seen` holds or the local sequence `after` covers was given before.
        case selective(seen: Cursor, after: UInt64)
        /// From the log.
        indirect case reading(Reading)
    }

    /// A place in the log.
    struct Reading {
        var cursor: Cursor
        /// Everything up to this local sequence was considered.
        var after: UInt64
        /// What was sequenced up to here is the state that the client begins with; 0 for none.
        var snapshotThrough: UInt64 = 0
        /// The read that is under way.
        var read: ReadID?
        /// Whether it stands in its connection's queue of reads.
        var isQueued = false
    }

    init(selectors: [Selector]?, stage: Stage) {
        self.selectors = selectors
        self.stage = stage
    }

    var reading: Reading? {
        if case .reading(let reading) = stage { reading } else { nil }
    }

    /// Changes the place in the log, when it reads there.
    mutating func edit(_ change: (inout Reading) -> Void) {
        guard case .reading(var reading) = stage else { return }
        // The stage lets go of the cursor, so that it is changed in place.
        stage = .listed
        change(&reading)
        stage = .reading(reading)
    }
}
