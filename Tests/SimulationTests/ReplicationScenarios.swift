import Model
import Simulator
import Testing

@Suite("Replication between nodes")
struct ReplicationScenarios {
    let topics: [TopicName]

    init() throws {
        topics = try (0..<4).map { try TopicName("topic/\($0)") }
    }

    @Test("brings what one node creates and another publishes to every node")
    func everywhere() {
        SimulationSeeds.run { world in
            world.startCluster(of: 3)
            world.watchBounds()
            world.create(topics[0], on: 0)
            world.run(for: .seconds(1))
            for number in 0..<20 { world.publish("\(number)", to: topics[0], on: number % 3) }
            let broken = world.settleAndCheck()
            return broken + (world.book.count == 20 ? [] : ["only \(world.book.count) of 20 messages are safe"])
        }
    }

    @Test("keeps every promise when nodes lose power under load, one after the other")
    func crashes() {
        SimulationSeeds.run { world in
            world.startCluster(of: 3)
            world.watchBounds()
            for topic in topics { world.create(topic, on: 0) }
            world.run(for: .seconds(1))
            for round in 0..<4 {
                world.load(topics, for: .milliseconds(300), named: "before-\(round)")
                let victim = world.nodes.randomElement(using: &world.random)!
                victim.stop(world.random.chance(0.7) ? .powerLost : .killed)
                world.load(
                    topics, for: .milliseconds(Int.random(in: 100...4_000, using: &world.random)),
                    named: "without-\(round)")
                victim.start()
            }
            world.load(topics, for: .milliseconds(300), named: "after")
            return world.settleAndCheck()
        }
    }

    @Test("heals a partition in which both sides created, destroyed and published")
    func partition() throws {
        let shared = try TopicName("shared")
        SimulationSeeds.run { world in
            world.startCluster(of: 5)
            world.watchBounds()
            world.create(topics[0], on: 0)
            world.book.ignored = [shared, topics[3]]
            world.run(for: .seconds(1))
            world.split()
            world.load([topics[0]], for: .seconds(2), named: "early")
            for node in world.nodes.indices { world.create(shared, on: node) }
            world.create(topics[1], on: 0)
            world.create(topics[2], on: 1)
            world.create(topics[3], on: 2)
            world.load(topics + [shared], for: .seconds(3), named: "apart")
            world.destroy(topics[3], on: 2)
            world.load(topics + [shared], for: .seconds(1), named: "late")
            return world.settleAndCheck()
        }
    }

    @Test("comes to the same rows after a partition in which both sides wrote and ended them")
    func tables() throws {
        let table = try TopicName("table")
        let keys = (0..<12).map { "row-\($0)" }
        SimulationSeeds.run { world in
            func write(_ rounds: Int, named name: String) {
                for round in 0..<rounds {
                    for node in world.nodes.indices {
                        let key = keys.randomElement(using: &world.random)!
                        let value = world.random.chance(0.3) ? nil : "\(name)-\(round)-\(node)"
                        world.write(value, to: key, of: table, on: node)
                    }
                    world.run(for: .milliseconds(Int.random(in: 1...40, using: &world.random)))
                }
            }
            world.startCluster(of: 5)
            world.watchBounds()
            world.create(table, on: 0, kind: .table)
            world.book.ignored = [table]
            world.run(for: .seconds(1))
            write(20, named: "together")
            world.split()
            write(60, named: "apart")
            let victim = world.nodes.randomElement(using: &world.random)!
            victim.stop(.powerLost)
            world.run(for: .seconds(2))
            victim.start()
            let broken = world.settleAndCheck()
            guard broken.isEmpty else { return broken }
            // A write that knows of what came out of the partition beats it everywhere.
            for (number, key) in keys.enumerated() { world.write("last-\(number)", to: key, of: table, on: number % 5) }
            let late = world.settleAndCheck() + world.rowDifferences(of: table, keys: keys)
            let rows = keys.enumerated().filter { number, key in
                world.nodes[0].process?.row(key, of: table) != "\"last-\(number)\""
            }
            return late + rows.map { "\($0.element) is not as it was last written" }
        }
    }

    @Test("lets nothing get lost on a network that loses, doubles, reorders and cuts one way")
    func storm() {
        SimulationSeeds.run { world in
            world.startCluster(of: 3)
            world.watchBounds()
            for topic in topics { world.create(topic, on: 1) }
            world.run(for: .seconds(1))
            world.network.weather = .storm
            world.load(topics, for: .seconds(3), named: "storm")
            world.network.cut(from: 0, to: 1)
            world.load(topics, for: .seconds(4), named: "cut")
            world.network.cut(from: 0, to: 1, false)
            world.load(topics, for: .seconds(1), named: "mended")
            return world.settleAndCheck()
        }
    }

