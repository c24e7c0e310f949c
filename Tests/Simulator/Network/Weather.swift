import Model

/// How bad the network is, and how slow the disks are.
package struct Weather: Sendable {
    /// The share of bus frames and hellos that are lost.
    package var busLoss = 0.0
    /// The share of gossip packets that are lost.
    package var gossipLoss = 0.0
    /// The share of gossip packets that come twice.
    package var gossipDuplication = 0.0
    /// How long a packet takes; gossip may overtake gossip, the bus keeps its order.
    package var delay: ClosedRange<Duration> = .microseconds(200)...(.milliseconds(2))
    /// How long the log thread takes to come to a batch.
    package var appendDelay: ClosedRange<Duration> = .zero...(.milliseconds(2))
    /// How long a sync takes.
    package var syncTime: ClosedRange<Duration> = .milliseconds(1)...(.milliseconds(15))
    /// How long a read of the log takes.
    package var readTime: ClosedRange<Duration> = .microseconds(50)...(.milliseconds(3))
    /// How long a loop takes to look into its mailbox.
    package var wakeTime: ClosedRange<Duration> = .zero...(.milliseconds(1))

    package init() {}

    /// Loses a tenth of everything, doubles and reorders gossip, and is slow.
    package static let storm: Weather = {
        var weather = Weather()
        weather.busLoss = 0.1
        weather.gossipLoss = 0.1
        weather.gossipDuplication = 0.1
        weather.delay = .microseconds(200)...(.milliseconds(30))
        return weather
    }()
}

extension RandomSource {
    /// A duration in a range.
    mutating func duration(in range: ClosedRange<Duration>) -> Duration {
        .nanoseconds(Int64.random(in: range.lowerBound.nanoseconds...range.upperBound.nanoseconds, using: &self))
    }

    /// Whether something of this probability happens.
    package mutating func chance(_ probability: Double) -> Bool {
        probability > 0 && Double.random(in: 0..<1, using: &self) < probability
    }
}
