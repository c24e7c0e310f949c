import Model

// How an item is written: a kind, and what it says.

extension LaneItem {
    /// Appends the item as it is written in a version of the lane format that has it.
    func encode(into writer: inout ByteWriter, version: UInt8) {
        switch self {
        case .start(let vector, let epoch):
            writer.u8(1)
            writer.u64(epoch.rawValue)
            vector.encode(into: &writer)
        case .record(let record):
            writer.u8(2)
            record.encode(into: &writer)
        case .absent(let run):
            writer.u8(3)
            writer.run(run)
        case .vector(let vector):
            writer.u8(4)
            vector.encode(into: &writer)
        case .pull(let origin, let positions):
            writer.u8(5)
            writer.origin(origin)
            for position in positions { writer.varint(position) }
        case .pulled(let origin):
            writer.u8(6)
            writer.origin(origin)
        case .pulse(let digest, let interest, let presence):
            // Version 2 has a pulse without presence.
            writer.u8(version < WireVersions.presence ? 7 : 17)
            writer.u64(digest)
            writer.varint(interest)
            if version >= WireVersions.presence { writer.varint(presence ?? 0) }
        case .interest(let base, let version, let added, let removed):
            writer.u8(8)
            writer.varint(base)
            writer.varint(version)
            writer.list(added) { $0.string($1.text) }
            writer.list(removed) { $0.string($1.text) }
        case .interestTaken(let version, let heads):
            writer.u8(9)
            writer.varint(version)
            writer.heads(heads)
        case .subscribers(let counts):
            writer.u8(10)
            writer.list(counts.sorted { $0.key < $1.key }) {
                $0.string($1.key.text)
                $0.varint($1.value)
            }
        case .heads(let heads):
            writer.u8(11)
            writer.heads(heads)
        case .fetch(let place, let after):
            writer.u8(12)
            writer.place(place)
            writer.varint(after)
        case .lost(let place, let offsets):
            writer.u8(13)
            writer.place(place)
            writer.varint(offsets.lowerBound)
            writer.varint(offsets.upperBound)
        case .fetched(let place):
            writer.u8(14)
            writer.place(place)
        case .presence(let base, let changes):
            writer.u8(15)
            writer.varint(base)
            writer.list(changes) { $0.change($1) }
        case .presenceSet(let version, let isFirst, let isLast, let entries):
            writer.u8(16)
            writer.varint(version)
            writer.u8((isFirst ? 1 : 0) | (isLast ? 2 : 0))
            writer.list(entries) { $0.change(.set($1.key, $1.entry)) }
        case .errand(let loop, let bytes):
            writer.u8(18)
            writer.varint(UInt64(loop))
            writer.run(bytes)
        case .mend(let run):
            writer.u8(19)
            writer.run(run)
        case .mended(let run):
            writer.u8(20)
            writer.run(run)
        }
    }

    static func decode(from reader: inout ByteReader) throws(FormatError) -> LaneItem {
        switch try reader.u8() {
        case 1:
            let epoch = Epoch(rawValue: try reader.u64())
            return .start(try VersionVector.decode(from: &reader), epoch: epoch)
        case 2: return .record(try Record.decode(from: &reader))
        case 3: return .absent(try reader.absentRun())
        case 4: return .vector(try VersionVector.decode(from: &reader))
        case 5:
            let origin = try reader.origin()
            var positions: [UInt64] = []
            for _ in 0..<Slot.count { positions.append(try reader.varint()) }
            return .pull(origin, after: positions)
        case 6: return .pulled(try reader.origin())
        case 7: return .pulse(digest: try reader.u64(), interest: try reader.varint(), presence: nil)
        case 17:
            return .pulse(
                digest: try reader.u64(), interest: try reader.varint(), presence: try reader.varint())
        case 8:
            return .interest(
                base: try reader.varint(), version: try reader.varint(), added: try reader.filters(),
                removed: try reader.filters())
        case 9:
            let version = try reader.varint()
            return .interestTaken(version: version, heads: try reader.memoryHeads())
        case 10:
            var counts: [TopicName: UInt64] = [:]
            for _ in 0..<(try reader.count(upTo: maximumEntries)) {
                counts[try reader.topicName()] = try reader.varint()
            }
            return .subscribers(counts)
        case 11: return .heads(try reader.memoryHeads())
        case 12: return .fetch(try reader.place(), after: try reader.varint())
        case 13:
            let place = try reader.place()
            let (from, to) = (try reader.varint(), try reader.varint())
            guard from >= 1, from <= to else { throw .invalid("lost offsets") }
            return .lost(place, from...to)
        case 14: return .fetched(try reader.place())
        case 15: return .presence(base: try reader.varint(), try reader.changes())
        case 16:
            let (version, flags) = (try reader.varint(), try reader.u8())
            guard flags <= 3 else { throw .invalid("presence flags") }
            return .presenceSet(
                version: version, isFirst: flags & 1 != 0, isLast: flags & 2 != 0, try reader.entries())
        case 18:
            let loop = try reader.count(upTo: maximumEntries)
            return .errand(loop: loop, Array(try reader.run()))
        case 19: return .mend(try reader.absentRun())
        case 20: return .mended(try reader.absentRun())
        case let kind: throw .invalid("lane item kind \(kind)")
        }
    }
}

