import Model

/// Says what place a reader's start means.
struct Resolution {
    let topic: TopicIndex
    let now: WallTime
    let generation: UInt32

    func place(of start: ReadStart) -> TopicPage {
        var page = TopicPage()
        switch start {
        case .beginning:
            for partition in topic.partitions {
                page.cursor.advance(partition.partition, to: place(in: partition, before: 0))
            }
        case .time(let time):
            for partition in topic.partitions {
                let index = partition.firstIndex { $0.time.wall >= time }
                page.cursor.advance(partition.partition, to: place(in: partition, before: index))
            }
        case .last(let limit):
            let next = newest(limit)
            for (number, partition) in topic.partitions.enumerated() {
                page.cursor.advance(partition.partition, to: place(in: partition, before: next[number]))
            }
        case .cursor(let cursor): page = advanced(cursor)
        }
        page.count = count(after: page.cursor)
        return page
    }

    /// The offset just before an entry; the head when there is none.
    private func place(in partition: PartitionIndex, before index: Int) -> UInt64 {
        index < partition.count ? partition[index].offset - 1 : partition.head
    }

    /// The index in each partition from which on the newest `limit` messages stand.
    private func newest(_ limit: Int) -> [Int] {
        var next = topic.partitions.map(\.count)
        var left = max(0, limit)
        while left > 0 {
            var best: Int?
            for number in next.indices where next[number] > 0 {
                guard let current = best else {
                    best = number
                    continue
                }
                if stamp(number, next[number] - 1) > stamp(current, next[current] - 1) { best = number }
            }
            guard let number = best else { break }
            next[number] -= 1
            let entry = topic.partitions[number][next[number]]
            if !entry.isExpired(at: now), entry.flags.isDisjoint(with: [.shadowed, .damaged]) { left -= 1 }
        }
        return next
    }

    private func stamp(_ number: Int, _ index: Int) -> Stamp {
        Stamp(time: topic.partitions[number][index].time, origin: topic.partitions[number].partition.origin)
    }

    /// The cursor past what is gone before the first retained message of each partition. Partitions of other
    /// generations are left out.
    private func advanced(_ cursor: Cursor) -> TopicPage {
        var page = TopicPage()
        for (partition, offset) in cursor.sorted where partition.generation == generation {
            page.cursor.advance(partition, to: offset)
        }
        for (number, partition) in topic.partitions.enumerated() {
            let seen = cursor[partition.partition]
            let next = partition.firstIndex { $0.offset > seen }
            let place = place(in: partition, before: next)
            guard place > seen else { continue }
            page.gaps += topic.gaps(
                of: number, from: seen + 1, to: place, otherwise: topic.ring == nil ? .expired : .overrun)
            page.cursor.advance(partition.partition, to: place)
        }
        return page
    }

    private func count(after cursor: Cursor) -> Int {
        var count = 0
        for partition in topic.partitions {
            let first = partition.firstIndex { $0.offset > cursor[partition.partition] }
            for index in first..<partition.count {
                let entry = partition[index]
                if !entry.isExpired(at: now), entry.flags.isDisjoint(with: [.isRepeat, .damaged]) { count += 1 }
            }
        }
        return count
    }
}
