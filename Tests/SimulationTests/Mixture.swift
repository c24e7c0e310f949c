import Model
import Simulator

/// A cluster under load to which everything happens that can, several things at once; one seed is one course of events.
struct Mixture {
    private let world: World
    /// Topics of which nothing may be missed.
    private let lasting: [TopicName]
    /// A topic that keeps its newest ten messages.
    private let short: TopicName
    /// A topic kept in memory.
    private let fleeting: TopicName
    /// A topic that nodes create and destroy as they like.
    private let contested: TopicName

    /// How long the trouble lasts.
    private static let duration: Duration = .seconds(4)

    init(in world: World) throws {
        self.world = world
        lasting = [try TopicName("room/1"), try TopicName("room/2")]
        short = try TopicName("short")
        fleeting = try TopicName("fleeting")
        contested = try TopicName("contested")
        world.book.ignored = [short, fleeting, contested]
    }

    /// Runs it, and gives every broken promise.
    ///
    /// - Parameter flaw: what is wrong with every node; nil for nothing.
    func run(flaw: VirtualNode.Flaw? = nil) -> [String] {
        begin(flaw)
        let strict = world.clients(3, following: lasting)
        if world.random.chance(0.3) { strict[0].slowness = .milliseconds(3) }
        let tolerant = (0..<2).map { VirtualClient("tolerant\($0)", in: world) }
        for client in tolerant {
            client.forbidsGaps = false
            client.follow(short)
            client.follow(fleeting, fromBeginning: false)
        }
        for client in strict + tolerant { client.attach() }
        world.run(for: .milliseconds(300))
        for _ in 0..<Int.random(in: 2...6, using: &world.random) {
            world.after(duration(upTo: Self.duration)) { trouble() }
        }
        let end = world.now + Self.duration
        while world.now < end {
            load(strict, tolerant)
            if world.random.chance(0.05) { upheaval(strict + tolerant) }
        }
        return verdict(strict, tolerant)
    }

    private func duration(upTo limit: Duration) -> Duration {
        .milliseconds(Int64.random(in: 1...limit.milliseconds, using: &world.random))
    }

    private func begin(_ flaw: VirtualNode.Flaw?) {
        var settings = VirtualNode.Settings()
        settings.flaw = flaw
        settings.loops = Int.random(in: 1...2, using: &world.random)
        settings.setsClockAtStart = true
        if world.random.chance(0.5) {
            settings.log.segmentBytes = 8_192
            settings.log.cacheBytes = 4_096
            settings.replication.tailBytes = 8_192
            settings.replication.readBytes = 4_096
        }
        world.startCluster(of: world.random.chance(0.7) ? 3 : Int.random(in: 4...5, using: &world.random), settings)
        world.watchBounds()
        for topic in lasting { world.create(topic, on: 0) }
        world.create(short, on: 1, settings: TopicSettings(retention: Retention(messages: 10)))
        world.create(fleeting, on: 2, durability: .memory)
        world.run(for: .seconds(1))
    }

    private func trouble() {
        world.suffer(Fault.allCases.randomElement(using: &world.random)!, for: duration(upTo: .seconds(3)))
    }

    private func load(_ strict: [VirtualClient], _ tolerant: [VirtualClient]) {
        let level = ["accepted", "stored", "replicated"].randomElement(using: &world.random)!
        switch Int.random(in: 0..<10, using: &world.random) {
        case 0: tolerant.randomElement(using: &world.random)!.publish(short, level: level)
        case 1: tolerant.randomElement(using: &world.random)!.publish(fleeting, level: "accepted")
        default:
            strict.randomElement(using: &world.random)!
                .publish(lasting.randomElement(using: &world.random)!, level: level)
        }
        world.run(for: .milliseconds(Int64.random(in: 1...20, using: &world.random)))
    }

    /// What operators and clients do meanwhile.
    private func upheaval(_ clients: [VirtualClient]) {
        let node = Int.random(in: 0..<world.nodes.count, using: &world.random)
        switch Int.random(in: 0..<5, using: &world.random) {
        case 0: clients.randomElement(using: &world.random)!.move()
        case 1: world.keepHouse()
        case 2: world.create(contested, on: node)
        case 3: world.destroy(contested, on: node)
        default: world.publish("\(world.now.nanoseconds)", to: contested, on: node)
        }
    }

    private func verdict(_ strict: [VirtualClient], _ tolerant: [VirtualClient]) -> [String] {
        world.recover()
        let clients = strict + tolerant
        guard world.run(atMost: .seconds(60), until: { clients.allSatisfy { $0.unansweredCount == 0 } }) else {
            return ["messages are not acknowledged: \(clients.map(\.unansweredCount))"]
        }
        let broken = world.settleAndCheck()
        guard broken.isEmpty else { return broken }
        world.run(for: .seconds(12))
        return world.brokenDeliveries(to: strict, of: lasting) + tolerant.flatMap(\.violations)
            + world.differentHistories(of: [short, contested]) + untold(tolerant)
    }

    /// Clients who do not know how far the topic in memory has come.
    private func untold(_ clients: [VirtualClient]) -> [String] {
        var broken: [String] = []
        for client in clients {
            for head in world.nodes.compactMap({ $0.process?.ownHead(of: fleeting) }) {
                let seen = client.state(of: fleeting)?.cursor[head.partition] ?? 0
                guard seen != head.offset else { continue }
                broken.append(
                    "\(client.name) is at \(seen) of \(head.offset) in \(fleeting) of \(head.partition.origin)")
            }
        }
        return broken
    }
}