extension ByteWriter {
    fileprivate mutating func origin(_ origin: Origin) {
        u64(origin.node.rawValue)
        u64(origin.epoch.rawValue)
    }

    fileprivate mutating func run(_ run: AbsentRun) {
        origin(run.origin)
        u8(run.slot.index)
        varint(run.from)
        varint(run.to)
    }

    fileprivate mutating func place(_ place: MemoryPlace) {
        string(place.topic.text)
        origin(place.partition.origin)
        varint(UInt64(place.partition.generation))
    }

    fileprivate mutating func heads(_ heads: [MemoryHead]) {
        list(heads) {
            $0.place($1.place)
            $0.varint($1.offset)
        }
    }

    fileprivate mutating func change(_ change: PresenceChange) {
        let key = change.key
        switch change {
        case .set(_, let entry):
            u8(key.place.kind.rawValue << 1 | 1)
            string(key.place.topic.text)
            string(key.connection)
            string(entry.user)
            varint(UInt64(clamping: entry.since.milliseconds))
            run(entry.state)
        case .remove:
            u8(key.place.kind.rawValue << 1)
            string(key.place.topic.text)
            string(key.connection)
        }
    }

    fileprivate mutating func list<Element>(_ elements: [Element], _ write: (inout ByteWriter, Element) -> Void) {
        varint(UInt64(elements.count))
        for element in elements { write(&self, element) }
    }
}

extension ByteReader {
    fileprivate mutating func absentRun() throws(FormatError) -> AbsentRun {
        let origin = try origin()
        guard let slot = Slot(index: try u8()) else { throw .invalid("slot") }
        let run = AbsentRun(origin: origin, slot: slot, from: try varint(), to: try varint())
        guard run.from >= 1, run.from <= run.to else { throw .invalid("absent run") }
        return run
    }

    fileprivate mutating func filters() throws(FormatError) -> [TopicFilter] {
        var filters: [TopicFilter] = []
        for _ in 0..<(try count(upTo: LaneItem.maximumEntries)) {
            do { filters.append(try TopicFilter(try string())) } catch { throw .invalid("topic filter") }
        }
        return filters
    }

    fileprivate mutating func place() throws(FormatError) -> MemoryPlace {
        let topic = try topicName()
        let origin = try origin()
        let generation = UInt32(try count(upTo: Int(UInt32.max)))
        return MemoryPlace(topic: topic, partition: Partition(origin: origin, generation: generation))
    }

    fileprivate mutating func change() throws(FormatError) -> PresenceChange {
        let head = try u8()
        guard let kind = PresencePlace.Kind(rawValue: head >> 1) else { throw .invalid("presence kind") }
        let key = PresenceKey(kind, in: try topicName(), connection: try string())
        guard head & 1 == 1 else { return .remove(key) }
        let user = try string()
        guard let since = Int64(exactly: try varint()) else { throw .invalid("presence time") }
        return .set(key, PresenceEntry(user: user, since: WallTime(milliseconds: since), state: Array(try run())))
    }

    fileprivate mutating func changes() throws(FormatError) -> [PresenceChange] {
        var changes: [PresenceChange] = []
        for _ in 0..<(try count(upTo: LaneItem.maximumEntries)) { changes.append(try change()) }
        return changes
    }

    fileprivate mutating func entries() throws(FormatError) -> [(key: PresenceKey, entry: PresenceEntry)] {
        var entries: [(key: PresenceKey, entry: PresenceEntry)] = []
        for change in try changes() {
            guard case .set(let key, let entry) = change else { throw .invalid("presence set") }
            entries.append((key, entry))
        }
        return entries
    }

    fileprivate mutating func memoryHeads() throws(FormatError) -> [MemoryHead] {
        var heads: [MemoryHead] = []
        for _ in 0..<(try count(upTo: LaneItem.maximumEntries)) {
            let place = try place()
            heads.append(MemoryHead(topic: place.topic, partition: place.partition, offset: try varint()))
        }
        return heads
    }
}
