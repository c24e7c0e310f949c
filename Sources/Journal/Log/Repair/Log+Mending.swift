import Model

/// What writing back came to.
package struct Mended: Sendable, Equatable {
    /// The segment's file.
    package let file: String
    /// How many records were written back.
    package let records: Int
}

extension Log {
    /// Takes records that a peer gave back; they are written once all that was asked for of their segment is settled.
    package mutating func mend(_ records: [Record]) {
        for record in records {
            guard let number = segment(wanting: record, after: 0, isOpen: true) else { continue }
            keep(record, for: number)
        }
    }

    /// Hands records on that found no room in a segment.
    private mutating func handOn(_ records: [Record], after number: UInt32) {
        for record in records {
            if let later = segment(wanting: record, after: number, isOpen: false) { keep(record, for: later) }
        }
    }

    private mutating func keep(_ record: Record, for number: UInt32) {
        let cost = RecordRun.cost(of: record)
        // No more can have stood there than the damaged parts have room for, whatever a peer sends.
        let room = repairs.damaged[number]!.parts.reduce(Segment.markInterval) { $0 + 8 * $1.range.count }
        guard repairs.damaged[number]!.foundBytes + cost <= room else { return }
        repairs.damaged[number]!.found.append(record)
        repairs.damaged[number]!.foundBytes += cost
    }

    /// The damaged segment in which a record stood, as far as that is known, or the first in which it may have stood.
    private func segment(wanting record: Record, after last: UInt32, isOpen: Bool) -> UInt32? {
        if let entry = damagedEntry(of: record) { return repairs.damaged[entry.segment] == nil ? nil : entry.segment }
        return repairs.damaged.keys.sorted().first { number in
            number > last
                && repairs.damaged[number]!.stretches.contains {
                    (!isOpen || $0.state != .settled) && $0.run.holds(record)
                }
        }
    }

    private func damagedEntry(of record: Record) -> Entry? {
        guard let message = record.message,
            let entry = topics[TopicGeneration(name: message.topic, generation: message.generation)]?.entry(
                of: record.partition(of: message), offset: message.offset)
        else { return nil }
        return entry.flags.contains(.damaged) ? entry : nil
    }

    /// Takes note of what holders said of a run that was asked for.
    package mutating func resolve(_ run: AbsentRun, _ outcome: RepairOutcome) {
        for number in repairs.damaged.keys.sorted() {
            for index in repairs.damaged[number]!.stretches.indices
            where repairs.damaged[number]!.stretches[index].run == run {
                repairs.damaged[number]!.stretches[index].state = outcome == .settled ? .settled : .unavailable
            }
        }
        repairs.version += 1
    }

    /// Writes back what came, one segment a call: one whose stretches are all answered. Nil where there is none.
    ///
    /// A segment that is being written to is ended first.
    package mutating func writeRepairs() throws(StorageError) -> Mended? {
        if let failure { throw failure }
        let ready = repairs.damaged.keys.sorted().first { number in
            let damage = repairs.damaged[number]!
            // A header is written anew without anybody's help.
            let isHeader = damage.parts.count == 1 && damage.parts[0].range.lowerBound == 0
            return (!damage.found.isEmpty || isHeader) && damage.stretches.allSatisfy { $0.state != .wanted }
        }
        guard let number = ready else { return nil }
        // Whoever reads from here on finds what came, or the gap that stays.
        defer { repairs.version += 1 }
        if number == order.last { try endSegment() }
        // Without it a segment that names the end of this one in its header could be taken for one that was never synced.
        try writeCheckpoint()
        return try insert(repairs.damaged[number]!, into: number)
    }

