import Model

/// What carries packets between nodes: delay, loss, doubling, reordering and partitions, all from one seed.
package struct VirtualNetwork {
    /// The two ways between nodes.
    enum Channel {
        /// Keeps the order of what it does not lose.
        case bus
        /// Loses, doubles and reorders.
        case gossip
    }

    /// One way from a node to another.
    private struct Way: Hashable {
        let from: Int
        let to: Int
    }

    /// How bad it is at present.
    package var weather = Weather()
    /// The side that each node is on; nodes on different sides hear nothing of each other. Empty for none.
    package var sides: [Int: Int] = [:]
    private var cuts: Set<Way> = []
    private var lastArrival: [Way: MonotonicTime] = [:]
    private var random: RandomSource

    init(random: RandomSource) {
        self.random = random
    }

    /// Cuts, or mends, the way from one node to another; the way back stays as it is.
    package mutating func cut(from: Int, to: Int, _ isCut: Bool = true) {
        if isCut { cuts.insert(Way(from: from, to: to)) } else { cuts.remove(Way(from: from, to: to)) }
    }

    /// Ends every partition and cut, and brings good weather.
    package mutating func heal() {
        sides = [:]
        cuts = []
        weather = Weather()
    }

    /// Whether a packet gets from one node to another now.
    func isOpen(from: Int, to: Int) -> Bool {
        sides[from] ?? 0 == sides[to] ?? 0 && !cuts.contains(Way(from: from, to: to))
    }

    /// When the copies of a packet arrive: none where it is lost.
    mutating func arrivals(_ channel: Channel, from: Int, to: Int, at now: MonotonicTime) -> [MonotonicTime] {
        guard isOpen(from: from, to: to) else { return [] }
        switch channel {
        case .bus:
            guard !random.chance(weather.busLoss) else { return [] }
            let way = Way(from: from, to: to)
            let arrival = max(now + random.duration(in: weather.delay), lastArrival[way] ?? .zero)
            lastArrival[way] = arrival
            return [arrival]
        case .gossip:
            guard !random.chance(weather.gossipLoss) else { return [] }
            let copies = random.chance(weather.gossipDuplication) ? 2 : 1
            return (0..<copies).map { _ in now + random.duration(in: weather.delay) }
        }
    }
}
