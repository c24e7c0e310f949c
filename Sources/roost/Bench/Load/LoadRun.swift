import Glibc

/// One load from the first connection to the last, with everything that is measured on the way.
struct LoadRun {
    /// The name of the scenario.
    let scenario: String
    /// Who does what.
    let plan: LoadPlan
    /// What else it takes.
    let settings: LoadSettings
    /// The processes whose use of the machine is read.
    let watched: [Int32]

    private var report: LoadReport {
        var report = LoadReport(
            scenario: scenario, tongue: settings.tongue.name, plan: plan, messageSize: settings.messageSize)
        report.watched = watched
        return report
    }

    private func usage() throws(CommandFailure) -> ServerUsage? { watched.isEmpty ? nil : try .of(watched) }

    private func open(window: Int) throws(CommandFailure) -> LoadClient {
        try raiseFileLimit(toHold: plan.subscribers + plan.publishers)
        return try LoadClient(plan, settings, window: window)
    }

    /// Attaches everyone, warms up, measures, and waits until all has come.
    func measure(_ pacing: Pacing, words: String, warmUp: Double, until end: LoadEnd) throws(CommandFailure) -> LoadReport {
        var report = report
        report.pace = words
        var client = try open(window: pacing.window)
        report.openings.append(("publishers", try client.open(client.publishers)))
        report.idle = try usage()
        report.openings.append(("subscribers", try client.open(client.subscribers)))
        report.attached = try usage()
        if warmUp > 0 { _ = try client.run(pacing, until: .after(.seconds(warmUp))) }
        client.ledger.restart()
        let (published, tally) = (client.ledger.publishedCount, client.tally)
        let ownTime = ownProcessorTime()
        report.before = try usage()
        report.seconds = try client.run(pacing, until: end)
        report.after = try usage()
        report.ownTime = ownProcessorTime() - ownTime
        report.published = client.ledger.publishedCount - published
        report.deliveries = client.ledger.deliveries
        report.latency = client.ledger.latency
        report.tally = client.tally
        report.tally.reads -= tally.reads
        report.tally.bytes -= tally.bytes
        report.faults = client.ledger.verdict()
        try leave(&client)
        return report
    }

    /// Attaches everyone, holds the connections, and proves with one message a topic that each is alive.
    func idle(for duration: Duration, told: (LoadClient.Opened) -> Void) throws(CommandFailure) -> LoadReport {
        var report = report
        var client = try open(window: 64)
        report.openings.append(("publishers", try client.open(client.publishers)))
        report.idle = try usage()
        let opened = try client.open(client.subscribers)
        report.openings.append(("subscribers", opened))
        told(opened)
        try client.hold(duration)
        report.attached = try usage()
        try greetAll(&client, &report)
        try leave(&client)
        return report
    }

    /// Attaches everyone as fast as it goes, drops all at once, and so on.
    func storm(rounds: Int) throws(CommandFailure) -> LoadReport {
        var report = report
        var client = try open(window: 64)
        report.openings.append(("publishers", try client.open(client.publishers)))
        report.idle = try usage()
        for round in 1...rounds {
            report.openings.append(("storm \(round)", try client.open(client.subscribers)))
            if round == 1 { report.attached = try usage() }
            try greetAll(&client, &report)
            client.drop(client.subscribers)
        }
        try leave(&client)
        return report
    }

    /// One message of every stream to everyone.
    private func greetAll(_ client: inout LoadClient, _ report: inout LoadReport) throws(CommandFailure) {
        _ = try client.run(.window(64), until: .messages(plan.streams.count))
        report.published = client.ledger.publishedCount
        report.deliveries = client.ledger.deliveries
        report.latency = client.ledger.latency
        report.tally = client.tally
        report.faults = client.ledger.verdict()
    }

    /// Ends every connection; those who subscribe first, who would be told that their topic is gone.
    private func leave(_ client: inout LoadClient) throws(CommandFailure) {
        client.close(client.subscribers)
        try client.removeTopics()
        client.close(client.publishers)
    }

    /// Nanoseconds that this process has had of processors.
    private func ownProcessorTime() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

extension Pacing {
    /// The most messages in flight that have to be remembered.
    fileprivate var window: Int { if case .window(let window) = self { window } else { 1 << 16 } }
}
