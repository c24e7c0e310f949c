import Model

/// What keeping house came to.
package struct Housekeeping: Sendable, Equatable {
    /// How many segments were dropped and rewritten.
    package var dropped = 0
    package var rewritten = 0
    /// Ended epochs of which nothing is remembered any more.
    package var forgotten: [Origin] = []

    package init() {}
}

extension Log {
    /// Drops what exceeds a topic's retention, oldest by (time, origin) first; of a topic in memory, what came here first.
    mutating func enforceRetention(on key: TopicGeneration, at now: WallTime) {
        guard let definition = registry.topic(key.name), definition.generation == key.generation,
            definition.kind == .stream, topics[key] != nil
        else { return }
        let retention = definition.settings.retention
        guard retention != .unlimited else { return }
        var dropped: [Entry] = []
        let seconds = Int64(clamping: retention.seconds ?? 0).multipliedReportingOverflow(by: 1_000)
        let oldest = seconds.overflow || retention.seconds == nil ? Int64.min : now.milliseconds - seconds.partialValue
        if topics[key]!.ring != nil { return shortenRing(of: key, to: retention, oldest: oldest) }
        topics[key]!.dropOldest(into: &dropped) { topic, entry in
            UInt64(topic.count) > retention.messages ?? .max || topic.bytes > retention.bytes ?? .max
                || entry.time.wall.milliseconds < oldest
        }
        for entry in dropped { bury(entry) }
    }

    private mutating func shortenRing(of key: TopicGeneration, to retention: Retention, oldest: Int64) {
        func isExcessive(_ topic: TopicIndex) -> Bool {
            guard let ring = topic.ring, ring.count > 0 else { return false }
            return UInt64(topic.count) > retention.messages ?? .max || topic.bytes > retention.bytes ?? .max
                || ring[0].record.time.wall.milliseconds < oldest
        }
        while isExcessive(topics[key]!) { dropFromRing(key) }
    }

    /// Applies every limit, drops segments of which nothing is retained and rewrites those that are mostly dead.
    ///
    /// To be called every few seconds. At most one segment is rewritten a call.
    package mutating func keepHouse(at now: WallTime) throws(StorageError) -> Housekeeping {
        if let failure { throw failure }
        var done = Housekeeping()
        for key in Array(topics.keys) {
            enforceRetention(on: key, at: now)
            let outlived = topics[key]!.outlive(at: now)
            for entry in outlived where entry.segment > 0 && !entry.flags.contains(.damaged) {
                segments[entry.segment]?.liveBytes -= Int(entry.size)
            }
            topics[key]!.pruneFolds()
            for entry in topics[key]!.dropBeaten(durable: durableThrough) { bury(entry) }
        }
        done.forgotten = forgetEpochs(at: now)
        let closed = closedSegments.filter { !isInRepair($0) }
        let dead = closed.filter { segments[$0]!.liveBytes <= 0 }
        let sparse = closed.first { number in
            let segment = segments[number]!
            let kept = Double(segment.liveBytes + segment.systemBytes + SegmentFormat.headerSize)
            return segment.liveBytes > 0 && kept <= Double(segment.size) * (1 - settings.rewriteShare)
        }
        guard !dead.isEmpty || sparse != nil else {
            try writeLengths()
            return done
        }
        try writeCheckpoint()
        try writeLengths(without: dead)
        for number in dead {
            try drop(number)
            done.dropped += 1
        }
        if let sparse {
            try rewrite(sparse)
            done.rewritten = 1
        }
        return done
    }

    /// Whether something of a segment may still come back, so that it must stay as it is.
    private func isInRepair(_ number: UInt32) -> Bool {
        guard repairs.isBegun else { return false }
        return repairs.suspects.contains(number)
            || repairs.damaged[number]?.stretches.contains { $0.state != .settled } ?? false
    }

    private mutating func drop(_ number: UInt32) throws(StorageError) {
        forgetEntries(of: number) { _ in true }
        repairs.damaged[number] = nil
        repairs.suspects.remove(number)
        do { try storage.remove(segments[number]!.name) } catch StorageError.missing {}
        segments[number] = nil
        order.removeAll { $0 == number }
    }

    private mutating func forgetEntries(of number: UInt32, where isDead: (Entry) -> Bool) {
        for key in Array(topics.keys) { topics[key]!.remove(inSegment: number, where: isDead) }
    }

    /// Forgets ended epochs of which nothing was retained for so long, and no topic holds a message.
    private mutating func forgetEpochs(at now: WallTime) -> [Origin] {
        let oldest = now.milliseconds - settings.epochMemory.milliseconds
        let candidates = lastTimes.filter { origin, time in
            time.wall.milliseconds < oldest && newest[origin.node].map { origin.epoch < $0 } ?? false
        }
        guard !candidates.isEmpty else { return [] }
        var held: Set<Origin> = []
        for topic in topics.values {
            for partition in topic.partitions where !partition.isEmpty { held.insert(partition.partition.origin) }
        }
        let ended = candidates.keys.filter { !held.contains($0) }.sorted()
        guard !ended.isEmpty else { return [] }
        let gone = Set(ended)
        for key in Array(topics.keys) { topics[key]!.forgetPartitions { gone.contains($0.partition.origin) } }
        for origin in ended {
            vector.remove(origin)
            lastTimes[origin] = nil
            forgotten[origin.node] = max(forgotten[origin.node] ?? origin.epoch, origin.epoch)
        }
        return ended
    }

    /// Writes a segment anew with what is alive in it, and puts the file in the place of the old one.
    private mutating func rewrite(_ number: UInt32) throws(StorageError) {
        let segment = segments[number]!
        var draft = SegmentDraft(of: segment, durable: durable)
        var (position, length) = (SegmentFormat.headerSize, RecordReader.windowSize)
        while position < segment.size {
            let step = try SegmentStep(of: segment, at: position, length: length, in: storage)
            for each in step.found {
                if case .damage = each {
                    // What is damaged is not carried over: it is looked at first.
                    suspect(number)
                    if repairs.isBegun { return }
                }
                guard case .frame(let sequence, _, _, let range) = each else { continue }
                var reader = ByteReader(step.bytes[range])
                guard let record = Self.decode(&reader), isAlive(record, sequence: sequence) else { continue }
                draft.append(record, encoded: step.bytes[range], sequence: sequence)
            }
            (position, length) = (step.next, step.length)
        }
        let file = draft.finish()
        try writeLengths(with: draft.segment)
        try SealedFile.replace(segment.name, with: file, in: storage)
        segments[number] = draft.segment
        forgetEntries(of: number) { $0.flags.contains(.outlived) || $0.flags.contains(.damaged) }
        for place in draft.places {
            topics[place.topic]?.move(place.partition, sequence: place.sequence, to: place.position, size: place.size)
        }
    }

    /// Whether a record in a segment is still retained.
    func isAlive(_ record: Record, sequence: UInt64) -> Bool {
        guard let message = record.message else { return true }
        let key = TopicGeneration(name: message.topic, generation: message.generation)
        guard let entry = topics[key]?.entry(of: record.partition(of: message), sequence: sequence) else {
            return false
        }
        return entry.flags.isDisjoint(with: [.outlived, .damaged])
    }
}
