import Model

extension Log {
    /// Whether a read waits for records that are not appended yet; one that does not, and is not answered, waits for
    /// what is being repaired.
    package func isAhead(_ read: TopicRead) -> Bool {
        switch read.mode {
        case .following(_, _, let through), .resolve(_, let through), .row(_, let through): appendedThrough < through
        case .history: false
        }
    }

    /// Reads a topic's retained messages; nil where the answer must wait until more is appended, or until what is
    /// damaged has come back or is known to be gone.
    package mutating func read(_ read: TopicRead, at now: WallTime) throws(StorageError) -> TopicPage? {
        let key = TopicGeneration(name: read.topic, generation: read.generation)
        guard !isAhead(read) else { return nil }
        enforceRetention(on: key, at: now)
        // While a page is read the index is taken out, so that what is learnt of damage is written in place.
        var topic = topics[key] ?? TopicIndex(window: settings.foldWindow)
        var page: TopicPage
        var damaged: [(partition: Int, sequence: UInt64)] = []
        var reader = RecordReader(log: self, ring: topic.ring)
        switch read.mode {
        case .following(let cursor, let after, _):
            page = try Following(topic: topic, cursor: cursor, after: after, now: now, limits: PageLimits(read))
                .page(with: &reader, damaged: &damaged)
            if !page.more { page.reached = max(appendedThrough, after) }
        case .history(let since, let until):
            let start = since.map {
                Resolution(topic: topic, now: now, generation: read.generation).place(of: $0).cursor
            }
            page = try History(topic: topic, start: start, until: until, now: now, limits: PageLimits(read))
                .page(with: &reader, damaged: &damaged)
            page.reached = appendedThrough
        case .resolve(let start, _):
            page = Resolution(topic: topic, now: now, generation: read.generation).place(of: start)
            page.forgotten = forgottenPartitions(in: start, generation: read.generation, of: topic)
            page.reached = appendedThrough
        case .row(let key, _):
            page = TopicPage(reached: appendedThrough)
            if let row = topic.row(key) {
                if let record = try reader.record(of: row.entry) {
                    page.messages.append(record)
                } else {
                    damaged.append((row.partition, row.entry.sequence))
                }
            }
        }
        if !damaged.isEmpty {
            for (partition, sequence) in damaged {
                guard let entry = topic.markDamaged(partition: partition, sequence: sequence) else { continue }
                disregard(entry)
                if entry.segment > 0 { suspect(entry.segment) }
            }
            topics[key] = topic
        }
        if repairs.isPending, isLacking(page, of: read) { return nil }
        return page
    }

    /// Whether what is being repaired may be missing on a page.
    private func isLacking(_ page: TopicPage, of read: TopicRead) -> Bool {
        if case .row = read.mode { return page.messages.isEmpty }
        return page.gaps.contains { $0.reason == .lost }
    }

    /// How much of a topic is retained.
    package mutating func statistics(of name: TopicName, generation: UInt32, at now: WallTime) -> TopicStatistics {
        let key = TopicGeneration(name: name, generation: generation)
        enforceRetention(on: key, at: now)
        guard let topic = topics[key] else { return TopicStatistics(messages: 0, bytes: 0) }
        return TopicStatistics(messages: UInt64(topic.count), bytes: topic.bytes)
    }

    private func forgottenPartitions(in start: ReadStart, generation: UInt32, of topic: TopicIndex) -> [Partition] {
        guard case .cursor(let cursor) = start else { return [] }
        return cursor.sorted.map(\.partition).filter { partition in
            guard partition.generation == generation, topic.number(known: partition) == nil,
                let epoch = forgotten[partition.origin.node]
            else { return false }
            return partition.origin.epoch <= epoch && vector.positions(of: partition.origin).isEmpty
        }
    }
}

/// How much a page may hold.
struct PageLimits {
    private let messages: Int
    private let bytes: Int
    private var usedMessages = 0
    private var usedBytes = 0

    init(_ read: TopicRead) {
        messages = max(1, read.messageLimit)
        bytes = read.byteLimit
    }

    /// Whether a message of so many bytes has room; the first always has.
    func hasRoom(for size: UInt32) -> Bool {
        usedMessages == 0 || (usedMessages < messages && usedBytes + Int(size) <= bytes)
    }

    mutating func take(_ size: UInt32) {
        usedMessages += 1
        usedBytes += Int(size)
    }
}
