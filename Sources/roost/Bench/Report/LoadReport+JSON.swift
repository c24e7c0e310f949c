import Histogram
import JSON

extension LoadReport {
    /// The report as one JSON object: times of latency in microseconds, memory in bytes.
    var json: [UInt8] {
        var writer = JSONWriter(reservingCapacity: 1_024)
        writer.beginObject()
        writer.key("scenario")
        writer.string(scenario)
        writer.key("protocol")
        writer.string(tongue)
        for (key, value) in [
            ("topics", plan.topics), ("subscribers", plan.subscribers), ("publishers", plan.publishers),
            ("messageBytes", messageSize), ("published", published), ("deliveries", deliveries),
            ("reads", tally.reads), ("bytesRead", tally.bytes), ("turnedAway", tally.turnedAway),
            ("heldBack", tally.heldBack), ("gaps", tally.gaps), ("ended", tally.ended), ("lost", faults.lost),
            ("repeated", faults.repeated), ("outOfOrder", faults.outOfOrder), ("strayed", faults.strayed),
        ] {
            writer.key(key)
            writer.integer(Int64(value))
        }
        number("seconds", seconds, to: &writer)
        if let latency, latency.totalCount > 0 { write(latency, as: "latency", to: &writer) }
        writer.key("openings")
        writer.beginArray()
        for (name, opened) in openings {
            writer.beginObject()
            writer.key("name")
            writer.string(name)
            number("seconds", opened.seconds, to: &writer)
            write(opened.latency, as: "latency", to: &writer)
            writer.endObject()
        }
        writer.endArray()
        if !watched.isEmpty { writeServer(to: &writer) }
        writer.endObject()
        return writer.bytes
    }

    private func writeServer(to writer: inout JSONWriter) {
        writer.key("server")
        writer.beginObject()
        if let before, let after {
            number("cpuSeconds", Double(after.processorTime - min(before.processorTime, after.processorTime)) / 1e9, to: &writer)
        }
        if let cpuPerMillion { number("cpuSecondsPerMillionDeliveries", cpuPerMillion, to: &writer) }
        if let bytesPerConnection { number("bytesPerSubscriber", bytesPerConnection, to: &writer) }
        for (key, usage) in [("residentIdle", idle), ("residentAttached", attached), ("residentAfter", after)] {
            guard let usage else { continue }
            writer.key(key)
            writer.unsigned(usage.residentBytes)
        }
        writer.endObject()
        number("clientCPUSeconds", Double(ownTime) / 1e9, to: &writer)
    }

    private func write(_ histogram: Histogram<UInt64>, as key: String, to writer: inout JSONWriter) {
        writer.key(key)
        writer.beginObject()
        for (name, percentile) in [("p50", 50.0), ("p90", 90), ("p99", 99), ("p999", 99.9), ("max", 100)] {
            number(name, Double(histogram.valueAtPercentile(percentile)) / 1e3, to: &writer)
        }
        number("mean", histogram.mean / 1e3, to: &writer)
        writer.endObject()
    }

    private func number(_ key: String, _ value: Double, to writer: inout JSONWriter) {
        writer.key(key)
        writer.double(value)
    }
}
