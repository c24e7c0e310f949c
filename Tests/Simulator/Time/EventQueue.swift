import Model

/// What is to happen, in the order of time, and of insertion where times are equal.
struct EventQueue {
    /// One thing that will happen.
    struct Event {
        let at: MonotonicTime
        let number: UInt64
        let action: () -> Void
    }

    private var heap: [Event] = []
    private var lastNumber: UInt64 = 0

    /// When the next event is due; nil when nothing is left.
    var nextTime: MonotonicTime? { heap.first?.at }

    mutating func insert(at time: MonotonicTime, _ action: @escaping () -> Void) {
        lastNumber += 1
        heap.append(Event(at: time, number: lastNumber, action: action))
        var child = heap.count - 1
        while child > 0, Self.precedes(heap[child], heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    mutating func removeFirst() -> Event {
        heap.swapAt(0, heap.count - 1)
        let event = heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && Self.precedes(heap[child], heap[least]) {
                least = child
            }
            guard least != parent else { return event }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    private static func precedes(_ left: Event, _ right: Event) -> Bool {
        (left.at, left.number) < (right.at, right.number)
    }
}
