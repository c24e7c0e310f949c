import Model

/// The retained messages of one generation of a topic, by partition.
struct TopicIndex: Sendable {
    private(set) var partitions: [PartitionIndex] = []
    private var numbers: [Partition: Int] = [:]
    private(set) var folds = FoldIndex()
    /// The rows of a table.
    private(set) var rows = RowIndex()
    /// How near copies of one message are in time.
    let window: Duration
    /// How many entries are retained.
    private(set) var count = 0
    /// Their payloads' bytes.
    private(set) var bytes: UInt64 = 0
    /// How many of them have a time to live that no pass has found over.
    private(set) var expiring = 0
    /// The messages themselves, for a topic in memory.
    var ring: RecordRun?

    init(window: Duration, ring: RecordRun? = nil) {
        self.window = window
        self.ring = ring
    }

    /// Adds a message to the ring, and drops the oldest that are too many: false where it is there already, and by how
    /// much the ring has grown.
    mutating func keep(
        _ sequenced: Sequenced, _ message: Message, messages: Int, bytes: Int
    ) -> (isTaken: Bool, change: Int) {
        if ring == nil { ring = RecordRun() }
        guard
            append(
                message, of: sequenced.record, sequence: sequenced.sequence, segment: 0, position: 0,
                size: message.payload.count, holeAfter: nil)
        else { return (false, 0) }
        ring!.append(sequenced)
        var change = RecordRun.cost(of: sequenced.record)
        while count > messages || ring!.bytes > bytes, count > 1 { change -= dropFromRing() }
        return (true, change)
    }

    /// Drops the oldest message of the ring; gives what it cost.
    mutating func dropFromRing() -> Int {
        if let number = firstArrived() { forget(partitions[number].removeFirst()) }
        return ring?.removeFirst().cost ?? 0
    }

    /// Adds a message that has been appended; false where it is there already.
    mutating func append(
        _ message: Message, of record: Record, sequence: UInt64, segment: UInt32, position: Int, size: Int,
        holeAfter: UInt64?
    ) -> Bool {
        let number = number(of: record.partition(of: message))
        let entry = Entry(
            message, of: record, sequence: sequence, segment: segment, position: position, size: size)
        guard partitions[number].append(entry, holeAfter: holeAfter) else { return false }
        count(entry, message, of: record, in: number)
        return true
    }

    /// Puts messages of one partition back that a damaged part of the log had lost, in the order of their offsets; gives
    /// the sizes of those that were taken.
    mutating func restore(_ found: [(entry: Entry, message: Message, record: Record)]) -> [Int] {
        guard let first = found.first else { return [] }
        let number = number(of: first.record.partition(of: first.message))
        let taken = Dictionary(
            uniqueKeysWithValues: partitions[number].restore(found.map(\.entry)).map { ($0.offset, Int($0.size)) })
        for (entry, message, record) in found where taken[entry.offset] != nil {
            count(entry, message, of: record, in: number)
        }
        return found.compactMap { taken[$0.entry.offset] }
    }

    private mutating func count(_ entry: Entry, _ message: Message, of record: Record, in number: Int) {
        count += 1
        bytes += UInt64(entry.payloadSize)
        if message.expiry != nil { expiring += 1 }
        if let key = message.key, let head = RowHead(record) {
            // Rows are held against each other by their revisions, whatever ids they bear.
            let beaten = rows.merge(head, key: key, at: RowIndex.Place(partition: number, sequence: entry.sequence))
            if let beaten, let index = partitions[beaten.partition].index(of: beaten.sequence) {
                partitions[beaten.partition][index].flags.formUnion(.beaten)
            }
            return
        }
        guard let messageID = message.messageID else { return }
        let copy = FoldIndex.Copy(
            partition: number, sequence: entry.sequence, offset: message.offset, time: record.time,
            origin: record.origin)
        let verdicts = folds.add(publisher: message.publisher, messageID: messageID, copy, window: window) {
            [partitions] in partitions[$0.partition].index(of: $0.sequence) != nil
        }
        apply(verdicts)
    }

    mutating func restore(_ partition: PartitionIndex) {
        numbers[partition.partition] = partitions.count
        partitions.append(partition)
    }

    mutating func learn(head: UInt64, of partition: Partition, time: HybridTime) {
        partitions[number(of: partition)].learn(head: head, time: time)
    }

    mutating func loseTails() {
        for number in partitions.indices { partitions[number].loseTail() }
    }

