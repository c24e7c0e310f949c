import Model

extension Log {
    /// Begins to see to damage: gives what may have stood in the parts that recovery found damaged.
    ///
    /// From here on reads wait for what may come back, and nobody is told that it is absent.
    package mutating func beginRepairs() throws(StorageError) -> FoundDamage {
        repairs.isBegun = true
        var found = FoundDamage()
        for number in order where !segments[number]!.holes.isEmpty { try examine(number, into: &found) }
        return found
    }

    /// Looks at the segments that a read found wrong.
    package mutating func examineSuspects() throws(StorageError) -> FoundDamage {
        var found = FoundDamage()
        for number in repairs.suspects.sorted() {
            repairs.suspects.remove(number)
            if segments[number] != nil { try examine(number, into: &found) }
        }
        if !found.isEmpty || repairs.suspects.isEmpty { repairs.version += 1 }
        return found
    }

    /// Whether a read has found something wrong that is not looked at yet.
    package var hasSuspects: Bool { repairs.isBegun && !repairs.suspects.isEmpty }

    /// Changes whenever a read that waits for damage may go on.
    package var repairVersion: UInt64 { repairs.version }

    /// What was counted of damage.
    package var repairCounters: RepairCounters { repairs.counters }

    /// How many stretches of positions may still come back.
    package var pendingRepairs: Int {
        repairs.damaged.values.reduce(0) { $0 + $1.stretches.count { $0.state != .settled } }
    }

    /// Takes note that a segment's bytes are not what they should be.
    mutating func suspect(_ number: UInt32) {
        if segments[number] != nil { repairs.suspects.insert(number) }
    }

    /// Walks over a whole segment, and notes what of it is damaged and which positions may have stood there.
    private mutating func examine(_ number: UInt32, into found: inout FoundDamage) throws(StorageError) {
        let segment = segments[number]!
        var parts: [Repairs.Part] = []
        var last = segment.firstSequence > 0 ? segment.firstSequence - 1 : 0
        var journals = JournalPlaces(before: highestPositions(before: number))
        if segment.holes.first?.lowerBound == 0 {
            parts.append(Repairs.Part(range: 0..<SegmentFormat.headerSize, after: last, before: .max))
        }
        var (position, length) = (SegmentFormat.headerSize, RecordReader.windowSize)
        while position < segment.size {
            let step = try SegmentStep(of: segment, at: position, length: length, in: storage)
            for each in step.found {
                switch each {
                case .batch: break
                case .damage(let range): Self.note(range, after: last, in: &parts)
                case .frame(let sequence, let place, let size, let range):
                    var reader = ByteReader(step.bytes[range])
                    guard let record = Self.decode(&reader), sequence > last else {
                        Self.note(place..<place + size, after: last, in: &parts)
                        continue
                    }
                    Self.close(&parts, before: sequence)
                    last = sequence
                    journals.met(record.origin, record.slot, record.position, parts: parts.count)
                }
            }
            (position, length) = (step.next, step.length)
        }
        Self.close(&parts, before: firstSequence(after: number))
        for entry in vector.entries where !parts.isEmpty {
            let next = lowestPosition(of: entry.origin, entry.slot, after: number) ?? entry.position + 1
            journals.met(entry.origin, entry.slot, next, parts: parts.count)
        }
        note(parts, journals.stretches, of: number, into: &found)
    }

    /// A record follows the last parts, between which none stands.
    private static func close(_ parts: inout [Repairs.Part], before sequence: UInt64) {
        for index in parts.indices.reversed() {
            guard parts[index].before == .max else { return }
            parts[index].before = sequence
        }
    }

    private static func note(_ range: Range<Int>, after last: UInt64, in parts: inout [Repairs.Part]) {
        if let part = parts.last, part.before == .max, part.range.upperBound == range.lowerBound {
            parts[parts.count - 1].range = part.range.lowerBound..<range.upperBound
        } else {
            parts.append(Repairs.Part(range: range, after: last, before: .max))
        }
    }

