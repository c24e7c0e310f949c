import Model

/// One thing that goes wrong somewhere in the cluster for a while.
package enum Fault: CaseIterable, Sendable {
    /// A process ends, and what it had not synced may stay or go.
    case crash
    /// Every node loses power at once.
    case blackout
    /// Nodes on two sides hear nothing of each other.
    case partition
    /// What one node sends to another is lost; the way back is open.
    case oneWayCut
    /// Loss, doubling, reordering and delay everywhere.
    case storm
    /// One node's disk takes many times as long.
    case slowDisk
    /// One node's disk takes nothing more.
    case fullDisk
    /// One node's clock is set forward or back.
    case clockJump
}

extension World {
    /// Lets something go wrong now, somewhere, and ends it after a while.
    package func suffer(_ fault: Fault, for duration: Duration) {
        let node = nodes.randomElement(using: &random)!
        switch fault {
        case .crash: crash([node], random.chance(0.7) ? .powerLost : .killed, for: duration...duration)
        case .blackout: crash(nodes, .powerLost, for: .zero...duration)
        case .partition:
            split()
            after(duration) { [unowned self] in network.sides = [:] }
        case .oneWayCut:
            let other = (node.index + Int.random(in: 1..<nodes.count, using: &random)) % nodes.count
            network.cut(from: node.index, to: other)
            note("cut", node: node.index, UInt64(other))
            after(duration) { [unowned self] in network.cut(from: node.index, to: other, false) }
        case .storm:
            network.weather = .storm
            after(duration) { [unowned self] in network.weather = Weather() }
        case .slowDisk:
            node.slowness = Int.random(in: 5...50, using: &random)
            note("slow disk", node: node.index, UInt64(node.slowness))
            after(duration) { node.slowness = 1 }
        case .fullDisk:
            node.storage.capacity = node.storage.size + Int.random(in: 0...5_000, using: &random)
            note("full disk", node: node.index)
            after(duration) { node.storage.capacity = .max }
        case .clockJump:
            let distances: [Duration] = [.seconds(3_600), .seconds(-86_400), .seconds(30), .seconds(-30)]
            let distance = distances.randomElement(using: &random)!
            node.setClock(by: distance)
            after(duration) { node.setClock(by: .zero - distance) }
        }
    }

    /// Puts every node on one of two sides, at random, with somebody on each.
    package func split() {
        let lonely = Int.random(in: 0..<nodes.count, using: &random)
        for node in nodes.indices { network.sides[node] = node == lonely || random.chance(0.3) ? 1 : 0 }
        network.sides[(lonely + 1) % nodes.count] = 0
        note("partition", node: lonely)
    }

    /// Ends the processes of nodes at once, and starts each again after a while.
    private func crash(_ victims: [VirtualNode], _ end: VirtualNode.End, for downTime: ClosedRange<Duration>) {
        for node in victims { node.stop(end) }
        for node in victims {
            after(random.duration(in: downTime)) { if !node.isRunning { node.start() } }
        }
    }
}