    func number(known partition: Partition) -> Int? { numbers[partition] }

    private mutating func number(of partition: Partition) -> Int {
        if let number = numbers[partition] { return number }
        numbers[partition] = partitions.count
        partitions.append(PartitionIndex(partition: partition))
        return partitions.count - 1
    }

    private mutating func apply(_ verdicts: [FoldIndex.Verdict]) {
        for verdict in verdicts {
            let copy = verdict.copy
            guard let index = partitions[copy.partition].index(of: copy.sequence) else { continue }
            partitions[copy.partition][index].flags.subtract([.folded, .shadowed, .isRepeat])
            partitions[copy.partition][index].flags.formUnion(verdict.flags)
        }
    }

    /// The other copies of a message that is one of several.
    func otherCopies(of entry: Entry) -> [FoldIndex.Copy] {
        folds.copies(of: entry.sequence, window: window).filter { $0.sequence != entry.sequence }
    }

    /// Takes note that a message's bytes were found damaged; gives its entry where that is new.
    mutating func markDamaged(partition: Int, sequence: UInt64) -> Entry? {
        guard let index = partitions[partition].index(of: sequence) else { return nil }
        let entry = partitions[partition][index]
        guard !entry.flags.contains(.damaged) else { return nil }
        partitions[partition][index].flags.insert(.damaged)
        if entry.flags.contains(.folded) { apply(folds.lose(sequence, window: window)) }
        return entry
    }

    /// Takes note of which parts of a segment's file are damaged, as a look at the whole of it has shown; gives the
    /// entries that are newly damaged, and those that were held to be and are whole.
    mutating func markDamaged(
        inSegment segment: UInt32, _ ranges: [Range<Int>]
    ) -> (damaged: [Entry], whole: [Entry]) {
        var (damaged, whole): ([Entry], [Entry]) = ([], [])
        for number in partitions.indices {
            for index in 0..<partitions[number].count {
                let entry = partitions[number][index]
                guard entry.segment == segment else { continue }
                let place = Int(entry.position)..<Int(entry.position) + Int(entry.size)
                let isDamaged = ranges.contains { $0.overlaps(place) }
                guard isDamaged != entry.flags.contains(.damaged) else { continue }
                if isDamaged {
                    partitions[number][index].flags.insert(.damaged)
                    if entry.flags.contains(.folded) { apply(folds.lose(entry.sequence, window: window)) }
                    damaged.append(entry)
                } else {
                    partitions[number][index].flags.remove(.damaged)
                    if entry.flags.contains(.folded) { refold(number, index) }
                    whole.append(entry)
                }
            }
        }
        return (damaged, whole)
    }

    /// Moves an entry to where a rewritten segment has it, whole. False where there is no such entry.
    @discardableResult
    mutating func move(_ partition: Partition, sequence: UInt64, to position: Int, size: Int) -> Bool {
        guard let number = numbers[partition], let index = partitions[number].index(of: sequence) else { return false }
        let flags = partitions[number][index].flags
        partitions[number][index].position = UInt32(position)
        partitions[number][index].size = UInt32(size)
        partitions[number][index].flags.remove(.damaged)
        if flags.isSuperset(of: [.damaged, .folded]) { refold(number, index) }
        return true
    }

    /// Counts a copy of a message again that is whole after all; where all the others have gone it stands alone.
    private mutating func refold(_ number: Int, _ index: Int) {
        let verdicts = folds.regain(partitions[number][index].sequence, window: window)
        if verdicts.isEmpty { partitions[number][index].flags.subtract([.folded, .shadowed, .isRepeat]) }
        apply(verdicts)
    }

    /// The entry of an offset, where it is retained or damaged.
    func entry(of partition: Partition, offset: UInt64) -> Entry? {
        guard let number = numbers[partition] else { return nil }
        let index = partitions[number].firstIndex { $0.offset >= offset }
        guard index < partitions[number].count, partitions[number][index].offset == offset else { return nil }
        return partitions[number][index]
    }

    /// The entry of a record, where it is retained.
    func entry(of partition: Partition, sequence: UInt64) -> Entry? {
        guard let number = numbers[partition], let index = partitions[number].index(of: sequence) else { return nil }
        return partitions[number][index]
    }

    /// Drops the oldest of all in the order of (time, origin), while `isExcessive` says so.
    mutating func dropOldest(into dropped: inout [Entry], while isExcessive: (TopicIndex, Entry) -> Bool) {
        while let number = oldestPartition(), isExcessive(self, partitions[number][0]) {
            dropFirst(of: number, into: &dropped)
        }
    }

