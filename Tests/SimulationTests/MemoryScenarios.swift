import Model
import Simulator
import Testing

@Suite("Topics kept in memory")
struct MemoryScenarios {
    let topic: TopicName

    init() throws {
        topic = try TopicName("cursor/positions")
    }

    @Test("reach every subscriber from its acknowledgement on, and no node without one")
    func interest() {
        SimulationSeeds.run { world in
            world.startCluster(of: 4)
            world.create(topic, on: 0, durability: .memory)
            world.run(for: .seconds(1))
            let subscribers = (0..<2).map { VirtualClient("subscriber\($0)", in: world) }
            let publishers = (0..<3).map { VirtualClient("publisher\($0)", in: world) }
            for (index, publisher) in publishers.enumerated() { publisher.attach(to: index) }
            world.publishAll(publishers, to: topic, for: .milliseconds(100))
            for (index, subscriber) in subscribers.enumerated() {
                subscriber.follow(topic, fromBeginning: false)
                subscriber.attach(to: index)
            }
            let isLive = world.run(atMost: .seconds(5)) { subscribers.allSatisfy { $0.state(of: topic)?.start != nil } }
            let before = publishers.map { $0.publishedCount }
            world.publishAll(publishers, to: topic, for: .seconds(1))
            world.run(for: .seconds(2))
            var broken = subscribers.flatMap(\.violations) + (isLive ? [] : ["a subscription was not acknowledged"])
            for (publisher, count) in zip(publishers, before) {
                for number in count + 1..<publisher.publishedCount + 1 {
                    for subscriber in subscribers where !subscriber.got("\(publisher.name)-\(number)", of: topic) {
                        broken.append("\(subscriber.name) did not get \(publisher.name)-\(number)")
                    }
                }
            }
            for index in 2...3 {
                let foreign = world.nodes[index].process!.history(of: topic).filter {
                    $0.partition.origin.node != world.nodes[index].id
                }
                if !foreign.isEmpty {
                    broken.append("node \(index), without a subscriber, got \(foreign.count) messages")
                }
            }
            return broken
        }
    }

    @Test("tell of every gap when a subscriber moves, a node dies and a partition heals")
    func gaps() {
        SimulationSeeds.run { world in
            world.startCluster(of: 3)
            world.create(topic, on: 0, durability: .memory)
            world.run(for: .seconds(1))
            let clients = (0..<4).map { VirtualClient("client\($0)", in: world) }
            for client in clients {
                client.forbidsGaps = false
                client.follow(topic, fromBeginning: false)
                client.attach()
            }
            world.run(for: .seconds(1))
            world.publishAll(clients, to: topic, for: .milliseconds(500))
            clients[0].move()
            world.publishAll(clients, to: topic, for: .milliseconds(500))
            world.split()
            world.publishAll(clients, to: topic, for: .seconds(3))
            world.network.heal()
            world.publishAll(clients, to: topic, for: .seconds(2))
            let victim = world.nodes.randomElement(using: &world.random)!
            victim.stop(.powerLost)
            world.publishAll(clients, to: topic, for: .seconds(3))
            victim.start()
            world.run(for: .seconds(15))
            world.publishAll(clients, to: topic, for: .seconds(1))
            world.run(for: .seconds(12))
            var broken = clients.flatMap(\.violations)
            let heads = world.nodes.compactMap { $0.process?.ownHead(of: topic) }
            for client in clients {
                for head in heads where (client.state(of: topic)?.cursor[head.partition] ?? 0) != head.offset {
                    let seen = client.state(of: topic)?.cursor[head.partition] ?? 0
                    broken.append(
                        "\(client.name) on node \(client.node ?? -1) is at \(seen) of \(head.offset) "
                            + "in \(head.partition.origin)"
                    )
                }
            }
            return broken
        }
    }