    private mutating func note(
        _ parts: [Repairs.Part], _ stretches: [Repairs.Stretch], of number: UInt32, into found: inout FoundDamage
    ) {
        let known = repairs.damaged[number]
        markEntries(of: number, parts)
        guard known?.parts ?? [] != parts else { return }
        let name = segments[number]!.name
        let news = parts.filter { part in known.map { !$0.parts.contains(part) } ?? true }
        repairs.counters.partsFound += UInt64(news.count)
        found.holes += news.map { LogHole(file: name, from: $0.range.lowerBound, to: $0.range.upperBound) }
        found.wanted += stretches.map(\.run)
        segments[number]!.holes = parts.map(\.range)
        repairs.damaged[number] = Repairs.Damage(parts: parts, stretches: stretches)
        repairs.version += 1
    }

    /// What stands in the parts is damaged, and nothing else of the segment, whatever a read may have met there.
    private mutating func markEntries(of number: UInt32, _ parts: [Repairs.Part]) {
        for key in Array(topics.keys) {
            let (damaged, whole) = topics[key]!.markDamaged(inSegment: number, parts.map(\.range))
            for entry in damaged { disregard(entry) }
            for entry in whole where !entry.flags.contains(.outlived) { segments[number]!.liveBytes += Int(entry.size) }
        }
    }

    /// Takes a damaged message out of what is alive in its segment.
    mutating func disregard(_ entry: Entry) {
        guard entry.segment > 0, !entry.flags.contains(.outlived) else { return }
        segments[entry.segment]?.liveBytes -= Int(entry.size)
    }

    private func highestPositions(before number: UInt32) -> [Origin: [UInt64]] {
        var highest: [Origin: [UInt64]] = [:]
        for earlier in order where earlier < number {
            for (origin, positions) in segments[earlier]!.positions {
                highest[origin] = highest[origin].map { zip($0, positions).map { max($0, $1) } } ?? positions
            }
        }
        return highest
    }

    private func lowestPosition(of origin: Origin, _ slot: Slot, after number: UInt32) -> UInt64? {
        for later in order where later > number {
            if let position = segments[later]!.firstPositions[origin]?[Int(slot.index)], position > 0 {
                return position
            }
        }
        return nil
    }

    func firstSequence(after number: UInt32) -> UInt64 {
        order.first { $0 > number }.map { segments[$0]!.firstSequence } ?? appendedThrough + 1
    }

    /// Reads a record; nil where its bytes say none.
    static func decode(_ reader: inout ByteReader) -> Record? {
        do { return try Record.decode(from: &reader) } catch { return nil }
    }
}

/// How far each journal has come on a walk over a segment, and what damaged parts lie between two of its records.
private struct JournalPlaces {
    private struct Journal: Hashable {
        let origin: Origin
        let slot: Slot
    }

    private let before: [Origin: [UInt64]]
    /// The last position met, and how many damaged parts lay before it.
    private var last: [Journal: (position: UInt64, parts: Int)] = [:]
    private(set) var stretches: [Repairs.Stretch] = []

    init(before: [Origin: [UInt64]]) {
        self.before = before
    }

    mutating func met(_ origin: Origin, _ slot: Slot, _ position: UInt64, parts: Int) {
        guard position > 0 else { return }
        let journal = Journal(origin: origin, slot: slot)
        let place = last[journal] ?? (before[origin]?[Int(slot.index)] ?? 0, 0)
        if position > place.position + 1, parts > place.parts {
            stretches.append(
                Repairs.Stretch(
                    run: AbsentRun(origin: origin, slot: slot, from: place.position + 1, to: position - 1),
                    parts: place.parts...parts - 1))
        }
        if position > place.position || last[journal] == nil { last[journal] = (max(position, place.position), parts) }
    }
}
