import Model

/// A reader's question where messages of a topic stand, so that it can read them itself, off the log's thread.
package struct SurveyRead: Sendable {
    package let topic: TopicName
    package let generation: UInt32
    /// Only what comes after it.
    package let cursor: Cursor
    /// Only what this node had sequenced by then; the answer waits until all of that is appended.
    package let through: UInt64
    /// Only messages of this time or later, and of this time or earlier.
    package let from: WallTime?
    package let until: WallTime?
    /// At most so many messages.
    package let limit: Int

    package init(
        topic: TopicName, generation: UInt32, cursor: Cursor, through: UInt64, from: WallTime? = nil,
        until: WallTime? = nil, limit: Int
    ) {
        self.topic = topic
        self.generation = generation
        self.cursor = cursor
        self.through = through
        self.from = from
        self.until = until
        self.limit = limit
    }
}

/// Where the next messages of a topic stand, in the order of (time, origin): what is expired, folded or damaged is left out.
package struct SurveyPage: Sendable {
    package var places: [MessagePlace] = []
    /// What the places name by number.
    package var partitions: [Partition] = []
    package var files: [String] = []
    /// The messages themselves, one for each place, of a topic in memory; empty for one on disk.
    package var records: [Record] = []
    /// After the last message given.
    package var cursor: Cursor
    package var isAtEnd = false
    /// How many messages the topic has in all, before and after.
    package var total = 0

    /// A page with nothing on it yet.
    package init(cursor: Cursor) {
        self.cursor = cursor
    }
}

/// Where one message stands.
package struct MessagePlace: Sendable {
    package let sequence: UInt64
    package let time: HybridTime
    package let offset: UInt64
    package let partition: Int32
    package let file: Int32
    package let position: UInt32
    package let size: UInt32
    package let payloadSize: UInt32
}

extension Log {
    /// Says where a topic's messages stand; nil where the answer must wait until more is appended.
    package mutating func survey(_ read: SurveyRead, at now: WallTime) -> SurveyPage? {
        guard appendedThrough >= read.through else { return nil }
        let key = TopicGeneration(name: read.topic, generation: read.generation)
        enforceRetention(on: key, at: now)
        var page = SurveyPage(cursor: read.cursor)
        guard let topic = topics[key] else {
            page.isAtEnd = true
            return page
        }
        page.total = topic.count
        page.partitions = topic.partitions.map(\.partition)
        var walks: [SurveyWalk] = []
        for (number, partition) in topic.partitions.enumerated() {
            let walk = SurveyWalk(partition, number: number, read)
            if walk.next < walk.end { walks.append(walk) }
        }
        var files: [UInt32: Int32] = [:]
        while page.places.count < read.limit, let index = Self.earliest(walks, topic) {
            let number = walks[index].number
            let entry = topic.partitions[number][walks[index].next]
            walks[index].next += 1
            if walks[index].next == walks[index].end { walks.remove(at: index) }
            page.cursor.advance(topic.partitions[number].partition, to: entry.offset)
            // A row as it was when the reader began: what has beaten it since is not the reader's.
            let isHidden =
                entry.flags.isSuperset(of: .beaten)
                ? topic.rows.isBeaten(entry.sequence, by: read.through) : entry.flags.contains(.shadowed)
            guard !entry.isExpired(at: now), !isHidden, !entry.flags.contains(.damaged) else { continue }
            var file: Int32 = 0
            if entry.segment == 0 {
                guard let record = topic.ring?.record(at: entry.sequence)?.record else { continue }
                page.records.append(record)
            } else if let known = files[entry.segment] {
                file = known
            } else {
                guard let segment = segments[entry.segment] else { continue }
                file = Int32(page.files.count)
                page.files.append(segment.name)
                files[entry.segment] = file
            }
            page.places.append(
                MessagePlace(
                    sequence: entry.sequence, time: entry.time, offset: entry.offset, partition: Int32(number), file: file,
                    position: entry.position, size: entry.size, payloadSize: entry.payloadSize))
        }
        page.isAtEnd = walks.isEmpty
        return page
    }

    private static func earliest(_ walks: [SurveyWalk], _ topic: TopicIndex) -> Int? {
        guard walks.count > 1 else { return walks.isEmpty ? nil : 0 }
        func stamp(_ walk: SurveyWalk) -> Stamp {
            let partition = topic.partitions[walk.number]
            return Stamp(time: partition[walk.next].time, origin: partition.partition.origin)
        }
        var best = 0
        for index in 1..<walks.count where stamp(walks[index]) < stamp(walks[best]) { best = index }
        return best
    }
}

/// One partition's part of a survey.
private struct SurveyWalk {
    let number: Int
    var next: Int
    let end: Int

    init(_ partition: PartitionIndex, number: Int, _ read: SurveyRead) {
        self.number = number
        let seen = read.cursor[partition.partition]
        next = partition.firstIndex { $0.offset > seen }
        if let from = read.from { next = max(next, partition.firstIndex { $0.time.wall >= from }) }
        var end = partition.firstIndex { $0.sequence > read.through }
        if let until = read.until { end = min(end, partition.firstIndex { $0.time.wall > until }) }
        self.end = max(next, end)
    }
}
