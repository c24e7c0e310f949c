import Model

/// A wish for one origin's records in log order, to be sent to a peer.
package struct JournalScan: Sendable {
    package let origin: Origin
    /// The local sequence to begin at; 1 for all.
    package let from: UInt64
    /// The position that the peer has of each of the origin's journals, indexed by slot.
    package let expected: [UInt64]
    /// About how many bytes of records to give at most; one record is given where there is one.
    package let byteLimit: Int
    /// The last position wanted of the one journal that is wanted; nil for all that there is.
    package let end: UInt64?

    package init(origin: Origin, from: UInt64, expected: [UInt64], byteLimit: Int) {
        precondition(expected.count == Slot.count, "there is one position a slot")
        self.origin = origin
        self.from = from
        self.expected = expected
        self.byteLimit = byteLimit
        end = nil
    }

    /// The records of a run that a peer has lost, as far as they are here.
    package init(_ run: AbsentRun, from: UInt64, byteLimit: Int) {
        origin = run.origin
        self.from = from
        var expected = [UInt64](repeating: .max, count: Slot.count)
        expected[Int(run.slot.index)] = run.from - 1
        self.expected = expected
        self.byteLimit = byteLimit
        end = run.to
    }
}

/// A part of one origin's records.
package struct ScanChunk: Sendable {
    /// One step of a journal's way: a record, or a run of positions that is no longer retained.
    package enum Item: Sendable {
        case record(Record)
        case absent(AbsentRun)
    }

    /// What the peer is to apply, in this order.
    package var items: [Item] = []
    /// The position of each journal after all items, indexed by slot.
    package var expected: [UInt64]
    /// The local sequence at which the next scan begins.
    package var nextSequence: UInt64
    /// Whether everything appended so far was considered.
    package var reachedEnd = false
    /// Whether positions of the system slot are absent: the registry must be sent before the items.
    package var needsSnapshot = false
    /// Whether it ends before positions that are damaged here and may come back.
    package var isHeldUp = false
    /// The segment that turned out to be damaged in a part that was not known to be; the chunk ends before it.
    package var suspect: UInt32?
}

extension Log {
    /// How much of the disk one scan reads at most, about; one that ends there is continued by the next.
    static let scanBudget = 4 << 20

    /// Reads one origin's records from a local sequence on, in log order, with the runs of positions that are gone.
    package mutating func scan(_ scan: JournalScan) throws(StorageError) -> ScanChunk {
        let chunk = try read(scan)
        if let number = chunk.suspect, repairs.isBegun { suspect(number) }
        return chunk
    }

    private func read(_ scan: JournalScan) throws(StorageError) -> ScanChunk {
        var chunk = ScanChunk(expected: scan.expected, nextSequence: max(scan.from, 1))
        var left = scan.byteLimit
        if chunk.nextSequence <= cacheFloor {
            var budget = Self.scanBudget
            for number in order {
                let segment = segments[number]!
                guard segment.lastSequence >= chunk.nextSequence else { continue }
                if chunk.nextSequence > cacheFloor { break }
                if holdsNews(segment, for: scan.origin, after: chunk.expected) {
                    guard try scanSegment(segment, for: scan, into: &chunk, left: &left, budget: &budget) else {
                        return chunk
                    }
                }
                chunk.nextSequence = segment.lastSequence + 1
            }
        }
        for index in cache.firstIndex(from: chunk.nextSequence)..<cache.count {
            guard take(cache[index], of: scan, into: &chunk, left: &left) else { return chunk }
        }
        finish(&chunk, of: scan)
        return chunk
    }

    private func holdsNews(_ segment: Segment, for origin: Origin, after expected: [UInt64]) -> Bool {
        guard let positions = segment.positions[origin] else { return false }
        return zip(positions, expected).contains { $0 > $1 }
    }