    @Test("bring what the rings still hold after a partition, though nothing more is published")
    func quietHeal() {
        SimulationSeeds.run { world in
            var settings = VirtualNode.Settings()
            settings.log.ringMessages = world.random.chance(0.5) ? 20 : 1_000
            let clients = world.startFollowing(topic, settings)
            world.publishAll(clients, to: topic, for: .milliseconds(300))
            world.split()
            world.publishAll(clients, to: topic, for: .seconds(Int64.random(in: 1...6, using: &world.random)))
            world.network.heal()
            return world.untold(clients, of: topic, within: .seconds(20))
        }
    }

    @Test("bring what the rings still hold after a burst that no lane had room for, though nothing more is published")
    func burst() {
        SimulationSeeds.run { world in
            var settings = VirtualNode.Settings()
            settings.log.ringMessages = world.random.chance(0.5) ? 50 : 1_000
            settings.replication.tailBytes = 2_000
            settings.replication.windowBytes = 4_000
            let clients = world.startFollowing(topic, settings)
            world.network.weather = .storm
            world.publishAll(clients, to: topic, for: .milliseconds(200))
            for _ in 0..<200 { clients.randomElement(using: &world.random)!.publish(topic, level: "accepted") }
            world.run(for: .seconds(1))
            world.network.heal()
            return world.untold(clients, of: topic, within: .seconds(20))
        }
    }

    @Test("bring what a node lost of the frames that it received, though nothing more is published")
    func lostFrames() {
        SimulationSeeds.run { world in
            var settings = VirtualNode.Settings()
            settings.flaw = .dropsMemoryRecordsOfFrames
            let clients = world.startFollowing(topic, settings)
            world.publishAll(clients, to: topic, for: .seconds(1))
            return world.untold(clients, of: topic, within: .seconds(20))
        }
    }
}

extension World {
    /// Starts three nodes with a topic kept in memory, and on each a client that follows it.
    fileprivate func startFollowing(_ topic: TopicName, _ settings: VirtualNode.Settings) -> [VirtualClient] {
        startCluster(of: 3, settings)
        watchBounds()
        create(topic, on: 0, durability: .memory)
        run(for: .seconds(1))
        let clients = (0..<3).map { VirtualClient("client\($0)", in: self) }
        for (index, client) in clients.enumerated() {
            client.forbidsGaps = false
            client.follow(topic, fromBeginning: false)
            client.attach(to: index)
        }
        run(for: .seconds(1))
        return clients
    }

    /// Waits until every client has all of every origin's messages or was told what is lost; gives whom that did not
    /// happen to, and what a client lacks that its origin's ring holds.
    fileprivate func untold(_ clients: [VirtualClient], of topic: TopicName, within limit: Duration) -> [String] {
        let heads = { self.nodes.compactMap { $0.process?.ownHead(of: topic) } }
        _ = run(atMost: limit) {
            clients.allSatisfy { client in
                heads().allSatisfy { client.state(of: topic)?.cursor[$0.partition] ?? 0 == $0.offset }
            }
        }
        var broken = clients.flatMap(\.violations)
        for client in clients {
            for head in heads() where client.state(of: topic)?.cursor[head.partition] ?? 0 != head.offset {
                let seen = client.state(of: topic)?.cursor[head.partition] ?? 0
                broken.append("\(client.name) is at \(seen) of \(head.offset) in \(head.partition.origin)")
            }
            for node in nodes {
                let ring = node.process!.history(of: topic).filter { $0.partition.origin.node == node.id }
                for message in ring where !client.got(message.payload, of: topic) {
                    broken.append("\(client.name) lacks \(message.payload), which node \(node.index) still holds")
                }
            }
        }
        return broken
    }
}

extension World {
    /// Lets clients publish to one topic for a while, with no more than an answer to wait for.
    func publishAll(_ clients: [VirtualClient], to topic: TopicName, for duration: Duration) {
        let end = now + duration
        while now < end {
            clients.randomElement(using: &random)!.publish(topic, level: "accepted")
            run(for: .milliseconds(Int64.random(in: 1...30, using: &random)))
        }
    }
}
