import Model

extension Log {
    /// Appends what was sequenced, in ascending local sequence: to the disk, or into memory for topics that are kept
    /// there.
    ///
    /// All of it or nothing: after an error the same batch may be given again.
    package mutating func append(_ batch: [Sequenced]) throws(StorageError) {
        guard let last = batch.last else { return }
        if let failure { throw failure }
        var previous = appendedThrough
        for sequenced in batch {
            precondition(sequenced.sequence > previous, "local sequences ascend")
            previous = sequenced.sequence
        }
        let size = batch.reduce(64) { $0 + ($1.record.isOfMemory ? 0 : RecordRun.cost(of: $1.record)) }
        var writer = BatchWriter(reservingCapacity: size)
        for sequenced in batch where !sequenced.record.isOfMemory {
            writer.append(sequenced.record, sequence: sequenced.sequence)
        }
        let wasDurable = durableThrough == appendedThrough
        if writer.isEmpty {
            for sequenced in batch { keepInMemory(sequenced) }
            appendedThrough = last.sequence
            if wasDurable { durableThrough = last.sequence }
            return
        }
        let frames = writer.frames
        let number = try write(writer)
        let base = segments[number]!.size
        var index = 0
        for sequenced in batch {
            guard !sequenced.record.isOfMemory else {
                keepInMemory(sequenced)
                continue
            }
            let frame = frames[index]
            index += 1
            take(
                sequenced.record, sequence: sequenced.sequence, in: number, position: base + frame.position,
                size: frame.size)
            keepInCache(sequenced)
        }
        segments[number]!.mark(sequence: frames[0].sequence, position: base)
        segments[number]!.size = base + frames[frames.count - 1].position + frames[frames.count - 1].size
        appendedThrough = last.sequence
    }

    /// Writes a batch's bytes behind the active segment's end, and gives the segment's number.
    private mutating func write(_ writer: consuming BatchWriter) throws(StorageError) -> UInt32 {
        let firstSequence = writer.frames[0].sequence
        try cleanTail()
        var isNew = true
        if let active, active.size == SegmentFormat.headerSize || active.size + writer.length <= settings.segmentBytes {
            isNew = false
        }
        if isNew { try startSegment(at: firstSequence) }
        let number = order[order.count - 1]
        let bytes = writer.finish(durable: durable)
        do {
            try storage.append(bytes, to: segments[number]!.name)
        } catch {
            isTailDirty = true
            throw error
        }
        return number
    }

    /// Removes what a failed append left behind.
    private mutating func cleanTail() throws(StorageError) {
        guard isTailDirty, let active else { return }
        try storage.truncate(active.name, to: active.size)
        isTailDirty = false
    }

    /// Begins a new segment, so that the one that was written to changes no more.
    mutating func endSegment() throws(StorageError) {
        try cleanTail()
        guard let active, active.size > SegmentFormat.headerSize else { return }
        try startSegment(at: appendedThrough + 1)
    }

    private mutating func startSegment(at sequence: UInt64) throws(StorageError) {
        let name = SegmentFormat.name(of: sequence)
        do {
            do { try storage.create(name) } catch StorageError.exists { try storage.truncate(name, to: 0) }
            try storage.append(SegmentFormat.header(after: end), to: name)
        } catch {
            // Without its header the file is of no use; the next try makes it anew.
            do { try storage.remove(name) } catch StorageError.missing {} catch {}
            throw error
        }
        addSegment(firstSequence: sequence, size: SegmentFormat.headerSize)
        isDirectoryDirty = true
    }

    mutating func addSegment(firstSequence: UInt64, size: Int) {
        let segment = Segment(number: nextNumber, firstSequence: firstSequence, size: size)
        segments[segment.number] = segment
        order.append(segment.number)
        nextNumber += 1
    }

