import Model

/// What waits for each event loop, in local sequence. Confined to the sequencer's lock.
package struct LoopMailboxes: Sendable {
    private var boxes: [[Sequenced]]

    package init(loops: Int) {
        boxes = Array(repeating: [], count: loops)
    }

    /// Puts a batch into every box; gives the loops whose box was empty and that must be woken.
    package mutating func post(_ batch: [Sequenced]) -> [Int] {
        guard !batch.isEmpty else { return [] }
        var woken: [Int] = []
        for loop in boxes.indices {
            if boxes[loop].isEmpty { woken.append(loop) }
            boxes[loop].append(contentsOf: batch)
        }
        return woken
    }

    /// Empties a loop's box.
    package mutating func take(_ loop: Int) -> [Sequenced] {
        defer { boxes[loop] = [] }
        return boxes[loop]
    }
}
