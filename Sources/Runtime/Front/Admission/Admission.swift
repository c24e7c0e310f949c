import Broker
import Model
import NIOCore
import Synchronization
import WebSocket

/// Decides who may attach: so many connections of the node, so many of an address, so many upgrades a second. One for
/// the whole front; asked once for each connection and once for each upgrade.
final class Admission: Sendable {
    private let settings: FrontSettings
    private let headcount = Headcount()
    private let uncounted: Stay
    private let pace: Mutex<UpgradePace?>

    init(settings: FrontSettings) {
        self.settings = settings
        uncounted = Stay(headcount)
        let now = settings.clock().monotonic
        pace = Mutex(
            settings.upgradesPerSecond.map { UpgradePace(burst: settings.upgradeBurst, perSecond: $0, at: now) })
    }

    /// Takes a connection into account until its stay ends; nil when it must be closed at once.
    func accept(_ remote: SocketAddress?) -> Stay? {
        let address = NetworkAddress(remote).flatMap { isCounted($0) ? $0.subscriber : nil }
        let count = headcount.enter()
        let ofAddress = address.map(headcount.enter) ?? 0
        let stay = address.map { Stay(headcount, address: $0) } ?? uncounted
        let (limit, margin) = (settings.connectionsPerAddress ?? .max, settings.connectionMargin)
        if count - margin <= settings.connectionLimit, ofAddress - margin <= limit { return stay }
        stay.end()
        return nil
    }

    /// Decides on an upgrade; an address that a proxy tells is counted for as long as the connection is open.
    ///
    /// - Returns: why it is refused, and after how long its client may try again; nil when it may go on.
    func admit(
        forwardedFor lines: [String], on channel: any Channel
    ) -> (reason: UpgradeRefusalReason, retryAfter: Duration)? {
        let pause = UpgradeRefusal.pause + .milliseconds(Int64.random(in: 0..<UpgradeRefusal.pause.milliseconds))
        if headcount.total > settings.connectionLimit { return (.connections, pause) }
        if let limit = settings.connectionsPerAddress, let peer = NetworkAddress(channel.remoteAddress) {
            if isProxy(peer) {
                guard admit(forwardedAddress(lines, through: settings.trustedProxies), limit, channel) else {
                    return (.address, pause)
                }
            } else if isCounted(peer), headcount.count(of: peer.subscriber) > limit {
                return (.address, pause)
            }
        }
        let now = settings.clock().monotonic
        let delay = pace.withLock { pace in
            var random = SystemRandomNumberGenerator()
            return pace?.admit(at: now, random: &random)
        }
        return delay.map { (.rate, $0) }
    }

    /// Counts a connection for the address that a proxy told, if that has room.
    private func admit(_ address: NetworkAddress?, _ limit: Int, _ channel: any Channel) -> Bool {
        guard let address, !settings.exemptAddresses.contains(where: { $0.contains(address) }) else { return true }
        let counted = address.subscriber
        guard headcount.enter(counted) <= limit else {
            headcount.leave(counted)
            return false
        }
        channel.closeFuture.whenComplete { [headcount] _ in headcount.leave(counted) }
        return true
    }

    private func isProxy(_ address: NetworkAddress) -> Bool {
        settings.trustedProxies.contains { $0.contains(address) }
    }

    /// A proxy's own address has no limit: its clients have.
    private func isCounted(_ address: NetworkAddress) -> Bool {
        settings.connectionsPerAddress != nil && !isProxy(address)
            && !settings.exemptAddresses.contains { $0.contains(address) }
    }
}