    /// The partition that holds the message of the least local sequence.
    private func firstArrived() -> Int? {
        var first: Int?
        for number in partitions.indices where !partitions[number].isEmpty {
            if let known = first, partitions[known][0].sequence <= partitions[number][0].sequence { continue }
            first = number
        }
        return first
    }

    private mutating func dropFirst(of number: Int, into dropped: inout [Entry]) {
        let entry = partitions[number].removeFirst()
        forget(entry)
        dropped.append(entry)
    }

    private mutating func forget(_ entry: Entry) {
        count -= 1
        bytes -= UInt64(entry.payloadSize)
        if entry.expiry != .max, !entry.flags.contains(.outlived) { expiring -= 1 }
        if entry.flags.contains(.folded) { apply(folds.lose(entry.sequence, window: window)) }
    }

    private func oldestPartition() -> Int? {
        var oldest: Int?
        for (number, partition) in partitions.enumerated() where !partition.isEmpty {
            guard let current = oldest else {
                oldest = number
                continue
            }
            let (left, right) = (partition[0].time, partitions[current][0].time)
            if left < right || (left == right && partition.partition.origin < partitions[current].partition.origin) {
                oldest = number
            }
        }
        return oldest
    }

    /// Marks the entries whose time to live is over and gives them, once each.
    mutating func outlive(at now: WallTime) -> [Entry] {
        guard expiring > 0 else { return [] }
        var outlived: [Entry] = []
        for number in partitions.indices {
            for index in 0..<partitions[number].count {
                let entry = partitions[number][index]
                guard entry.isExpired(at: now), !entry.flags.contains(.outlived) else { continue }
                partitions[number][index].flags.insert(.outlived)
                outlived.append(entry)
            }
        }
        expiring -= outlived.count
        return outlived
    }

    /// Removes the entries of a segment that `isDead` accepts.
    mutating func remove(inSegment segment: UInt32, where isDead: (Entry) -> Bool) {
        for number in partitions.indices {
            let removed = partitions[number].removeAll { $0.segment == segment && isDead($0) }
            for entry in removed { forget(entry) }
        }
    }

    /// Drops versions of rows that were beaten by one which is durable, and gives them.
    mutating func dropBeaten(durable through: UInt64) -> [Entry] {
        var sequences: [Int: Set<UInt64>] = [:]
        for place in rows.takeBeaten(durable: through, of: count) {
            sequences[place.partition, default: []].insert(place.sequence)
        }
        var dropped: [Entry] = []
        for (number, dead) in sequences { dropped += partitions[number].removeAll { dead.contains($0.sequence) } }
        for entry in dropped { forget(entry) }
        return dropped
    }

    /// The newest version of a row; nil where there is no such row.
    func row(_ key: String) -> (partition: Int, entry: Entry)? {
        guard let place = rows.place(of: key), let index = partitions[place.partition].index(of: place.sequence) else {
            return nil
        }
        return (place.partition, partitions[place.partition][index])
    }

    /// What is missing between two offsets of a partition, in pieces by reason. Of a table only damage leaves gaps: what is
    /// not retained there was beaten by what is.
    func gaps(of number: Int, from: UInt64, to: UInt64, otherwise reason: Gap.Reason) -> [Gap] {
        let gaps = partitions[number].gaps(from: from, to: to, otherwise: reason)
        return rows.isEmpty ? gaps : gaps.filter { $0.reason == .lost }
    }

    /// Forgets message ids of which nothing is retained, once they are the greater part.
    mutating func pruneFolds() {
        guard folds.count > 2 * count + 1_024 else { return }
        folds.prune { [partitions] copy in partitions[copy.partition].index(of: copy.sequence) != nil }
    }

    /// Forgets partitions of which nothing is retained and that `isForgotten` accepts.
    mutating func forgetPartitions(where isForgotten: (PartitionIndex) -> Bool) {
        let before = numbers
        let kept = partitions.filter { !($0.isEmpty && isForgotten($0)) }
        guard kept.count < partitions.count else { return }
        partitions = []
        numbers = [:]
        for partition in kept { restore(partition) }
        // The copies in the fold index name partitions by number.
        var renumbering: [Int: Int] = [:]
        for (partition, number) in numbers { renumbering[before[partition]!] = number }
        folds.renumber(renumbering)
        rows.renumber(renumbering)
    }
}
