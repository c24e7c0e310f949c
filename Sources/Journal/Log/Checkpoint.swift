import Model

/// What the log's files no longer say once segments are dropped, at one moment.
struct Checkpoint: Sendable {
    var registry = Registry()
    var vector = VersionVector()
    /// What is known of every partition, by topic.
    var heads: [Head] = []
    var forgotten: [NodeID: Epoch] = [:]
    var lastTimes: [Origin: HybridTime] = [:]
    var lastSequence: UInt64 = 0
    var durable = LogPlace.start

    /// A partition's place.
    struct Head: Sendable {
        let topic: TopicName
        let partition: Partition
        let offset: UInt64
        let droppedThrough: UInt64
        let time: HybridTime
    }

    /// The highest version that is read. Version 2 holds removed members too, version 3 schedules as well, and each is
    /// written only where there are some, so that the build before reads what it wrote and what a cluster without any has.
    static let version: UInt8 = 3
    private static let magic: [UInt8] = Array("ROOSTCHK".utf8)

    static func name(of sequence: UInt64) -> String { "checkpoint-\(hexadecimal(sequence, digits: 16)).roost" }

    static func isName(_ name: String) -> Bool { name.hasPrefix("checkpoint-") && name.hasSuffix(".roost") }

    func encode() -> [UInt8] {
        var writer = ByteWriter(reservingCapacity: 4_096)
        let version: UInt8 = !registry.schedules.isEmpty ? 3 : !registry.departed.isEmpty ? 2 : 1
        writer.varint(lastSequence)
        writer.u64(durable.segment)
        writer.varint(UInt64(durable.length))
        registry.encode(into: &writer, withDepartures: version > 1, withSchedules: version > 2)
        vector.encode(into: &writer)
        writer.varint(UInt64(heads.count))
        for head in heads {
            writer.string(head.topic.text)
            writer.origin(head.partition.origin)
            writer.varint(UInt64(head.partition.generation))
            writer.varint(head.offset)
            writer.varint(head.droppedThrough)
            writer.u64(head.time.rawValue)
        }
        writer.varint(UInt64(forgotten.count))
        for (node, epoch) in forgotten.sorted(by: { $0.key < $1.key }) {
            writer.origin(Origin(node: node, epoch: epoch))
        }
        writer.varint(UInt64(lastTimes.count))
        for (origin, time) in lastTimes.sorted(by: { $0.key < $1.key }) {
            writer.origin(origin)
            writer.u64(time.rawValue)
        }
        return SealedFile.seal(writer.bytes, magic: Self.magic, version: version)
    }

    static func decode(_ bytes: [UInt8]) throws(FormatError) -> Checkpoint {
        let (content, found) = try SealedFile.open(bytes, magic: magic, versions: 1...version)
        var reader = ByteReader(content)
        var checkpoint = Checkpoint()
        checkpoint.lastSequence = try reader.varint()
        checkpoint.durable = LogPlace(segment: try reader.u64(), length: try reader.count(upTo: 1 << 40))
        checkpoint.registry = try Registry.decode(from: &reader, withDepartures: found > 1, withSchedules: found > 2)
        checkpoint.vector = try VersionVector.decode(from: &reader)
        for _ in 0..<(try reader.count(upTo: reader.remaining)) {
            let topic = try reader.topicName()
            let origin = try reader.origin()
            let generation = UInt32(try reader.count(upTo: Int(UInt32.max)))
            checkpoint.heads.append(
                Head(
                    topic: topic, partition: Partition(origin: origin, generation: generation),
                    offset: try reader.varint(),
                    droppedThrough: try reader.varint(), time: HybridTime(rawValue: try reader.u64())))
        }
        for _ in 0..<(try reader.count(upTo: reader.remaining)) {
            let origin = try reader.origin()
            checkpoint.forgotten[origin.node] = origin.epoch
        }
        for _ in 0..<(try reader.count(upTo: reader.remaining)) {
            checkpoint.lastTimes[try reader.origin()] = HybridTime(rawValue: try reader.u64())
        }
        try reader.finish()
        return checkpoint
    }
}

/// The form of a small file that is written whole: magic (8 bytes), version, length, CRC of the content, content.
enum SealedFile {
    private static let headerSize = 24

    static func seal(_ content: [UInt8], magic: [UInt8], version: UInt8) -> [UInt8] {
        var bytes = magic
        bytes.append(integer: UInt32(version))
        bytes.append(integer: UInt64(content.count))
        bytes.append(integer: CRC32C.checksum(content))
        return bytes + content
    }

    static func open(_ bytes: [UInt8], magic: [UInt8], version: UInt8) throws(FormatError) -> ArraySlice<UInt8> {
        try open(bytes, magic: magic, versions: version...version).content
    }

    static func open(
        _ bytes: [UInt8], magic: [UInt8], versions: ClosedRange<UInt8>
    ) throws(FormatError) -> (content: ArraySlice<UInt8>, version: UInt8) {
        guard bytes.count >= headerSize else { throw .truncated }
        guard Array(bytes[..<8]) == magic else { throw .invalid("the file's first bytes") }
        var reader = ByteReader(bytes[8..<headerSize])
        let found = try reader.u32()
        guard let version = UInt8(exactly: found), versions.contains(version) else {
            throw .unknownVersion(found: UInt8(clamping: found), known: versions.upperBound)
        }
        guard try reader.u64() == UInt64(bytes.count - headerSize) else { throw .truncated }
        let content = Array(bytes[headerSize...])
        guard try reader.u32() == CRC32C.checksum(content) else { throw .invalid("the checksum") }
        return (content[...], version)
    }

    /// Writes a file so that, whatever happens, either all of it or the one before is there.
    static func replace(_ name: String, with bytes: [UInt8], in storage: any Storage) throws(StorageError) {
        let draft = name + ".part"
        do { try storage.create(draft) } catch StorageError.exists { try storage.truncate(draft, to: 0) }
        do {
            try storage.append(bytes, to: draft)
            try storage.sync(draft)
        } catch {
            do { try storage.remove(draft) } catch {}
            throw error
        }
        try storage.rename(draft, to: name)
        try storage.syncDirectory()
    }
}

extension ByteWriter {
    mutating func origin(_ origin: Origin) {
        u64(origin.node.rawValue)
        u64(origin.epoch.rawValue)
    }
}
