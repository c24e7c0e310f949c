import Model

/// One thing that a frame says.
package enum LaneItem: Sendable {
    /// The first word of a session: everything that the sender has synced, and how it names its present epoch.
    case start(VersionVector, epoch: Epoch)
    /// A record: the sender's own, one of another origin that was pulled, or one retold by a snapshot.
    case record(Record)
    /// Positions that the sender knows to be gone.
    case absent(AbsentRun)
    /// Everything that the sender has synced, because digests differ.
    case vector(VersionVector)
    /// Asks for an origin's records after these positions, indexed by slot.
    case pull(Origin, after: [UInt64])
    /// A pull has given what it could; the asker asks again when it still lacks some.
    case pulled(Origin)
    /// A hash over the journals of ended epochs, and the version of the peer's interest that the sender holds.
    case pulse(digest: UInt64, interest: UInt64)
    /// Changes that make the sender's interest of version `base` into that of `version`; base 0 replaces all.
    case interest(base: UInt64, version: UInt64, added: [TopicFilter], removed: [TopicFilter])
    /// The sender forwards by this version from here on; the heads are those of its memory topics that it concerns.
    case interestTaken(version: UInt64, heads: [MemoryHead])
    /// How many subscribers each topic has at the sender; topics with none are left out.
    case subscribers([TopicName: UInt64])
}

/// The last offset that an origin gave in its share of a memory topic.
package struct MemoryHead: Equatable, Sendable {
    package let topic: TopicName
    package let partition: Partition
    package let offset: UInt64

    package init(topic: TopicName, partition: Partition, offset: UInt64) {
        self.topic = topic
        self.partition = partition
        self.offset = offset
    }
}

extension LaneItem {
    /// Whether it is the first word of a session.
    var isStart: Bool {
        if case .start = self { true } else { false }
    }

    /// The most filters, heads or counts in one item.
    package static let maximumEntries = 65_536

    func encode(into writer: inout ByteWriter) {
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
            writer.origin(run.origin)
            writer.u8(run.slot.index)
            writer.varint(run.from)
            writer.varint(run.to)
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
        case .pulse(let digest, let interest):
            writer.u8(7)
            writer.u64(digest)
            writer.varint(interest)
        case .interest(let base, let version, let added, let removed):
            writer.u8(8)
            writer.varint(base)
            writer.varint(version)
            writer.list(added) { $0.string($1.text) }
            writer.list(removed) { $0.string($1.text) }
        case .interestTaken(let version, let heads):
            writer.u8(9)
            writer.varint(version)
            writer.list(heads) {
                $0.string($1.topic.text)
                $0.origin($1.partition.origin)
                $0.varint(UInt64($1.partition.generation))
                $0.varint($1.offset)
            }
        case .subscribers(let counts):
            writer.u8(10)
            writer.list(counts.sorted { $0.key < $1.key }) {
                $0.string($1.key.text)
                $0.varint($1.value)
            }
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
        case 7: return .pulse(digest: try reader.u64(), interest: try reader.varint())
        case 8:
            return .interest(
                base: try reader.varint(), version: try reader.varint(), added: try reader.filters(),
                removed: try reader.filters())
        case 9:
            let version = try reader.varint()
            var heads: [MemoryHead] = []
            for _ in 0..<(try reader.count(upTo: maximumEntries)) { heads.append(try reader.memoryHead()) }
            return .interestTaken(version: version, heads: heads)
        case 10:
            var counts: [TopicName: UInt64] = [:]
            for _ in 0..<(try reader.count(upTo: maximumEntries)) {
                counts[try reader.topicName()] = try reader.varint()
            }
            return .subscribers(counts)
        case let kind: throw .invalid("lane item kind \(kind)")
        }
    }
}

extension ByteWriter {
    fileprivate mutating func origin(_ origin: Origin) {
        u64(origin.node.rawValue)
        u64(origin.epoch.rawValue)
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

    fileprivate mutating func memoryHead() throws(FormatError) -> MemoryHead {
        let topic = try topicName()
        let origin = try origin()
        let generation = UInt32(try count(upTo: Int(UInt32.max)))
        return MemoryHead(
            topic: topic, partition: Partition(origin: origin, generation: generation), offset: try varint())
    }
}
