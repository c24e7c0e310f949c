import Model
import Simulator
import Testing

@Suite("Clocks that are wrong")
struct ClockScenarios {
    let topics: [TopicName]

    init() throws {
        topics = try (0..<2).map { try TopicName("room/\($0)") }
    }

    @Test(
        "and jump an hour ahead or a day back under load break no promise, and end no message early",
        arguments: [3_600, -86_400])
    func jumps(seconds: Int) {
        SimulationSeeds.run { world in
            world.startCluster(of: 3)
            world.watchBounds()
            // What is kept for ten minutes would go at once by a clock that is an hour ahead.
            for topic in topics {
                world.create(topic, on: 0, settings: TopicSettings(retention: Retention(seconds: 600)))
            }
            world.run(for: .seconds(1))
            let clients = world.clients(3, following: topics)
            for client in clients { client.attach() }
            world.chatter(clients, topics, for: .milliseconds(500))
            let victim = world.nodes.randomElement(using: &world.random)!
            victim.setClock(by: .seconds(seconds))
            world.chatter(clients, topics, for: .milliseconds(500))
            world.keepHouse()
            let dying = world.nodes.first { $0.index != victim.index }!
            dying.stop(.killed)
            world.chatter(clients, topics, for: .seconds(1))
            dying.start()
            world.chatter(clients, topics, for: .milliseconds(500))
            return world.check(clients, topics)
        }
    }

    @Test("at the start of one node: its records are kept, no other clock follows it far, and all nodes show the same")
    func start() {
        SimulationSeeds.run { world in
            let settings = VirtualNode.Settings()
            world.startCluster(of: 2, settings)
            var wrong = settings
            wrong.skew = world.random.chance(0.5) ? .seconds(3_600) : .seconds(-86_400)
            world.addNode(wrong).start()
            world.run(for: .seconds(3))
            world.watchBounds()
            for topic in topics { world.create(topic, on: 2) }
            world.run(for: .seconds(1))
            world.load(topics, for: .seconds(1), named: "before")
            // What they wrote down of the future must not become their own time when they start again.
            for node in world.nodes { node.stop(.powerLost) }
            for node in world.nodes { node.start() }
            world.load(topics, for: .seconds(1), named: "after")
            let broken = world.settleAndCheck()
            let drag = HybridClock.maximumDrag.milliseconds + 5_000
            let dragged = world.nodes[..<2].compactMap { node -> String? in
                guard let time = node.process?.ownTime, time.wall.milliseconds > world.wall.milliseconds + drag else {
                    return nil
                }
                return "node \(node.index) gives times of \(time.wall.milliseconds - world.wall.milliseconds) ms ahead"
            }
            return broken + dragged
        }
    }
}