    private mutating func insert(_ damage: Repairs.Damage, into number: UInt32) throws(StorageError) -> Mended {
        let segment = segments[number]!
        let (placed, left) = place(damage, in: segment)
        var draft = SegmentDraft(of: segment, durable: durable)
        var records = placed[...]
        // What holders that cannot be reached may still have is looked for again: the file says where it is missing.
        let missing = missingParts(of: damage)
        var holes: [(after: UInt64, before: UInt64)] = []
        var last = segment.firstSequence > 0 ? segment.firstSequence - 1 : 0
        func pass(to sequence: UInt64) {
            let free = last + 1..<max(last + 1, sequence)
            if !free.isEmpty, missing.contains(where: { $0.after + 1 < free.upperBound && $0.before > free.lowerBound })
            {
                draft.leaveHole()
                holes.append((last, sequence))
            }
            last = max(last, sequence)
        }
        func insert(before sequence: UInt64) {
            while let next = records.first, next.sequence < sequence {
                pass(to: next.sequence)
                var writer = ByteWriter(reservingCapacity: RecordRun.cost(of: next.record))
                next.record.encode(into: &writer)
                draft.append(next.record, encoded: writer.bytes[...], sequence: next.sequence)
                records.removeFirst()
            }
        }
        var (position, length) = (SegmentFormat.headerSize, RecordReader.windowSize)
        while position < segment.size {
            let step = try SegmentStep(of: segment, at: position, length: length, in: storage)
            for each in step.found {
                guard case .frame(let sequence, _, _, let range) = each, sequence > last else { continue }
                var reader = ByteReader(step.bytes[range])
                guard let record = Self.decode(&reader) else { continue }
                insert(before: sequence)
                pass(to: sequence)
                if isAlive(record, sequence: sequence) {
                    draft.append(record, encoded: step.bytes[range], sequence: sequence)
                }
            }
            (position, length) = (step.next, step.length)
        }
        insert(before: .max)
        pass(to: max(last + 1, firstSequence(after: number)))
        let file = draft.finish()
        try writeLengths(with: draft.segment)
        try SealedFile.replace(segment.name, with: file, in: storage)
        take(draft, placed)
        settle(damage, of: number, holes)
        handOn(left, after: number)
        repairs.counters.recordsMended += UInt64(placed.count)
        repairs.counters.segmentsMended += 1
        return Mended(file: segment.name, records: placed.count)
    }

    /// Parts in which something may have stood that a holder may still have.
    private func missingParts(of damage: Repairs.Damage) -> [Repairs.Part] {
        let open = damage.stretches.filter { $0.state == .unavailable }
        return damage.parts.enumerated().filter { index, _ in open.contains { $0.parts.contains(index) } }
            .map(\.element)
    }

    /// Gives records the local sequences that they had, as far as that is known, and otherwise one of those that are
    /// free in the parts where they can have stood.
    ///
    /// What finds no room may have stood in a later damaged segment of which the same positions are wanted.
    private func place(
        _ damage: Repairs.Damage, in segment: Segment
    ) -> (placed: [(sequence: UInt64, record: Record)], left: [Record]) {
        var placed: [(sequence: UInt64, record: Record)] = []
        var elsewhere: [Record] = []
        var waiting: [(record: Record, parts: ClosedRange<Int>, last: PlaceLimit)] = []
        var used: Set<UInt64> = []
        for record in damage.found where !isEnded(record) {
            if let message = record.message,
                let entry = topics[TopicGeneration(name: message.topic, generation: message.generation)]?.entry(
                    of: record.partition(of: message), offset: message.offset)
            {
                // What stands elsewhere is not lost, or is put where it stood.
                guard entry.flags.contains(.damaged) else { continue }
                guard entry.segment == segment.number else {
                    elsewhere.append(record)
                    continue
                }
                if used.insert(entry.sequence).inserted { placed.append((entry.sequence, record)) }
            } else if let stretch = damage.stretches.first(where: { $0.run.holds(record) }) {
                let limit = PlaceLimit(segment: segment.number, part: stretch.parts.upperBound)
                waiting.append((record, stretch.parts, lastPlace(for: record, after: limit)))
            }
        }
        waiting.sort { ($0.record.time, $0.record.origin) < ($1.record.time, $1.record.origin) }
        for (index, part) in damage.parts.enumerated() {
            var next = part.after + 1
            // Those that have to stand soonest go first, so that each finds room where there is room for all.
            let here = waiting.indices.filter { waiting[$0].parts.contains(index) }.sorted { left, right in
                (waiting[left].last, left) < (waiting[right].last, right)
            }
            var chosen: [Int] = []
            var free: [UInt64] = []
            while chosen.count < here.count, next < part.before {
                if !used.contains(next) {
                    free.append(next)
                    chosen.append(here[chosen.count])
                }
                next += 1
            }
            for (sequence, index) in zip(free, chosen.sorted()) { placed.append((sequence, waiting[index].record)) }
            used.formUnion(free)
            let gone = Set(chosen)
            waiting = waiting.indices.filter { !gone.contains($0) }.map { waiting[$0] }
        }
        return (placed.sorted { $0.sequence < $1.sequence }, elsewhere + waiting.filter { $0.last.segment > segment.number }.map(\.record))
    }

