import Model

/// The ids of young messages, bounded in age and number.
///
/// A message's age counts from when it came here by this node's own clock, so that one with a time in the future, from a
/// node whose clock is wrong, makes no other be forgotten.
struct RecentMessages {
    /// One message that a repeat would be known by.
    private struct Known {
        var receipt: Receipt
        let arrival: HybridTime
        /// The local sequence of this node's own twin of another origin's message.
        var twin: UInt64?
    }

    private let settings: SequencerSettings
    private var messages: [DeduplicationKey: Known] = [:]
    /// The keys in the order of their arrivals; one whose message has another arrival by now is passed over.
    private var order: ArraySlice<(key: DeduplicationKey, arrival: HybridTime)> = []
    /// When the last one came that had to be forgotten before its time; nil for none.
    private var crowdedOut: HybridTime?

    init(settings: SequencerSettings) {
        precondition(settings.capacity > 0, "the index of message ids needs room")
        self.settings = settings
    }

    /// How many ids are remembered.
    var count: Int { messages.count }

    /// How long ids are remembered at present: less than the window where more come than there is room for.
    func window(at now: HybridTime) -> Duration {
        guard let crowdedOut, crowdedOut < now else { return settings.window }
        return min(settings.window, .milliseconds(now.wall.milliseconds - crowdedOut.wall.milliseconds))
    }

    /// The message that has this key and whose time lies within the window of `time`.
    func find(_ key: DeduplicationKey, near time: HybridTime) -> Receipt? {
        guard let known = messages[key], known.receipt.time.isWithin(settings.window, of: time) else { return nil }
        return known.receipt
    }

    /// The message that has this key and came within the window, though its time lies further in the future.
    func findAhead(_ key: DeduplicationKey, of now: HybridTime) -> Receipt? {
        guard let known = messages[key], known.receipt.time > now, known.arrival.isWithin(settings.window, of: now)
        else { return nil }
        return known.receipt
    }

    /// This node's own record of a message that another origin wrote first.
    func twin(of key: DeduplicationKey) -> UInt64? { messages[key]?.twin }

    mutating func noteTwin(of key: DeduplicationKey, sequence: UInt64) { messages[key]?.twin = sequence }

    /// Remembers a message, unless it is older than the window already.
    ///
    /// - Parameter arrival: this node's time when it came; it never goes back from one call to the next.
    mutating func insert(_ key: DeduplicationKey, _ receipt: Receipt, arrival: HybridTime) {
        if receipt.time < arrival, !receipt.time.isWithin(settings.window, of: arrival) { return }
        messages[key] = Known(receipt: receipt, arrival: arrival)
        order.append((key, arrival))
        while let oldest = order.first, !oldest.arrival.isWithin(settings.window, of: arrival) { forget(oldest) }
        while messages.count > settings.capacity, let oldest = order.first {
            forget(oldest)
            crowdedOut = oldest.arrival
        }
    }

    private mutating func forget(_ oldest: (key: DeduplicationKey, arrival: HybridTime)) {
        if messages[oldest.key]?.arrival == oldest.arrival { messages[oldest.key] = nil }
        order.removeFirst()
        // A slice keeps what was removed: it is copied now and then to let go of it.
        if order.startIndex > 4_096, order.startIndex > order.count { order = ArraySlice(Array(order)) }
    }
}