    @Test("brings a late node all that is retained, and the registry where its records are gone")
    func lateNode() {
        SimulationSeeds.run { world in
            var settings = VirtualNode.Settings()
            settings.log.segmentBytes = 4_096
            settings.log.cacheBytes = 2_048
            settings.replication.tailBytes = 8_192
            settings.replication.readBytes = 4_096
            world.startCluster(of: 2, settings)
            world.watchBounds()
            for topic in topics {
                world.create(topic, on: 0, settings: TopicSettings(retention: Retention(messages: 10)))
            }
            world.run(for: .seconds(1))
            for round in 0..<4 {
                world.load(topics, for: .seconds(2), named: "round-\(round)")
                world.keepHouse()
                let victim = world.nodes.randomElement(using: &world.random)!
                if world.random.chance(0.7) {
                    victim.stop(.powerLost)
                    world.load(topics, for: .seconds(1), named: "alone-\(round)")
                    world.keepHouse()
                    victim.start()
                }
            }
            world.book.ignored = Set(topics)
            world.addNode(settings).start()
            world.load(topics, for: .seconds(1), named: "joined")
            return world.settleAndCheck() + world.differentHistories(of: topics)
        }
    }

    @Test("keeps what was replicated when a node's disk is lost for good")
    func lostDisk() {
        SimulationSeeds.run { world in
            world.startCluster(of: Int.random(in: 3...4, using: &world.random))
            world.watchBounds()
            for topic in topics { world.create(topic, on: 0) }
            world.run(for: .seconds(1))
            world.network.weather = .storm
            world.load(topics, for: .seconds(1), named: "before")
            let victim = world.nodes.randomElement(using: &world.random)!
            for node in world.nodes { node.stop(.powerLost) }
            victim.loseDisk()
            world.book.lostDisks.insert(victim.index)
            for node in world.nodes.shuffled(using: &world.random) {
                node.start()
                world.run(for: .milliseconds(Int64.random(in: 0...500, using: &world.random)))
            }
            world.load(topics, for: .seconds(1), named: "after")
            return world.settleAndCheck()
        }
    }

    @Test("takes a member out while the network is cut or whole, and every node comes to know it, the removed one too")
    func removal() {
        SimulationSeeds.run { world in
            world.startCluster(of: Int.random(in: 3...5, using: &world.random))
            world.watchBounds()
            for topic in topics { world.create(topic, on: 0) }
            world.run(for: .seconds(1))
            world.load(topics, for: .seconds(1), named: "before")
            let victim = world.nodes.randomElement(using: &world.random)!
            victim.stop(world.random.chance(0.5) ? .powerLost : .killed)
            world.book.lostDisks.insert(victim.index)
            world.run(for: .milliseconds(Int.random(in: 0...4_000, using: &world.random)))
            if world.random.chance(0.5) { world.split() }
            world.load(topics, for: .milliseconds(500), named: "apart")
            // It may be back, on one side, before those who removed it can tell it so.
            if world.random.chance(0.4) { victim.start() }
            world.run(for: .milliseconds(Int.random(in: 0...2_000, using: &world.random)))
            let others = world.nodes.filter { $0.index != victim.index }
            let isRemoved = others.shuffled(using: &world.random).prefix(2)
                .map { world.remove(victim.index, on: $0.index) }.contains(true)
            world.load(topics, for: .seconds(2), named: "without")
            var broken = world.settleAndCheck()
            if !isRemoved { broken.append("nobody could remove a member") }
            if victim.isRunning || !victim.isRemoved { broken.append("the removed node was not told") }
            for process in world.nodes.compactMap(\.process) where process.members.contains(victim.id) {
                broken.append("node \(process.node.index) holds the removed one to be a member")
            }
            return broken
        }
    }

    @Test("refuses while a disk is full, and goes on when it has room again")
    func fullDisk() {
        SimulationSeeds.run { world in
            world.startCluster(of: 3)
            world.watchBounds()
            for topic in topics { world.create(topic, on: 0) }
            world.run(for: .seconds(1))
            world.load(topics, for: .seconds(1), named: "before")
            let victim = world.nodes.randomElement(using: &world.random)!
            victim.storage.capacity = victim.storage.size + Int.random(in: 0...2_000, using: &world.random)
            world.load(topics, for: .seconds(3), named: "full")
            if world.random.chance(0.3) {
                victim.stop(.powerLost)
                victim.start()
            }
            victim.storage.capacity = .max
            world.load(topics, for: .seconds(1), named: "room")
            return world.settleAndCheck()
        }
    }
}