    /// Scans one segment; false where a limit was reached in it.
    private func scanSegment(
        _ segment: Segment, for scan: JournalScan, into chunk: inout ScanChunk, left: inout Int, budget: inout Int
    ) throws(StorageError) -> Bool {
        var position = segment.start(for: chunk.nextSequence)
        var length = RecordReader.windowSize
        while position < segment.size {
            guard budget > 0 else { return false }
            let step = try SegmentStep(of: segment, at: position, length: length, in: storage)
            budget -= max(1, step.bytes.count)
            for each in step.found {
                if case .damage(let range) = each, repairs.isBegun, !segment.isKnownDamaged(range) {
                    // What stood there is not to be told as absent: it is looked at first.
                    (chunk.suspect, chunk.isHeldUp) = (segment.number, true)
                    return false
                }
                guard case .frame(let sequence, _, _, let range) = each, sequence >= chunk.nextSequence else {
                    continue
                }
                guard Self.origin(of: step.bytes, range) == scan.origin else {
                    chunk.nextSequence = sequence + 1
                    continue
                }
                var reader = ByteReader(step.bytes[range])
                // Damage that is found only now is a hole like any other.
                guard let record = Self.decode(&reader) else { continue }
                guard take(Sequenced(sequence: sequence, record: record), of: scan, into: &chunk, left: &left) else {
                    return false
                }
            }
            (position, length) = (step.next, step.length)
        }
        return true
    }

    /// The origin of an encoded record, which stands behind its version and kind.
    private static func origin(of bytes: [UInt8], _ range: Range<Int>) -> Origin? {
        guard range.count >= 18 else { return nil }
        return bytes.withUnsafeBytes { bytes in
            Origin(
                node: NodeID(rawValue: bytes.integer(at: range.lowerBound + 2, as: UInt64.self)),
                epoch: Epoch(rawValue: bytes.integer(at: range.lowerBound + 10, as: UInt64.self)))
        }
    }

    /// Gives a record, and what is gone before it; false where it has no room, or what is before it may come back.
    private func take(
        _ sequenced: Sequenced, of scan: JournalScan, into chunk: inout ScanChunk, left: inout Int
    ) -> Bool {
        let record = sequenced.record
        let slot = Int(record.slot.index)
        guard record.origin == scan.origin, record.position > chunk.expected[slot],
            isAlive(record, sequence: sequenced.sequence)
        else {
            chunk.nextSequence = sequenced.sequence + 1
            return true
        }
        if let end = scan.end, record.position > end {
            chunk.reachedEnd = true
            return false
        }
        let cost = 64 + record.payloadCount
        guard cost <= left || chunk.items.isEmpty else { return false }
        if scan.end == nil {
            // The receiver takes no record before the registry's that it has seen: what is gone of them goes first.
            guard addAbsent(scan.origin, .system, through: record.seen, to: &chunk),
                addAbsent(scan.origin, record.slot, through: record.position - 1, to: &chunk)
            else { return false }
        }
        left -= cost
        chunk.items.append(.record(record))
        chunk.expected[slot] = record.position
        chunk.nextSequence = sequenced.sequence + 1
        return true
    }

    /// Says that positions are gone; false where some of them may come back.
    private func addAbsent(
        _ origin: Origin, _ slot: Slot, through position: UInt64, to chunk: inout ScanChunk
    ) -> Bool {
        let index = Int(slot.index)
        guard chunk.expected[index] < position else { return true }
        let run = AbsentRun(origin: origin, slot: slot, from: chunk.expected[index] + 1, to: position)
        if let place = repairs.placeOfReturn(origin, slot, from: run.from, to: run.to) {
            // The next scan begins where it will stand.
            chunk.nextSequence = min(chunk.nextSequence, place)
            chunk.isHeldUp = true
            return false
        }
        chunk.items.append(.absent(run))
        chunk.expected[index] = position
        if slot == .system { chunk.needsSnapshot = true }
        return true
    }

    private func finish(_ chunk: inout ScanChunk, of scan: JournalScan) {
        for (index, position) in vector.positions(of: scan.origin).enumerated() where scan.end == nil {
            _ = addAbsent(scan.origin, Slot(index: UInt8(index))!, through: position, to: &chunk)
        }
        guard !chunk.isHeldUp else { return }
        chunk.nextSequence = appendedThrough + 1
        chunk.reachedEnd = true
    }
}

extension Segment {
    /// Whether a damaged part of the file lies in one that is known.
    func isKnownDamaged(_ range: Range<Int>) -> Bool {
        holes.contains { $0.lowerBound <= range.lowerBound && range.upperBound <= $0.upperBound }
    }
}
