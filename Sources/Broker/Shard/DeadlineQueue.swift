import Model

/// Things to be done at a time, earliest first; those of one time in the order in which they were scheduled.
struct DeadlineQueue<Element> {
    private var heap: [(time: MonotonicTime, number: UInt64, element: Element)] = []
    private var count: UInt64 = 0

    /// The earliest time, or the distant future.
    var next: MonotonicTime { heap.first?.time ?? .distantFuture }

    mutating func schedule(_ element: Element, at time: MonotonicTime) {
        count += 1
        heap.append((time, count, element))
        var index = heap.count - 1
        while index > 0, precedes(index, (index - 1) / 2) {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    /// Takes the earliest element whose time has come; nil when there is none.
    mutating func pop(dueAt now: MonotonicTime) -> Element? {
        guard let first = heap.first, first.time <= now else { return nil }
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var index = 0
        while true {
            let left = 2 * index + 1
            guard left < heap.count else { return first.element }
            let least = left + 1 < heap.count && precedes(left + 1, left) ? left + 1 : left
            guard precedes(least, index) else { return first.element }
            heap.swapAt(index, least)
            index = least
        }
    }

    private func precedes(_ left: Int, _ right: Int) -> Bool {
        (heap[left].time, heap[left].number) < (heap[right].time, heap[right].number)
    }
}
