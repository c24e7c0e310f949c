import Histogram

/// What was published and what of it came: losses, repeats and wrong order by subscriber and stream, and latency.
struct DeliveryLedger {
    /// What is wrong with the deliveries so far; all 0 when the broker kept its word.
    struct Faults: Equatable, Sendable {
        /// Messages that never came.
        var lost = 0
        /// Messages that came again.
        var repeated = 0
        /// Messages that came after a later one of the same stream.
        var outOfOrder = 0
        /// Messages of a topic to which their receiver had not subscribed, or that were never published.
        var strayed = 0

        /// Whether nothing is wrong.
        var isEmpty: Bool { self == Faults() }
    }

    private let plan: LoadPlan
    /// By subscriber and stream: the number that must come next.
    private var expected: [UInt32]
    /// By subscriber and stream, where some were passed over: the numbers that may still come.
    private var missing: [Int: Set<UInt32>] = [:]
    private var faults = Faults()

    /// By stream: how many were published.
    private var published: [UInt32]
    /// By stream and the last bits of a number: how many subscribers have yet to get it, and when it was due.
    private var open: [(remaining: Int32, since: UInt64)]
    private let ringBits: Int

    /// How many messages some subscriber has yet to get.
    private(set) var inFlight = 0
    /// How many deliveries came.
    private(set) var deliveries = 0
    /// Nanoseconds from when a message was due to when a subscriber had it.
    private(set) var latency = Histogram<UInt64>(numberOfSignificantValueDigits: .three)

    /// - Parameter window: the most messages in flight at any time; more can be remembered where streams are few.
    init(_ plan: LoadPlan, window: Int) {
        self.plan = plan
        expected = Array(repeating: 0, count: plan.subscribers * plan.streamsPerTopic)
        published = Array(repeating: 0, count: plan.streams.count)
        let wanted = max(window, 64, min(1 << 16, (1 << 20) / plan.streams.count))
        ringBits = Int.bitWidth - (wanted - 1).leadingZeroBitCount
        open = Array(repeating: (0, 0), count: plan.streams.count << ringBits)
    }

    /// The number of a stream's next message; nil while the one whose place it would take is still on its way.
    func next(_ stream: Int) -> UInt32? {
        let number = published[stream]
        return open[slot(stream, number)].remaining == 0 ? number : nil
    }

    /// Notes that a stream's next message goes out.
    /// - Parameter since: from when its latency counts, in nanoseconds.
    mutating func publishes(_ stream: Int, since: UInt64) {
        let receivers = plan.subscribers(of: plan.streams[stream].topic)
        open[slot(stream, published[stream])] = (Int32(receivers), since)
        published[stream] += 1
        if receivers > 0 { inFlight += 1 }
    }

    /// Notes that a message came.
    @inline(__always)
    mutating func delivered(_ found: Stamp.Found, to subscriber: Int, at now: UInt64) {
        guard found.stream < published.count, found.number < published[found.stream],
            plan.streams[found.stream].topic == plan.topic(of: subscriber)
        else {
            faults.strayed += 1
            return
        }
        let row = row(subscriber, found.stream)
        if expected[row] == found.number {
            expected[row] = found.number + 1
        } else if !isLate(found.number, row) {
            return
        }
        deliveries += 1
        let slot = slot(found.stream, found.number)
        latency.record(now &- min(now, open[slot].since))
        open[slot].remaining -= 1
        if open[slot].remaining == 0 { inFlight -= 1 }
    }

    /// Sorts out a message that is not the next; whether it is the first time that it came.
    private mutating func isLate(_ number: UInt32, _ row: Int) -> Bool {
        if number > expected[row] {
            missing[row, default: []].formUnion(expected[row]..<number)
            expected[row] = number + 1
            return true
        }
        guard missing[row]?.remove(number) != nil else {
            faults.repeated += 1
            return false
        }
        faults.outOfOrder += 1
        return true
    }

    /// What is wrong when nothing more is waited for.
    func verdict() -> Faults {
        var faults = faults
        faults.lost = missing.values.reduce(0) { $0 + $1.count }
        for subscriber in 0..<plan.subscribers {
            let first = plan.topic(of: subscriber) * plan.streamsPerTopic
            for stream in first..<(first + plan.streamsPerTopic) {
                faults.lost += Int(published[stream] - expected[row(subscriber, stream)])
            }
        }
        return faults
    }

    /// How many messages were published in all.
    var publishedCount: Int { published.reduce(0) { $0 + Int($1) } }

    /// Begins to count deliveries and latency anew; places and faults stay.
    mutating func restart() {
        deliveries = 0
        latency.reset()
    }

    private func row(_ subscriber: Int, _ stream: Int) -> Int {
        plan.streamsPerTopic == 1 ? subscriber : subscriber * plan.streamsPerTopic + stream % plan.streamsPerTopic
    }

    private func slot(_ stream: Int, _ number: UInt32) -> Int {
        stream << ringBits | Int(number) & (1 << ringBits - 1)
    }
}
