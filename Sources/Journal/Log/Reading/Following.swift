import Model

/// Reads what a subscriber has not seen, in local sequence.
struct Following {
    private let topic: TopicIndex
    private let now: WallTime
    private let reason: Gap.Reason
    private var limits: PageLimits
    private var walks: [Walk] = []
    private var page = TopicPage()

    /// One partition's part of the way.
    private struct Walk {
        let partition: Int
        var next: Int
        /// The last offset that the reader has seen or been told of.
        var seen: UInt64
    }

    init(topic: TopicIndex, cursor: Cursor, after: UInt64, now: WallTime, limits: PageLimits) {
        self.topic = topic
        self.now = now
        self.limits = limits
        reason = topic.ring == nil ? .expired : .overrun
        page.cursor = cursor
        page.reached = after
        for (number, partition) in topic.partitions.enumerated() {
            let walk = Self.walk(over: partition, number: number, seen: cursor[partition.partition], after: after)
            if walk.next < partition.count || walk.seen < partition.head { walks.append(walk) }
        }
    }

    /// Where the reading of a partition begins. What stands at `after` or before was delivered, even if the cursor
    /// lacks it.
    private static func walk(over partition: PartitionIndex, number: Int, seen: UInt64, after: UInt64) -> Walk {
        let next = partition.firstIndex { $0.offset > seen && $0.sequence > after }
        var seen = seen
        if after > 0 {
            if next > 0, partition[next - 1].sequence <= after {
                seen = max(seen, partition[next - 1].offset)
            } else if next == 0, partition.droppedSequence > 0, partition.droppedSequence <= after {
                seen = max(seen, partition.droppedThrough)
            }
            if next == partition.count, partition.lastSequence > 0, partition.lastSequence <= after {
                seen = max(seen, partition.head)
            }
        }
        return Walk(partition: number, next: next, seen: seen)
    }

    consuming func page(
        with reader: inout RecordReader, damaged: inout [(partition: Int, sequence: UInt64)]
    ) throws(StorageError) -> TopicPage {
        while let index = nextWalk() {
            let number = walks[index].partition
            let entry = topic.partitions[number][walks[index].next]
            if isShown(entry) {
                guard limits.hasRoom(for: entry.payloadSize) else {
                    page.more = true
                    break
                }
                let record = try reader.record(of: entry)
                tellGap(of: index, before: entry.offset)
                if let record {
                    page.messages.append(record)
                    limits.take(entry.payloadSize)
                } else {
                    lose(entry, in: number)
                    damaged.append((number, entry.sequence))
                }
            } else {
                tellGap(of: index, before: entry.offset)
                if entry.flags.contains(.damaged) { lose(entry, in: number) }
            }
            walks[index].next += 1
            walks[index].seen = entry.offset
            page.cursor.advance(topic.partitions[number].partition, to: entry.offset)
            page.reached = entry.sequence
        }
        // What is missing before each partition's next message is told now: the next page begins after it.
        for (index, walk) in walks.enumerated() {
            let partition = topic.partitions[walk.partition]
            tellGap(of: index, before: walk.next < partition.count ? partition[walk.next].offset : partition.head + 1)
        }
        return page
    }

    /// The partition whose next message comes first in local sequence.
    private func nextWalk() -> Int? {
        var best: Int?
        var least = UInt64.max
        for (index, walk) in walks.enumerated() {
            let partition = topic.partitions[walk.partition]
            guard walk.next < partition.count else { continue }
            let sequence = partition[walk.next].sequence
            if sequence < least { (best, least) = (index, sequence) }
        }
        return best
    }

    private mutating func tellGap(of index: Int, before offset: UInt64) {
        let from = walks[index].seen + 1
        guard from < offset else { return }
        let partition = topic.partitions[walks[index].partition]
        page.gaps += topic.gaps(of: walks[index].partition, from: from, to: offset - 1, otherwise: reason)
        page.cursor.advance(partition.partition, to: offset - 1)
        walks[index].seen = offset - 1
    }

    private mutating func lose(_ entry: Entry, in number: Int) {
        page.gaps.append(
            Gap(
                partition: topic.partitions[number].partition, from: entry.offset, to: entry.offset, reason: .lost))
    }

    /// Whether the subscriber gets the message: it has not expired, is the first of its copies here, and the reader has
    /// seen no other of them.
    private func isShown(_ entry: Entry) -> Bool {
        guard !entry.isExpired(at: now), entry.flags.isDisjoint(with: [.isRepeat, .damaged]) else { return false }
        guard entry.flags.contains(.folded) else { return true }
        return !topic.otherCopies(of: entry).contains { copy in
            copy.offset <= page.cursor[topic.partitions[copy.partition].partition]
        }
    }
}
