import Synchronization

/// How many connections the node has, and how many each address that is counted.
final class Headcount: Sendable {
    private let open = Atomic<Int>(0)
    private let addresses = Mutex<[NetworkAddress: Int]>([:])

    /// How many connections are open.
    var total: Int { open.load(ordering: .relaxed) }

    /// How many an address has.
    func count(of address: NetworkAddress) -> Int { addresses.withLock { $0[address] ?? 0 } }

    /// Counts one connection more; gives how many there are with it.
    func enter() -> Int { open.add(1, ordering: .relaxed).newValue }

    func leave() { open.subtract(1, ordering: .relaxed) }

    /// Counts one connection more of an address; gives how many it has with it.
    func enter(_ address: NetworkAddress) -> Int {
        addresses.withLock { addresses in
            addresses[address, default: 0] += 1
            return addresses[address]!
        }
    }

    func leave(_ address: NetworkAddress) {
        addresses.withLock { addresses in
            guard let count = addresses[address] else { preconditionFailure("an address is left as often as entered") }
            addresses[address] = count > 1 ? count - 1 : nil
        }
    }
}

/// A connection that was taken into account. Connections whose address is not counted share one: it takes no memory for each.
final class Stay: Sendable {
    private let headcount: Headcount
    private let address: NetworkAddress?

    init(_ headcount: Headcount, address: NetworkAddress? = nil) {
        self.headcount = headcount
        self.address = address
    }

    /// One connection with this stay is closed.
    func end() {
        headcount.leave()
        if let address { headcount.leave(address) }
    }
}
