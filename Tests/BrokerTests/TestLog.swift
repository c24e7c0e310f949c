import Broker
import Model

extension TestLedger {
    /// Answers a read as a node's log does. What the log lacks up to `through` is appended first.
    func read(_ read: TopicRead) -> TopicPage {
        switch read.mode {
        case .following(let cursor, let after, let through):
            appended = max(appended, through)
            return follow(read, cursor, after: after)
        case .resolve(let start, let through):
            appended = max(appended, through)
            return resolve(read, start)
        case .history(let since, let until):
            appended = sequence
            return history(read, since, until)
        case .row(let key, let through):
            appended = max(appended, through)
            let found = records(of: read).filter { item in
                item.record.message?.key == key && !beaten.contains(item.sequence) && !item.record.message!.isRowEnd
            }
            return TopicPage(messages: found)
        }
    }

    private func records(of read: TopicRead) -> [Sequenced] {
        records.prefix(Int(appended)).filter {
            $0.record.message?.topic == read.topic && $0.record.message?.generation == read.generation
        }
    }

    private func follow(_ read: TopicRead, _ cursor: Cursor, after: UInt64) -> TopicPage {
        var page = TopicPage(cursor: cursor, reached: max(after, appended))
        for item in records(of: read) where item.sequence > after {
            let message = item.record.message!
            let partition = item.record.partition(of: message)
            guard message.offset > page.cursor[partition] else { continue }
            if page.messages.count == read.messageLimit {
                page.more = true
                page.reached = page.messages.last!.sequence
                return page
            }
            visit(item, message, partition, &page)
        }
        return page
    }

    /// Takes a record into the page, as a message or as a gap.
    private func visit(_ item: Sequenced, _ message: Message, _ partition: Partition, _ page: inout TopicPage) {
        let seen = page.cursor[partition]
        if message.offset > seen + 1 {
            page.gaps.append(Gap(partition: partition, from: seen + 1, to: message.offset - 1, reason: .lost))
        }
        page.cursor.advance(partition, to: message.offset)
        if beaten.contains(item.sequence) { return }
        if expired.contains(item.sequence) {
            page.gaps.append(Gap(partition: partition, from: message.offset, to: message.offset, reason: .expired))
        } else {
            page.messages.append(item)
            page.count += 1
        }
    }

    private func resolve(_ read: TopicRead, _ start: ReadStart) -> TopicPage {
        if case .cursor(let cursor) = start { return advanced(cursor, records(of: read)) }
        let all = records(of: read)
        let kept = all.filter { !expired.contains($0.sequence) }
        let wanted: [Sequenced]
        switch start {
        case .cursor, .beginning: wanted = kept
        case .last(let count): wanted = kept.suffix(count)
        case .time(let time): wanted = kept.filter { $0.record.time.wall >= time }
        }
        var first: [Partition: UInt64] = [:]
        for item in wanted {
            let partition = item.record.partition(of: item.record.message!)
            first[partition] = min(first[partition] ?? .max, item.record.message!.offset)
        }
        var cursor = Cursor()
        for item in all {
            let partition = item.record.partition(of: item.record.message!)
            cursor.advance(partition, to: min(item.record.message!.offset, first[partition].map { $0 - 1 } ?? .max))
        }
        return TopicPage(cursor: cursor, count: wanted.count)
    }

    /// The cursor past what is gone before the first message that is there, in each partition.
    private func advanced(_ cursor: Cursor, _ records: [Sequenced]) -> TopicPage {
        var page = TopicPage(cursor: cursor)
        var reached: Set<Partition> = []
        for item in records {
            let message = item.record.message!
            let partition = item.record.partition(of: message)
            guard message.offset > page.cursor[partition], !reached.contains(partition) else { continue }
            if !expired.contains(item.sequence) { reached.insert(partition) }
            if message.offset > page.cursor[partition] + 1 {
                page.gaps.append(
                    Gap(
                        partition: partition, from: page.cursor[partition] + 1, to: message.offset - 1, reason: .lost))
                page.cursor.advance(partition, to: message.offset - 1)
            }
            guard expired.contains(item.sequence) else { continue }
            page.gaps.append(Gap(partition: partition, from: message.offset, to: message.offset, reason: .expired))
            page.cursor.advance(partition, to: message.offset)
        }
        return page
    }

    private func history(_ read: TopicRead, _ since: ReadStart?, _ until: WallTime?) -> TopicPage {
        let start = since.map { resolve(read, $0).cursor } ?? Cursor()
        let all = records(of: read).filter { item in
            let partition = item.record.partition(of: item.record.message!)
            return !expired.contains(item.sequence) && !beaten.contains(item.sequence) && !item.isSilent && item.record.message!.offset > start[partition]
                && until.map { item.record.time.wall <= $0 } ?? true
        }.sorted { ($0.record.time, $0.record.origin) < ($1.record.time, $1.record.origin) }
        let given = since == nil ? Array(all.suffix(read.messageLimit)) : Array(all.prefix(read.messageLimit))
        var cursor = start
        for item in given {
            cursor.advance(item.record.partition(of: item.record.message!), to: item.record.message!.offset)
        }
        return TopicPage(messages: given, cursor: cursor, more: all.count > given.count)
    }
}
