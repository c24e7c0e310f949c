import Model

extension Log {
    /// Opens a log, or begins one in an empty directory.
    ///
    /// - Parameter now: messages whose times lie further back than the window of repeats are left out of
    ///   ``Recovered/recent``; nil leaves none out for its age.
    ///
    /// It reads every segment, cuts off what was being written when the power went, keeps out what is damaged, and
    /// builds the indexes.
    package static func open(
        _ storage: any Storage, settings: LogSettings = LogSettings(), at now: WallTime? = nil
    ) throws(LogError) -> (log: Log, recovered: Recovered) {
        var recovery = Recovery(log: Log(storage: storage, settings: settings), now: now)
        try recovery.run()
        return (recovery.log, recovery.recovered)
    }
}

/// The opening of one log.
struct Recovery {
    var log: Log
    var recovered = Recovered()
    /// The checkpoint's and every valid batch's word of what was durable.
    var durable = LogPlace.start
    /// The last local sequence before the last damage; nil where there is none.
    var holeAfter: UInt64?
    /// Segments that were there, by the first sequence that their names say.
    var missing: Set<UInt64> = []
    /// Why a record was not read though its checksum was right.
    var refusal: FormatError?
    private let now: WallTime?

    init(log: Log, now: WallTime?) {
        self.log = log
        self.now = now
    }

    func storage<Value>(_ body: (any Storage) throws(StorageError) -> Value) throws(LogError) -> Value {
        do { return try body(log.storage) } catch { throw .storage(error) }
    }

    mutating func run() throws(LogError) {
        let names = try storage { storage throws(StorageError) in try storage.list() }
        for name in names where name.hasSuffix(".part") || name.hasPrefix(Log.backupPrefix) {
            try storage { storage throws(StorageError) in try storage.remove(name) }
        }
        try restoreCheckpoint(names)
        try readLengths(names)
        let found = Set(names.compactMap { name in SegmentFormat.firstSequence(in: name) })
        missing = Set(log.lengths.lengths.keys).subtracting(found)
        let segments = found.union(missing).sorted()
        try findDurable(segments)
        for (index, firstSequence) in segments.enumerated() {
            guard try !read(firstSequence) else { continue }
            // Later segments go first, so that another crash leaves a shorter log and not one with a part missing.
            for later in segments[(index + 1)...].reversed() {
                let name = SegmentFormat.name(of: later)
                guard names.contains(name) else { continue }
                try storage { storage throws(StorageError) in try storage.remove(name) }
            }
            try cut()
            break
        }
        try settle()
    }

    /// Merges the newest checkpoint that is whole.
    private mutating func restoreCheckpoint(_ names: [String]) throws(LogError) {
        for name in names.filter(Checkpoint.isName).sorted().reversed() {
            let bytes = try storage { storage throws(StorageError) in
                try storage.read(name, at: 0, count: try storage.size(of: name))
            }
            let checkpoint: Checkpoint
            do { checkpoint = try Checkpoint.decode(bytes) } catch {
                if case .unknownVersion = error { throw .format(file: name, error) }
                recovered.damagedFiles.append(name)
                continue
            }
            log.registry = checkpoint.registry
            log.vector = checkpoint.vector
            log.forgotten = checkpoint.forgotten
            log.appendedThrough = checkpoint.lastSequence
            log.checkpointed = checkpoint.lastSequence
            log.lastCheckpoint = name
            durable = checkpoint.durable
            for (origin, time) in checkpoint.lastTimes { log.observe(origin, at: time) }
            for head in checkpoint.heads {
                log.topics[
                    TopicGeneration(name: head.topic, generation: head.partition.generation), default: TopicIndex(window: log.settings.foldWindow)
                ].restore(
                    PartitionIndex(
                        partition: head.partition, head: head.offset, droppedThrough: head.droppedThrough,
                        lastTime: head.time))
            }
            return
        }
    }

