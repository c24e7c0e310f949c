import Model

/// Reads messages in the order of (time, origin), the same on every node.
struct History {
    private let topic: TopicIndex
    private let start: Cursor?
    private let now: WallTime
    private var limits: PageLimits
    /// The next index in each partition when reading forward; one past the next when reading backward.
    private var next: [Int]
    private let end: [Int]
    private var begin: [Int] = []
    private var page = TopicPage()

    /// - Parameter start: read forward from there; nil for the newest messages.
    init(topic: TopicIndex, start: Cursor?, until: WallTime?, now: WallTime, limits: PageLimits) {
        self.topic = topic
        self.start = start
        self.now = now
        self.limits = limits
        end = topic.partitions.map { partition in
            until.map { until in partition.firstIndex { $0.time.wall > until } } ?? partition.count
        }
        next = end
        if let start {
            next = topic.partitions.enumerated().map { [end] number, partition in
                min(partition.firstIndex { $0.offset > start[partition.partition] }, end[number])
            }
        }
        begin = next
    }

    consuming func page(
        with reader: inout RecordReader, damaged: inout [(partition: Int, sequence: UInt64)]
    ) throws(StorageError) -> TopicPage {
        page.cursor = start ?? Cursor()
        // Reading backward, what stands in front of the oldest message found decides whether there is more.
        while let number = start == nil ? newest() : oldest() {
            let entry = topic.partitions[number][start == nil ? next[number] - 1 : next[number]]
            if isShown(entry) {
                guard limits.hasRoom(for: entry.payloadSize) else {
                    page.more = true
                    break
                }
                if let record = try reader.record(of: entry) {
                    page.messages.append(record)
                    limits.take(entry.payloadSize)
                } else {
                    damaged.append((number, entry.sequence))
                    lose(entry, in: number)
                }
            } else if entry.flags.contains(.damaged) {
                lose(entry, in: number)
            }
            next[number] += start == nil ? -1 : 1
        }
        tellLost()
        if start == nil {
            page.messages.reverse()
            next = end
        }
        for (number, partition) in topic.partitions.enumerated() {
            // What comes after the last retained message of a partition is gone: the reader is past it.
            let isAtEnd = next[number] == partition.count
            page.cursor.advance(partition.partition, to: isAtEnd ? partition.head : partition[next[number]].offset - 1)
        }
        return page
    }

    private mutating func lose(_ entry: Entry, in number: Int) {
        page.gaps.append(
            Gap(partition: topic.partitions[number].partition, from: entry.offset, to: entry.offset, reason: .lost))
    }

    /// Tells what damaged parts of the log have taken from between the messages read.
    private mutating func tellLost() {
        for (number, partition) in topic.partitions.enumerated() where !partition.lost.isEmpty {
            let (low, high) = start == nil ? (next[number], end[number]) : (begin[number], next[number])
            let first = low > 0 ? partition[low - 1].offset + 1 : 1
            let last = high < partition.count ? partition[high].offset - 1 : partition.head
            for range in partition.lost where range.lowerBound <= last && range.upperBound >= first {
                page.gaps.append(
                    Gap(
                        partition: partition.partition, from: max(first, range.lowerBound),
                        to: min(last, range.upperBound), reason: .lost))
            }
        }
    }

    private func isShown(_ entry: Entry) -> Bool {
        !entry.isExpired(at: now) && entry.flags.isDisjoint(with: [.shadowed, .damaged])
    }

    private func oldest() -> Int? {
        var best: Int?
        for number in next.indices where next[number] < end[number] {
            guard let current = best else {
                best = number
                continue
            }
            if stamp(number, next[number]) < stamp(current, next[current]) { best = number }
        }
        return best
    }

    private func newest() -> Int? {
        var best: Int?
        for number in next.indices where next[number] > 0 {
            guard let current = best else {
                best = number
                continue
            }
            if stamp(number, next[number] - 1) > stamp(current, next[current] - 1) { best = number }
        }
        return best
    }

    private func stamp(_ number: Int, _ index: Int) -> Stamp {
        Stamp(time: topic.partitions[number][index].time, origin: topic.partitions[number].partition.origin)
    }
}
