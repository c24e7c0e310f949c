import Model

// How the segments that were there are read: record by record into the indexes, with holes where they are damaged.

extension Recovery {
    func contents(of firstSequence: UInt64) throws(LogError) -> [UInt8] {
        try storage { storage throws(StorageError) in
            let name = SegmentFormat.name(of: firstSequence)
            return missing.contains(firstSequence) ? [] : try storage.read(name, at: 0, count: try storage.size(of: name))
        }
    }

    /// Indexes a segment; false where the log ends in it.
    mutating func read(_ firstSequence: UInt64) throws(LogError) -> Bool {
        let bytes = try contents(of: firstSequence)
        let name = SegmentFormat.name(of: firstSequence)
        var length = max(bytes.count, SegmentFormat.headerSize, log.lengths.lengths[firstSequence] ?? 0)
        var isRewritten = false
        switch SegmentFormat.verdict(onHeader: bytes) {
        case .valid(let place) where place.segment == .max:
            // It was written anew and synced as a whole: its header says how long it is.
            length = max(bytes.count, place.length)
            isRewritten = true
        case .valid(let previous):
            noteTruncation(before: previous)
            // The power may have gone when this file was written and the end of the one before was not.
            guard isDurable(firstSequence, SegmentFormat.headerSize - 1) || previous == .start || previous == log.end
            else {
                recovered.cut = LogHole(file: name, from: 0, to: bytes.count)
                log.addSegment(firstSequence: firstSequence, size: 0)
                return false
            }
        case .unknownVersion(let found):
            throw .format(file: name, .unknownVersion(found: found, known: SegmentFormat.version))
        case .damaged:
            // A segment begun just before the power went has no header yet; of an older one the rest is still read.
            guard isDurable(firstSequence, SegmentFormat.headerSize - 1) else {
                recovered.cut = LogHole(file: name, from: 0, to: bytes.count)
                log.addSegment(firstSequence: firstSequence, size: 0)
                return false
            }
            log.addSegment(firstSequence: firstSequence, size: length)
            noteHole(0..<SegmentFormat.headerSize, in: log.order[log.order.count - 1])
            return try finish(bytes, name, length)
        }
        log.addSegment(firstSequence: firstSequence, size: length)
        log.segments[log.order[log.order.count - 1]]!.isRewritten = isRewritten
        return try finish(bytes, name, length)
    }

    private mutating func finish(_ bytes: [UInt8], _ name: String, _ length: Int) throws(LogError) -> Bool {
        let isWhole = index(bytes)
        if let refusal { throw .format(file: name, refusal) }
        let end = max(bytes.count, SegmentFormat.headerSize)
        if isWhole, end < length { noteHole(end..<length, in: log.order[log.order.count - 1]) }
        return isWhole
    }

    /// A segment that ends before where the next one's header says it did has lost its end.
    private mutating func noteTruncation(before place: LogPlace) {
        guard let number = log.order.last, let last = log.segments[number], last.firstSequence == place.segment,
            !last.isRewritten, last.size < place.length, isDurable(place.segment, place.length - 1)
        else { return }
        noteHole(last.size..<place.length, in: number)
        log.segments[number]!.size = place.length
    }

    private func isDurable(_ firstSequence: UInt64, _ position: Int) -> Bool {
        LogPlace(segment: firstSequence, length: position) < durable
    }

    private mutating func index(_ bytes: [UInt8]) -> Bool {
        let number = log.order[log.order.count - 1]
        let firstSequence = log.segments[number]!.firstSequence
        var walk = SegmentWalk(base: 0, start: SegmentFormat.headerSize)
        // A batch behind the durable place counts only as a whole.
        var batch: (header: SegmentFormat.BatchHeader, position: Int)?
        var pending: [(record: Record, sequence: UInt64, position: Int, size: Int)] = []
        let end = bytes.count
        while let found = bytes.withUnsafeBytes({ walk.next(in: $0) }) {
            switch found {
            case .batch(let header, let position):
                take(&pending, in: number)
                batch = (header, position)
                log.segments[number]!.mark(sequence: header.firstSequence, position: position)
            case .frame(let sequence, let position, let size, let range):
                guard let record = decode(bytes, range), sequence > log.lastRead(pending.last?.sequence) else {
                    noteHole(position..<position + size, in: number)
                    continue
                }
                pending.append((record, sequence, position, size))
            case .damage(let range):
                let start =
                    batch.map {
                        range.lowerBound < $0.position + $0.header.totalLength ? $0.position : range.lowerBound
                    }
                    ?? range.lowerBound
                guard isDurable(firstSequence, start) else {
                    return endLog(at: start, of: end, pending: &pending, in: number)
                }
                take(&pending, in: number)
                noteHole(range, in: number)
                // Damage that reaches behind the durable place ends the log there.
                if range.upperBound == end, !isDurable(firstSequence, end - 1) {
                    return endLog(at: max(durable.length, start), of: end, pending: &pending, in: number)
                }
            }
        }
        guard let unfinished = walk.unfinished else {
            take(&pending, in: number)
            return true
        }
        take(&pending, in: number)
        guard isDurable(firstSequence, unfinished.position) else {
            return endLog(at: unfinished.position, of: end, pending: &pending, in: number)
        }
        noteHole(unfinished.position..<end, in: number)
        return true
    }

    private mutating func decode(_ bytes: [UInt8], _ range: Range<Int>) -> Record? {
        var reader = ByteReader(bytes[range])
        do { return try Record.decode(from: &reader) } catch {
            if case .unknownVersion = error { refusal = error }
            return nil
        }
    }

    private mutating func noteHole(_ range: Range<Int>, in number: UInt32) {
        log.segments[number]!.holes.append(range)
        recovered.holes.append(LogHole(file: log.segments[number]!.name, from: range.lowerBound, to: range.upperBound))
        holeAfter = log.readThrough
    }

    private mutating func endLog(
        at position: Int, of end: Int,
        pending: inout [(record: Record, sequence: UInt64, position: Int, size: Int)], in number: UInt32
    ) -> Bool {
        pending.removeAll { $0.position >= position }
        take(&pending, in: number)
        recovered.cut = LogHole(file: log.segments[number]!.name, from: position, to: end)
        log.segments[number]!.size = position
        return false
    }

    private mutating func take(
        _ pending: inout [(record: Record, sequence: UInt64, position: Int, size: Int)], in number: UInt32
    ) {
        for (record, sequence, position, size) in pending {
            log.take(record, sequence: sequence, in: number, position: position, size: size, holeAfter: holeAfter)
            log.readThrough = sequence
            recovered.records += 1
            if let message = record.message, let messageID = message.messageID {
                recovered.recent.append(
                    RecentMessage(
                        topic: message.topic, publisher: message.publisher, messageID: messageID,
                        partition: record.partition(of: message), offset: message.offset, time: record.time))
                if recovered.recent.count > 2 * log.settings.recentLimit { trimRecent() }
            }
        }
        pending.removeAll(keepingCapacity: true)
    }
}

extension Log {
    fileprivate func lastRead(_ pending: UInt64?) -> UInt64 { pending ?? readThrough }
}
