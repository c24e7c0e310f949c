import Histogram
import JSON

/// What came of a load, for people and for scripts.
struct LoadReport {
    /// The subcommand.
    let scenario: String
    /// The name of the tongue.
    let tongue: String
    /// Who did what.
    let plan: LoadPlan
    /// The bytes of a message.
    let messageSize: Int
    /// What was asked for beside the plan, in words.
    var pace = ""

    /// Messages of the measured time.
    var published = 0
    /// Deliveries of the measured time.
    var deliveries = 0
    /// How long they were published for.
    var seconds = 0.0
    /// Bytes and reads of the measured time.
    var tally = LoadTally()
    /// From when a message was due to when it was there.
    var latency: Histogram<UInt64>?
    /// How connections were opened: a name and what came of it.
    var openings: [(name: String, opened: LoadClient.Opened)] = []
    /// What is wrong, over the whole run.
    var faults = DeliveryLedger.Faults()

    /// The processes that were watched; the rest is nil without one.
    var watched: [Int32] = []
    /// Before subscribers attached.
    var idle: ServerUsage?
    /// When all were attached, before messages.
    var attached: ServerUsage?
    /// Before the measured time.
    var before: ServerUsage?
    /// After it.
    var after: ServerUsage?
    /// Processor time of this client in the measured time, in nanoseconds.
    var ownTime: UInt64 = 0

    /// Microseconds of the servers' processors for one delivery, which is seconds for a million.
    var cpuPerMillion: Double? {
        guard let before, let after, deliveries > 0 else { return nil }
        return Double(after.processorTime - min(before.processorTime, after.processorTime)) / 1e3 / Double(deliveries)
    }

    /// Bytes of the servers' memory for each subscriber, as resident memory grew while they attached.
    var bytesPerConnection: Double? {
        guard let idle, let attached, plan.subscribers > 0 else { return nil }
        return (Double(attached.residentBytes) - Double(idle.residentBytes)) / Double(plan.subscribers)
    }

    /// Why a script should not trust this broker; nil when it kept its word.
    var complaint: String? {
        var words: [String] = []
        if faults.lost > 0 { words.append("\(faults.lost) lost") }
        if faults.repeated > 0 { words.append("\(faults.repeated) repeated") }
        if faults.outOfOrder > 0 { words.append("\(faults.outOfOrder) out of order") }
        if faults.strayed > 0 { words.append("\(faults.strayed) at the wrong subscriber") }
        if tally.ended > 0 { words.append("\(tally.ended) connections ended (the last: \(tally.lastEnd))") }
        return words.isEmpty ? nil : words.joined(separator: ", ")
    }
}
