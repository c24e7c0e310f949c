import Histogram

extension LoadReport {
    /// The report as lines.
    var lines: [String] {
        var lines = [
            "\(scenario) (\(tongue)): \(count(plan.subscribers, "subscriber")), \(count(plan.topics, "topic")), "
                + "\(count(plan.publishers, "publisher")), \(messageSize) bytes a message\(pace.isEmpty ? "" : ", \(pace)")"
        ]
        for (name, opened) in openings {
            lines.append(row(name, "\(decimal(opened.seconds)) s, each \(quantiles(opened.latency))"))
        }
        if tally.turnedAway > 0 {
            lines.append(row("turned away", "\(tally.turnedAway) times, the last: \(tally.lastEnd)"))
        }
        if deliveries > 0, seconds > 0 {
            lines.append(row("published", "\(published) in \(decimal(seconds)) s, \(Int(Double(published) / seconds)) a second"))
            lines.append(
                row("delivered", "\(deliveries), \(Int(Double(deliveries) / seconds)) a second, "
                    + "\(tally.bytes / deliveries) bytes each, \(decimal(Double(deliveries) / Double(max(1, tally.reads)))) a read"))
        }
        if let latency, latency.totalCount > 0 { lines.append(row("latency", quantiles(latency))) }
        if tally.heldBack > 0 { lines.append(row("held back", "\(tally.heldBack) messages: too many were on their way")) }
        if let cpuPerMillion {
            lines.append(
                row("server CPU", "\(decimal(cpuPerMillion)) s per million deliveries "
                    + "(this client \(decimal(Double(ownTime) / 1e3 / Double(deliveries))))"))
        }
        if let attached, let bytesPerConnection {
            lines.append(
                row("server memory", "\(decimal(Double(attached.residentBytes) / 1e6)) MB, "
                    + "\(Int(bytesPerConnection)) bytes for each subscriber"))
        }
        lines.append(row("checked", complaint ?? "nothing lost, repeated or out of order"))
        return lines
    }

    private func row(_ name: String, _ text: String) -> String {
        "  " + name + String(repeating: " ", count: max(1, 15 - name.count)) + text
    }

    private func count(_ number: Int, _ name: String) -> String { "\(number) \(name)\(number == 1 ? "" : "s")" }

    private func quantiles(_ histogram: Histogram<UInt64>) -> String {
        [("p50", 50.0), ("p90", 90), ("p99", 99), ("p99.9", 99.9), ("max", 100)].map { name, percentile in
            "\(name) \(decimal(Double(histogram.valueAtPercentile(percentile)) / 1e6)) ms"
        }.joined(separator: ", ")
    }

    private func decimal(_ value: Double) -> String {
        let digits = value < 10 ? 1_000.0 : 10.0
        let text = "\((value * digits).rounded() / digits)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}
