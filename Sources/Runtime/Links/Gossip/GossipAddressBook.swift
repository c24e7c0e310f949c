import Model

/// The addresses of endpoints: literal ones at once, names once the resolver has answered.
final class GossipAddressBook {
    private struct Entry {
        var address: GossipAddress?
        var expiry: MonotonicTime
    }

    private let resolver: GossipResolver
    private let family: Int32
    private let settings: GossipSettings
    private var entries: [Endpoint: Entry] = [:]
    private var greetings: Set<Endpoint> = []

    init(family: Int32, settings: GossipSettings, resolver: GossipResolver) {
        self.family = family
        self.settings = settings
        self.resolver = resolver
    }

    /// The address, if it is known; else it is being looked up, and the last one known, if any, serves until then.
    func address(of endpoint: Endpoint, at now: MonotonicTime) -> GossipAddress? {
        if let entry = entries[endpoint], entry.expiry > now { return entry.address }
        if let address = GossipAddress.resolve(endpoint, family: family, numeric: true) {
            keep(Entry(address: address, expiry: .distantFuture), for: endpoint)
            return address
        }
        let known = entries[endpoint]?.address
        // Asked again only after a while; where the resolver is full, at the next packet.
        if resolver.ask(endpoint) { keep(Entry(address: known, expiry: now + settings.nameLifetime), for: endpoint) }
        return known
    }

    /// Has ``take(_:address:at:)`` report that the endpoint waits to be greeted.
    func greetWhenKnown(_ endpoint: Endpoint) {
        if greetings.count < settings.addressLimit { greetings.insert(endpoint) }
    }

    /// Takes the resolver's answer; whether the endpoint waits to be greeted.
    func take(_ endpoint: Endpoint, address: GossipAddress?, at now: MonotonicTime) -> Bool {
        // A failed look-up leaves the last address standing, and is tried again after the same while.
        let kept = address ?? entries[endpoint]?.address
        keep(Entry(address: kept, expiry: now + settings.nameLifetime), for: endpoint)
        let waits = greetings.remove(endpoint) != nil
        return waits && kept != nil
    }

    private func keep(_ entry: Entry, for endpoint: Endpoint) {
        if entries.count >= settings.addressLimit, entries[endpoint] == nil { entries.removeAll() }
        entries[endpoint] = entry
    }
}
