import Broker
import Model

/// What one event stream has shown, by topic, as the text of its `id:` lines.
///
/// The text is base64url of: version, flags (bit 0: topics are left out), the time in ms, the origins (count, then node and
/// epoch of each), the topics (count, then name, count of partitions, and for each the number of its origin, generation and
/// offset). It has at most ``textLimit`` bytes: where more would be needed, the topics that were silent for longest are left
/// out, and whoever resumes gets those from ``margin`` before the time in the text, some of it perhaps twice.
struct EventStreamPlaces {
    /// The longest text, in bytes: 4 KiB.
    static let textLimit = 4_096
    /// The most topics that are remembered.
    static let topicLimit = 512
    /// How far before its time a text that leaves topics out begins in those: 60 s.
    static let margin: Duration = .seconds(60)
    static let formatVersion: UInt8 = 1
    /// What base64url has room for, without the head of the format.
    private static let byteLimit = textLimit / 4 * 3 - 24

    private var places: [Place] = []
    private var indexes: [TopicName: Int] = [:]
    private var origins: [Origin] = []
    private var byteCount = 0
    private var turn: UInt64 = 0
    /// The newest time of a message that was shown; the begin of the stream before there was one.
    private var time: WallTime
    /// Whether some topic is not in the text.
    private(set) var isIncomplete = false

    private struct Place {
        let topic: TopicName
        var cursor: Cursor
        /// When it last changed.
        var turn: UInt64
        /// Its part of the text.
        var bytes: [UInt8] = []
    }

    /// - Parameter time: when the stream begins.
    init(at time: WallTime) {
        self.time = time
    }

    /// Takes the place at which a subscription begins.
    mutating func begin(_ topic: TopicName, at cursor: Cursor) {
        change(topic) { place in
            for (partition, offset) in cursor.sorted { place.advance(partition, to: offset) }
        }
    }

    /// A message was shown, or its absence told.
    mutating func advance(_ topic: TopicName, _ partition: Partition, to offset: UInt64, at time: WallTime? = nil) {
        if let time { self.time = max(self.time, time) }
        change(topic) { place in
            // A generation that has ended is not asked for any more.
            if place.offsets.keys.contains(where: { $0.generation < partition.generation }) {
                place = Cursor(place.offsets.filter { $0.key.generation >= partition.generation })
            }
            place.advance(partition, to: offset)
        }
    }

    /// Forgets a topic that is no longer followed.
    mutating func end(_ topic: TopicName) {
        if let index = indexes[topic] { remove(at: index) }
    }

    private mutating func change(_ topic: TopicName, _ body: (inout Cursor) -> Void) {
        turn += 1
        let index: Int
        if let known = indexes[topic] {
            index = known
        } else {
            index = places.count
            indexes[topic] = index
            places.append(Place(topic: topic, cursor: Cursor(), turn: turn))
        }
        places[index].turn = turn
        body(&places[index].cursor)
        write(index)
        while places.count > Self.topicLimit || byteCount + origins.count * 16 > Self.byteLimit { leaveOut() }
    }

    private mutating func write(_ index: Int) {
        var writer = ByteWriter()
        let sorted = places[index].cursor.sorted
        writer.string(places[index].topic.text)
        writer.varint(UInt64(sorted.count))
        for (partition, offset) in sorted {
            writer.varint(UInt64(number(of: partition.origin)))
            writer.varint(UInt64(partition.generation))
            writer.varint(offset)
        }
        byteCount += writer.bytes.count - places[index].bytes.count
        places[index].bytes = writer.bytes
    }

    private mutating func number(of origin: Origin) -> Int {
        if let known = origins.firstIndex(of: origin) { return known }
        origins.append(origin)
        return origins.count - 1
    }

    /// Leaves out the topic that was silent for longest, and the origins that only it named.
    private mutating func leaveOut() {
        guard let oldest = places.indices.min(by: { places[$0].turn < places[$1].turn }) else { return }
        isIncomplete = true
        remove(at: oldest)
        origins = []
        for index in places.indices { write(index) }
    }

    private mutating func remove(at index: Int) {
        byteCount -= places[index].bytes.count
        indexes[places[index].topic] = nil
        let last = places.removeLast()
        guard index < places.count else { return }
        places[index] = last
        indexes[last.topic] = index
    }

    /// The text.
    ///
    /// - Parameter isWhole: whether every topic of the stream has begun; else those that it does not name count as left out.
    func text(isWhole: Bool) -> String {
        var writer = ByteWriter(reservingCapacity: byteCount + origins.count * 16 + 24)
        writer.u8(Self.formatVersion)
        writer.u8(isIncomplete || !isWhole ? 1 : 0)
        writer.varint(UInt64(clamping: time.milliseconds))
        writer.varint(UInt64(origins.count))
        for origin in origins {
            writer.u64(origin.node.rawValue)
            writer.u64(origin.epoch.rawValue)
        }
        writer.varint(UInt64(places.count))
        for place in places { writer.raw(place.bytes) }
        return base64URLEncode(writer.bytes)
    }

    /// Reads a text, checking all of it.
    static func since(text: String) throws(FormatError) -> Command.Since {
        guard text.utf8.count <= textLimit, let bytes = base64URLDecode(text.utf8) else { throw .invalid("event id") }
        var reader = ByteReader(bytes)
        let version = try reader.u8()
        guard version == formatVersion else { throw .unknownVersion(found: version, known: formatVersion) }
        let flags = try reader.u8()
        guard flags <= 1, let milliseconds = Int64(exactly: try reader.varint()) else { throw .invalid("event id") }
        var origins: [Origin] = []
        for _ in 0..<(try reader.count(upTo: textLimit)) { origins.append(try reader.origin()) }
        var cursors: [TopicName: Cursor] = [:]
        for _ in 0..<(try reader.count(upTo: topicLimit)) {
            let topic = try reader.topicName()
            let cursor = try cursor(from: &reader, origins)
            guard cursors.updateValue(cursor, forKey: topic) == nil else { throw .invalid("event id") }
        }
        try reader.finish()
        if flags == 0 { return .cursors(cursors) }
        return .recent(cursors, othersAfter: WallTime(milliseconds: max(0, milliseconds - margin.milliseconds)))
    }

    private static func cursor(from reader: inout ByteReader, _ origins: [Origin]) throws(FormatError) -> Cursor {
        var cursor = Cursor()
        for _ in 0..<(try reader.count(upTo: Cursor.maximumPartitions)) {
            let number = try reader.count(upTo: textLimit)
            let generation = UInt32(try reader.count(upTo: Int(UInt32.max)))
            let offset = try reader.varint()
            guard number < origins.count, offset > 0 else { throw .invalid("event id") }
            cursor.advance(Partition(origin: origins[number], generation: generation), to: offset)
        }
        return cursor
    }
}