    /// The last place in which a record can have stood.
    private func lastPlace(for record: Record, after limit: PlaceLimit) -> PlaceLimit {
        var last = limit
        for (number, damage) in repairs.damaged where number > last.segment {
            guard let stretch = damage.stretches.first(where: { $0.run.holds(record) }) else { continue }
            last = PlaceLimit(segment: number, part: stretch.parts.upperBound)
        }
        return last
    }

    private func isEnded(_ record: Record) -> Bool {
        guard let message = record.message else { return false }
        return registry.entries[message.topic]?.ended ?? 0 >= message.generation
    }

    /// Takes a segment that was written anew into the indexes.
    private mutating func take(_ draft: SegmentDraft, _ placed: [(sequence: UInt64, record: Record)]) {
        let number = draft.segment.number
        segments[number] = draft.segment
        var restored: [TopicGeneration: [Partition: [(entry: Entry, message: Message, record: Record)]]] = [:]
        let back = Dictionary(uniqueKeysWithValues: placed.map { ($0.sequence, $0.record) })
        for place in draft.places {
            if topics[place.topic]?.move(
                place.partition, sequence: place.sequence, to: place.position, size: place.size)
                == true
            {
                continue
            }
            guard let record = back[place.sequence], let message = record.message else { continue }
            let entry = Entry(
                message, of: record, sequence: place.sequence, segment: number, position: place.position,
                size: place.size)
            restored[place.topic, default: [:]][place.partition, default: []].append((entry, message, record))
            segments[number]!.liveBytes -= place.size
        }
        for (key, partitions) in restored.sorted(by: {
            ($0.key.name, $0.key.generation) < ($1.key.name, $1.key.generation)
        }) {
            if topics[key] == nil { topics[key] = TopicIndex(window: settings.foldWindow) }
            for (_, found) in partitions.sorted(by: { $0.key.origin < $1.key.origin }) {
                let sizes = topics[key]!.restore(found.sorted { $0.entry.offset < $1.entry.offset })
                segments[number]!.liveBytes += sizes.reduce(0, +)
            }
        }
        for (_, record) in placed {
            observe(record.origin, at: record.time)
            switch record.body {
            case .message: break
            case .topic(let change):
                registry.merge(change, stamp: Stamp(time: record.time, origin: record.origin))
                dropEnded(change.name)
            case .member(let member): registry.merge(member, stamp: Stamp(time: record.time, origin: record.origin))
            case .departure(let departure):
                registry.merge(departure, stamp: Stamp(time: record.time, origin: record.origin))
            case .schedule(let change): registry.merge(change, stamp: Stamp(time: record.time, origin: record.origin))
            }
        }
    }

    /// Keeps of a damage that was written back what a holder may still have.
    private mutating func settle(
        _ damage: Repairs.Damage, of number: UInt32, _ holes: [(after: UInt64, before: UInt64)]
    ) {
        guard !holes.isEmpty else {
            repairs.damaged[number] = nil
            return
        }
        var left = Repairs.Damage(parts: [], stretches: [])
        for (hole, range) in zip(holes, segments[number]!.holes) {
            left.parts.append(Repairs.Part(range: range, after: hole.after, before: hole.before))
        }
        for stretch in damage.stretches where stretch.state == .unavailable {
            let (first, last) = (damage.parts[stretch.parts.lowerBound], damage.parts[stretch.parts.upperBound])
            let places = left.parts.indices.filter {
                left.parts[$0].before > first.after + 1 && left.parts[$0].after + 1 < last.before
            }
            guard let low = places.first, let high = places.last else { continue }
            left.stretches.append(Repairs.Stretch(run: stretch.run, parts: low...high, state: .unavailable))
        }
        repairs.damaged[number] = left
    }
}

/// The last part of a damaged segment in which a record can have stood.
private struct PlaceLimit: Comparable {
    let segment: UInt32
    let part: Int

    static func < (left: PlaceLimit, right: PlaceLimit) -> Bool {
        (left.segment, left.part) < (right.segment, right.part)
    }
}