    /// Learns how long the closed segments were.
    private mutating func readLengths(_ names: [String]) throws(LogError) {
        guard names.contains(SegmentLengths.name) else { return }
        let bytes = try storage { storage throws(StorageError) in
            try storage.read(SegmentLengths.name, at: 0, count: try storage.size(of: SegmentLengths.name))
        }
        do { log.lengths = try SegmentLengths.decode(bytes) } catch {
            if case .unknownVersion = error { throw .format(file: SegmentLengths.name, error) }
            recovered.damagedFiles.append(SegmentLengths.name)
        }
    }

    /// Learns the highest place known durable. It never falls from batch to batch, so the last segment with one tells.
    private mutating func findDurable(_ segments: [UInt64]) throws(LogError) {
        for firstSequence in segments.reversed() {
            let bytes = try contents(of: firstSequence)
            var found = false
            bytes.withUnsafeBytes { bytes in
                var position = SegmentFormat.headerSize
                while position + SegmentFormat.batchHeaderSize <= bytes.count {
                    guard let header = SegmentFormat.batchHeader(in: bytes, at: position) else {
                        position += 1
                        continue
                    }
                    durable = max(durable, header.durable)
                    found = true
                    position += header.totalLength
                }
            }
            if found { return }
        }
    }

    mutating func trimRecent() {
        if let now {
            let oldest = now.milliseconds - log.settings.foldWindow.milliseconds
            recovered.recent.removeAll { $0.time.wall.milliseconds < oldest }
        }
        if recovered.recent.count > log.settings.recentLimit {
            recovered.recent.removeFirst(recovered.recent.count - log.settings.recentLimit)
        }
    }

    /// Cuts the last segment's file to what was read of it.
    private mutating func cut() throws(LogError) {
        let segment = log.segments[log.order[log.order.count - 1]]!
        guard segment.size > 0 else {
            try storage { storage throws(StorageError) in try storage.remove(segment.name) }
            log.segments[segment.number] = nil
            log.order.removeLast()
            return
        }
        try storage { storage throws(StorageError) in try storage.truncate(segment.name, to: segment.size) }
    }

    /// Makes everything that was kept durable, and tells what it comes to.
    private mutating func settle() throws(LogError) {
        try storage { storage throws(StorageError) in
            for number in log.order {
                let segment = log.segments[number]!
                guard LogPlace(segment: segment.firstSequence, length: segment.size) >= durable else { continue }
                try storage.sync(segment.name)
            }
            try storage.syncDirectory()
        }
        if holeAfter != nil { for key in log.topics.keys { log.topics[key]!.loseTails() } }
        for key in Array(log.topics.keys) where log.registry.entries[key.name]?.ended ?? 0 >= key.generation {
            log.dropEnded(key.name)
        }
        log.appendedThrough = max(log.appendedThrough, log.readThrough)
        log.durableThrough = log.appendedThrough
        log.durable = log.end
        log.cacheFloor = log.appendedThrough
        // Nothing is written behind a part that is missing.
        if let active = log.active, active.holes.last?.upperBound == active.size {
            let size = try storage { storage throws(StorageError) in
                try storage.list().contains(active.name) ? try storage.size(of: active.name) : 0
            }
            if size < active.size {
                do { try log.endSegment() } catch { throw .storage(error) }
            }
        }
        trimRecent()
        recovered.lastSequence = log.appendedThrough
        recovered.vector = log.vector
        recovered.registry = log.registry
        recovered.forgotten = log.forgotten
        for (origin, time) in log.lastTimes {
            recovered.lastTimes[origin.node] = max(recovered.lastTimes[origin.node] ?? .zero, time)
        }
        for (key, topic) in log.topics {
            if !topic.rows.isEmpty { recovered.rows[key] = topic.rows.heads }
            for partition in topic.partitions where partition.head > 0 {
                recovered.heads[key.name, default: Cursor()].advance(partition.partition, to: partition.head)
            }
        }
    }
}