    /// Takes a record that stands on the disk into the indexes.
    mutating func take(
        _ record: Record, sequence: UInt64, in number: UInt32, position: Int, size: Int, holeAfter: UInt64? = nil
    ) {
        segments[number]!.note(record, sequence: sequence)
        vector.advance(record.origin, record.slot, to: record.position)
        // What a record has seen was here when it came, also where damage has taken it since.
        if record.position > 0 { vector.advance(record.origin, .system, to: record.seen) }
        observe(record.origin, at: record.time)
        switch record.body {
        case .message(let message):
            let key = TopicGeneration(name: message.topic, generation: message.generation)
            // An ended generation has no index, so only the first message of one asks the registry.
            let isTaken = topics[key]?.append(
                message, of: record, sequence: sequence, segment: number, position: position, size: size,
                holeAfter: holeAfter)
            if let isTaken {
                if isTaken { segments[number]!.liveBytes += size }
            } else if registry.entries[message.topic]?.ended ?? 0 < message.generation {
                topics[key] = TopicIndex(window: settings.foldWindow)
                take(record, sequence: sequence, in: number, position: position, size: size, holeAfter: holeAfter)
            }
        case .topic(let change):
            registry.merge(change, stamp: Stamp(time: record.time, origin: record.origin))
            dropEnded(change.name)
            segments[number]!.systemBytes += size
        case .member(let member):
            registry.merge(member, stamp: Stamp(time: record.time, origin: record.origin))
            segments[number]!.systemBytes += size
        case .departure(let departure):
            registry.merge(departure, stamp: Stamp(time: record.time, origin: record.origin))
            segments[number]!.systemBytes += size
        case .schedule(let change):
            registry.merge(change, stamp: Stamp(time: record.time, origin: record.origin))
            segments[number]!.systemBytes += size
        }
    }

    mutating func observe(_ origin: Origin, at time: HybridTime) {
        if let last = lastTimes[origin] {
            if last < time { lastTimes[origin] = time }
            return
        }
        lastTimes[origin] = time
        if newest[origin.node].map({ $0 < origin.epoch }) ?? true { newest[origin.node] = origin.epoch }
    }

    private mutating func keepInCache(_ sequenced: Sequenced) {
        cache.append(sequenced)
        while cache.bytes > settings.cacheBytes, cache.count > 1 { cacheFloor = cache.removeFirst().sequence }
    }

    private mutating func keepInMemory(_ sequenced: Sequenced) {
        guard let message = sequenced.record.message else { return }
        let key = TopicGeneration(name: message.topic, generation: message.generation)
        guard let place = topics.index(forKey: key) else {
            // An ended generation has no index, so only the first message of one asks the registry.
            guard registry.entries[message.topic]?.ended ?? 0 < message.generation else { return }
            topics[key] = TopicIndex(window: settings.foldWindow, ring: RecordRun())
            return keepInMemory(sequenced)
        }
        observe(sequenced.record.origin, at: sequenced.record.time)
        if sequenced.isLost {
            let partition = sequenced.record.partition(of: message)
            return topics.values[place].learn(head: message.offset, of: partition, time: sequenced.record.time)
        }
        let (isTaken, change) = topics.values[place].keep(
            sequenced, message, messages: settings.ringMessages, bytes: settings.ringBytes)
        guard isTaken else { return }
        ringBytes += change
        ringOrder.append((key, sequenced.sequence))
        while ringBytes > settings.ringsBytes, let oldest = ringOrder.popFirst() {
            if topics[oldest.key]?.ring?.oldest == oldest.sequence { dropFromRing(oldest.key) }
        }
        forgetDroppedFromRings()
    }

    /// Drops what came first of a topic in memory.
    mutating func dropFromRing(_ key: TopicGeneration) {
        if let cost = topics[key]?.dropFromRing() { ringBytes -= cost }
    }

    /// Keeps the list of arrivals from outgrowing what is kept: it is sifted when most of it has been dropped.
    private mutating func forgetDroppedFromRings() {
        guard ringOrder.count > 1_024, ringOrder.count * RecordRun.overhead > 2 * ringBytes else { return }
        ringOrder = ArraySlice(ringOrder.filter { isInRing($0) })
    }

    private func isInRing(_ arrival: (key: TopicGeneration, sequence: UInt64)) -> Bool {
        topics[arrival.key]?.ring?.record(at: arrival.sequence) != nil
    }

    /// Drops the generations of a topic that have ended.
    mutating func dropEnded(_ name: TopicName) {
        guard let ended = registry.entries[name]?.ended, ended > 0 else { return }
        // Generations before these were dropped when they ended.
        for generation in (ended > 64 ? ended - 64 : 0)...ended {
            let key = TopicGeneration(name: name, generation: generation)
            guard let index = topics.removeValue(forKey: key) else { continue }
            ringBytes -= index.ring?.bytes ?? 0
            for partition in index.partitions {
                for number in 0..<partition.count { bury(partition[number]) }
            }
        }
    }

    /// Counts a message as dead in its segment.
    mutating func bury(_ entry: Entry) {
        guard entry.segment > 0, entry.flags.isDisjoint(with: [.outlived, .damaged]) else { return }
        segments[entry.segment]?.liveBytes -= Int(entry.size)
    }

    /// Takes note of positions that no holder retains: the journal goes on after them.
    package mutating func skip(_ run: AbsentRun) {
        vector.advance(run.origin, run.slot, to: run.to)
        observe(run.origin, at: .zero)
    }
}
