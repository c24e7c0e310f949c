import Model

/// The ids of young messages, bounded in age and number.
struct RecentMessages {
    private let window: UInt64
    private let capacity: Int
    private var receipts: [DeduplicationKey: Receipt] = [:]
    /// The local sequence of this node's own twin of another origin's message, by its key.
    private var twins: [DeduplicationKey: UInt64] = [:]
    private var order: [DeduplicationKey] = []
    private var first = 0

    init(settings: SequencerSettings) {
        precondition(settings.capacity > 0, "the index of message ids needs room")
        window = UInt64(clamping: settings.window.milliseconds)
        capacity = settings.capacity
    }

    /// How many ids are remembered.
    var count: Int { receipts.count }

    /// The message that has this key and whose time lies within the window of `time`.
    func find(_ key: DeduplicationKey, near time: HybridTime) -> Receipt? {
        guard let known = receipts[key] else { return nil }
        let distance = known.time > time ? known.time.rawValue - time.rawValue : time.rawValue - known.time.rawValue
        return distance >> 16 <= window ? known : nil
    }

    /// This node's own record of a message that another origin wrote first.
    func twin(of key: DeduplicationKey) -> UInt64? { twins[key] }

    mutating func noteTwin(of key: DeduplicationKey, sequence: UInt64) { twins[key] = sequence }

    mutating func insert(_ key: DeduplicationKey, _ receipt: Receipt) {
        if receipts.updateValue(receipt, forKey: key) == nil { order.append(key) }
        twins[key] = nil
        while receipts.count > capacity { forgetOldest() }
        while first < order.count, let oldest = receipts[order[first]], isPast(oldest, at: receipt.time) {
            forgetOldest()
        }
        if first > 4_096, first > order.count / 2 {
            order.removeFirst(first)
            first = 0
        }
    }

    private func isPast(_ receipt: Receipt, at time: HybridTime) -> Bool {
        time > receipt.time && (time.rawValue - receipt.time.rawValue) >> 16 > window
    }

    private mutating func forgetOldest() {
        receipts[order[first]] = nil
        twins[order[first]] = nil
        first += 1
    }
}
