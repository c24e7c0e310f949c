import Model
import Simulator
import Testing

@Suite("Clients of a cluster")
struct ClientScenarios {
    let topics: [TopicName]

    init() throws {
        topics = try (0..<3).map { try TopicName("room/\($0)") }
    }

    @Test("receive on one node what was created on another and published on a third")
    func threeNodes() {
        SimulationSeeds.run { world in
            world.startCluster(of: 3, settings(loops: 2))
            world.watchBounds()
            for topic in topics { world.create(topic, on: 0) }
            world.run(for: .seconds(1))
            let clients = world.clients(3, following: topics)
            for (index, client) in clients.enumerated() { client.attach(to: index) }
            world.chatter(clients, topics, for: .seconds(1))
            return world.check(clients, topics)
        }
    }

    @Test("resume on another node when theirs loses power, and miss nothing")
    func failover() {
        SimulationSeeds.run { world in
            world.startCluster(of: 3, settings(loops: 2))
            world.watchBounds()
            for topic in topics { world.create(topic, on: 0) }
            world.run(for: .seconds(1))
            let clients = world.clients(5, following: topics)
            clients[1].slowness = .milliseconds(4)
            for client in clients { client.attach() }
            for _ in 0..<3 {
                world.chatter(clients, topics, for: .milliseconds(400))
                let victim = world.nodes.randomElement(using: &world.random)!
                victim.stop(world.random.chance(0.7) ? .powerLost : .killed)
                world.chatter(clients, topics, for: .milliseconds(Int64.random(in: 100...3_000, using: &world.random)))
                victim.start()
            }
            world.chatter(clients, topics, for: .milliseconds(400))
            return world.check(clients, topics)
        }
    }

    @Test("on both sides of a partition get everything after the heal")
    func partition() {
        SimulationSeeds.run { world in
            world.startCluster(of: 3, settings(loops: 1))
            world.watchBounds()
            world.create(topics[0], on: 0)
            world.run(for: .seconds(1))
            let clients = world.clients(4, following: topics)
            for client in clients { client.attach() }
            world.chatter(clients, [topics[0]], for: .milliseconds(300))
            world.split()
            for topic in topics { for node in 0..<3 { world.create(topic, on: node) } }
            world.chatter(clients, topics, for: .seconds(3))
            clients.randomElement(using: &world.random)!.move()
            world.chatter(clients, topics, for: .seconds(1))
            return world.check(clients, topics)
        }
    }

    @Test("move about on a bad network and miss nothing")
    func storm() {
        SimulationSeeds.run { world in
            world.startCluster(of: 3, settings(loops: 2))
            world.watchBounds()
            for topic in topics { world.create(topic, on: 1) }
            world.run(for: .seconds(1))
            let clients = world.clients(4, following: topics)
            clients[0].slowness = .milliseconds(3)
            for client in clients { client.attach() }
            world.network.weather = .storm
            for _ in 0..<5 {
                world.chatter(clients, topics, for: .milliseconds(600))
                clients.randomElement(using: &world.random)!.move()
            }
            return world.check(clients, topics)
        }
    }

    @Test("are refused by a full disk and lose nothing that was acknowledged")
    func fullDisk() {
        SimulationSeeds.run { world in
            world.startCluster(of: 3, settings(loops: 1))
            world.watchBounds()
            for topic in topics { world.create(topic, on: 0) }
            world.run(for: .seconds(1))
            let clients = world.clients(3, following: topics)
            for (index, client) in clients.enumerated() { client.attach(to: index) }
            world.chatter(clients, topics, for: .milliseconds(400))
            let victim = world.nodes.randomElement(using: &world.random)!
            victim.storage.capacity = victim.storage.size + Int.random(in: 0...5_000, using: &world.random)
            world.chatter(clients, topics, for: .seconds(2))
            victim.storage.capacity = .max
            world.chatter(clients, topics, for: .seconds(1))
            return world.check(clients, topics)
        }
    }

    @Test("who follow a wildcard get every message of topics that come later, however they come")
    func wildcards() {
        SimulationSeeds.run { world in
            world.startCluster(of: 3, settings(loops: 2))
            world.watchBounds()
            let clients = world.clients(3, following: [])
            for (index, client) in clients.enumerated() {
                client.followAll("room/#")
                client.attach(to: index)
            }
            world.run(for: .milliseconds(500))
            world.network.weather = .storm
            for topic in topics {
                world.create(topic, on: Int.random(in: 0..<3, using: &world.random))
                // Whoever knows the topic first publishes to it, so that the message may overtake the creation.
                for _ in 0..<60 {
                    for node in 0..<3 {
                        world.publish("\(topic)-\(node)-\(world.now.nanoseconds)", to: topic, on: node)
                    }
                    world.run(for: .milliseconds(2))
                }
                if world.random.chance(0.3) { clients[1].move() }
            }
            world.run(for: .milliseconds(500))
            return world.check(clients, topics)
        }
    }

    private func settings(loops: Int) -> VirtualNode.Settings {
        var settings = VirtualNode.Settings()
        settings.loops = loops
        return settings
    }
}

extension World {
    /// Clients that follow topics from their beginning.
    func clients(_ count: Int, following topics: [TopicName]) -> [VirtualClient] {
        (0..<count).map { number in
            let client = VirtualClient("client\(number)", in: self)
            for topic in topics { client.follow(topic) }
            return client
        }
    }

    /// Lets clients publish to topics for a while, one message every few milliseconds.
    func chatter(_ clients: [VirtualClient], _ topics: [TopicName], for duration: Duration) {
        let end = now + duration
        while now < end {
            let level = ["accepted", "stored", "replicated"].randomElement(using: &random)!
            clients.randomElement(using: &random)!.publish(topics.randomElement(using: &random)!, level: level)
            run(for: min(duration, .milliseconds(Int64.random(in: 1...20, using: &random))))
        }
    }

    /// Recovers, waits until clients have their answers, and gives every broken promise to them.
    func check(_ clients: [VirtualClient], _ topics: [TopicName]) -> [String] {
        recover()
        guard run(atMost: .seconds(60), until: { clients.allSatisfy { $0.unansweredCount == 0 } }) else {
            return ["messages are not acknowledged: \(clients.map(\.unansweredCount))"]
        }
        let broken = settleAndCheck()
        run(for: .seconds(12))
        return broken + brokenDeliveries(to: clients, of: topics)
    }
}
