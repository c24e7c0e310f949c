import Glibc

/// What a load takes beside its plan.
struct LoadSettings: Sendable {
    /// Where publishers attach, in turn.
    var publisherAddresses: [ServerAddress]
    /// Where subscribers attach, in turn.
    var subscriberAddresses: [ServerAddress]
    /// A token for every connection; nil for none.
    var token: String?
    /// How the broker is spoken to.
    var tongue: any LoadTongue
    /// The bytes of a message.
    var messageSize: Int
    /// The most connections that are being opened at a time.
    var atOnce: Int
    /// How long nothing may happen while something is waited for; what has not come then is lost.
    var patience: Duration
}

/// The moments and lengths of a load, in nanoseconds of the system's monotonic clock.
enum LoadClock {
    /// Now.
    static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// A length.
    static func nanoseconds(_ duration: Duration) -> UInt64 {
        let (seconds, attoseconds) = duration.components
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }
}
