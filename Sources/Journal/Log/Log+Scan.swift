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

    package init(origin: Origin, from: UInt64, expected: [UInt64], byteLimit: Int) {
        precondition(expected.count == Slot.count, "there is one position a slot")
        self.origin = origin
        self.from = from
        self.expected = expected
        self.byteLimit = byteLimit
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
}

extension Log {
    /// How much of the disk one scan reads at most, about; one that ends there is continued by the next.
    static let scanBudget = 4 << 20

    /// Reads one origin's records from a local sequence on, in log order, with the runs of positions that are gone.
    package func scan(_ scan: JournalScan) throws(StorageError) -> ScanChunk {
        var chunk = ScanChunk(expected: scan.expected, nextSequence: max(scan.from, 1))
        var left = scan.byteLimit
        if chunk.nextSequence <= cacheFloor {
            var budget = Self.scanBudget
            for number in order {
                let segment = segments[number]!
                guard segment.lastSequence >= chunk.nextSequence else { continue }
                if chunk.nextSequence > cacheFloor { break }
                if holdsNews(segment, for: scan.origin, after: chunk.expected) {
                    guard try scanSegment(segment, for: scan.origin, into: &chunk, left: &left, budget: &budget) else {
                        return chunk
                    }
                }
                chunk.nextSequence = segment.lastSequence + 1
            }
        }
        for index in cache.firstIndex(from: chunk.nextSequence)..<cache.count {
            let sequenced = cache[index]
            guard take(sequenced, of: scan.origin, into: &chunk, left: &left) else { return chunk }
        }
        finish(&chunk, of: scan.origin)
        return chunk
    }

    private func holdsNews(_ segment: Segment, for origin: Origin, after expected: [UInt64]) -> Bool {
        guard let positions = segment.positions[origin] else { return false }
        return zip(positions, expected).contains { $0 > $1 }
    }

    /// Scans one segment; false where a limit was reached in it.
    private func scanSegment(
        _ segment: Segment, for origin: Origin, into chunk: inout ScanChunk, left: inout Int, budget: inout Int
    ) throws(StorageError) -> Bool {
        var position = segment.start(for: chunk.nextSequence)
        var length = RecordReader.windowSize
        while position < segment.size {
            guard budget > 0 else { return false }
            let window = try storage.read(segment.name, at: position, count: min(length, segment.size - position))
            budget -= window.count
            var walk = SegmentWalk(base: position)
            var next = position + window.count
            while let found = window.withUnsafeBytes({ walk.next(in: $0) }) {
                // A batch whose header the window cuts looks like damage at the window's end: it is read again from there.
                if case .damage(let range) = found, range.upperBound == next, next < segment.size {
                    next = max(range.lowerBound, next - SegmentFormat.batchHeaderSize + 1)
                }
                guard case .frame(let sequence, _, _, let range) = found, sequence >= chunk.nextSequence else {
                    continue
                }
                guard Self.origin(of: window, range) == origin else {
                    chunk.nextSequence = sequence + 1
                    continue
                }
                var reader = ByteReader(window[range])
                let record: Record
                // Damage that is found only now is a hole like any other.
                do { record = try Record.decode(from: &reader) } catch { continue }
                guard take(Sequenced(sequence: sequence, record: record), of: origin, into: &chunk, left: &left) else {
                    return false
                }
            }
            if let unfinished = walk.unfinished, unfinished.position + unfinished.length <= segment.size {
                position = unfinished.position
                length = max(RecordReader.windowSize, unfinished.length)
            } else {
                position = next
                length = RecordReader.windowSize
            }
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

    /// Gives a record, and what is gone before it; false where it has no room.
    private func take(
        _ sequenced: Sequenced, of origin: Origin, into chunk: inout ScanChunk, left: inout Int
    ) -> Bool {
        let record = sequenced.record
        let slot = Int(record.slot.index)
        guard record.origin == origin, record.position > chunk.expected[slot],
            isAlive(record, sequence: sequenced.sequence)
        else {
            chunk.nextSequence = sequenced.sequence + 1
            return true
        }
        let cost = 64 + record.payloadCount
        guard cost <= left || chunk.items.isEmpty else { return false }
        left -= cost
        // The receiver takes no record before the registry's that it has seen: what is gone of them goes first.
        addAbsent(origin, .system, through: record.seen, to: &chunk)
        addAbsent(origin, record.slot, through: record.position - 1, to: &chunk)
        chunk.items.append(.record(record))
        chunk.expected[slot] = record.position
        chunk.nextSequence = sequenced.sequence + 1
        return true
    }

    private func addAbsent(
        _ origin: Origin, _ slot: Slot, through position: UInt64, to chunk: inout ScanChunk
    ) {
        let index = Int(slot.index)
        guard chunk.expected[index] < position else { return }
        chunk.items.append(
            .absent(AbsentRun(origin: origin, slot: slot, from: chunk.expected[index] + 1, to: position)))
        chunk.expected[index] = position
        if slot == .system { chunk.needsSnapshot = true }
    }

    private func finish(_ chunk: inout ScanChunk, of origin: Origin) {
        for (index, position) in vector.positions(of: origin).enumerated() {
            addAbsent(origin, Slot(index: UInt8(index))!, through: position, to: &chunk)
        }
        chunk.nextSequence = appendedThrough + 1
        chunk.reachedEnd = true
    }
}
