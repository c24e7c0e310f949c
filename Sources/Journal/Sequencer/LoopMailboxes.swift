import Model

/// What waits for each event loop, in local sequence. Confined to the sequencer's lock.
package struct LoopMailboxes: Sendable {
    /// About how many bytes may wait for one loop before ``isFull``: 64 MiB.
    package static let limit = 64 << 20
    /// What one record takes beside its payload, about.
    static let overhead = 512

    private var boxes: [Box]

    private struct Box {
        var records: [Sequenced] = []
        /// How many of them have been taken.
        var start = 0
        var bytes = 0
    }

    package init(loops: Int) {
        boxes = Array(repeating: Box(), count: loops)
    }

    /// Whether more waits for one of the loops than may; publishes are to be refused until it has caught up.
    package var isFull: Bool { boxes.contains { $0.bytes > Self.limit } }

    /// Puts a batch into every box; gives the loops whose box was empty and that must be woken.
    package mutating func post(_ batch: [Sequenced]) -> [Int] {
        guard !batch.isEmpty else { return [] }
        let cost = Self.cost(of: batch)
        var woken: [Int] = []
        for loop in boxes.indices {
            if boxes[loop].records.isEmpty { woken.append(loop) }
            boxes[loop].records.append(contentsOf: batch)
            boxes[loop].bytes += cost
        }
        return woken
    }

    /// Empties a loop's box.
    package mutating func take(_ loop: Int) -> [Sequenced] {
        defer { boxes[loop] = Box() }
        guard boxes[loop].start > 0 else { return boxes[loop].records }
        return Array(boxes[loop].records.dropFirst(boxes[loop].start))
    }

    /// Takes the first `count` records of a loop's box, or all where there are fewer.
    ///
    /// - Returns: them, and whether more are left. A loop for which some are left is not woken for what comes behind.
    package mutating func take(_ loop: Int, atMost count: Int) -> (batch: [Sequenced], hasMore: Bool) {
        let (start, total) = (boxes[loop].start, boxes[loop].records.count)
        guard total - start > count else { return (take(loop), false) }
        let batch = Array(boxes[loop].records[start..<start + count])
        boxes[loop].start = start + count
        boxes[loop].bytes -= Self.cost(of: batch)
        if boxes[loop].start * 2 > total {
            boxes[loop].records.removeFirst(boxes[loop].start)
            boxes[loop].start = 0
        }
        return (batch, true)
    }

    private static func cost(of batch: [Sequenced]) -> Int {
        batch.reduce(0) { $0 + overhead + $1.record.payloadCount }
    }
}
