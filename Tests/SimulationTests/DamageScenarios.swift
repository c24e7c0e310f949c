import Journal
import Model
import Simulator
import Testing

@Suite("Damaged disks")
struct DamageScenarios {
    let topics: [TopicName]

    init() throws {
        topics = try (0..<3).map { try TopicName("topic/\($0)") }
    }

    private var settings: VirtualNode.Settings {
        var settings = VirtualNode.Settings()
        settings.log.segmentBytes = 4_096
        settings.log.cacheBytes = 2_048
        settings.replication.tailBytes = 8_192
        settings.replication.readBytes = 4_096
        return settings
    }

    @Test("are whole again from peers when closed segments are damaged while nodes run")
    func running() {
        SimulationSeeds.run { world in
            begin(&world.random, world)
            for round in 0..<3 {
                world.load(topics, for: .seconds(1), named: "round-\(round)")
                world.run(for: .seconds(2))
                let victim = world.nodes.randomElement(using: &world.random)!
                for file in victim.segmentFiles.dropLast() where world.random.chance(0.4) {
                    victim.damage(file, random: &world.random)
                }
                scrub(world)
                if world.random.chance(0.3) { world.keepHouse() }
                world.run(for: .seconds(1))
            }
            return settle(world)
        }
    }

    @Test("are whole again from peers when they are damaged before a node starts, its own earlier records among them")
    func starting() {
        SimulationSeeds.run { world in
            begin(&world.random, world)
            for round in 0..<3 {
                world.load(topics, for: .seconds(1), named: "round-\(round)")
                let victim = world.nodes.randomElement(using: &world.random)!
                world.run(for: .seconds(2))
                victim.stop(world.random.chance(0.5) ? .powerLost : .killed)
                for file in victim.segmentFiles.dropLast() where world.random.chance(0.5) {
                    victim.damage(file, random: &world.random)
                }
                world.load(topics, for: .milliseconds(500), named: "without-\(round)")
                victim.start()
                world.load(topics, for: .milliseconds(500), named: "with-\(round)")
            }
            return settle(world)
        }
    }

    @Test("do not make a node tell a newcomer that what it has lost is absent")
    func newcomer() {
        SimulationSeeds.run { world in
            begin(&world.random, world)
            for round in 0..<2 { world.load(topics, for: .seconds(1), named: "round-\(round)") }
            world.run(for: .seconds(2))
            for node in world.nodes {
                // Each file is damaged on one node at most, so that a holder is left.
                for (index, file) in node.segmentFiles.dropLast().enumerated() where index % 9 == node.index * 3 {
                    node.damage(file, random: &world.random)
                }
            }
            let victim = world.nodes.randomElement(using: &world.random)!
            victim.stop(.killed)
            world.addNode(settings).start()
            world.load(topics, for: .seconds(1), named: "joined")
            victim.start()
            return settle(world)
        }
    }

    @Test("that were put back from an older copy get what they lack, and nothing is numbered twice")
    func olderCopy() {
        SimulationSeeds.run { world in
            begin(&world.random, world)
            world.load(topics, for: .seconds(1), named: "before")
            let victim = world.nodes.randomElement(using: &world.random)!
            victim.stop(.killed)
            let copy = victim.copyDisk()
            victim.start()
            world.run(for: .seconds(2))
            world.load(topics, for: .seconds(1), named: "after-copy")
            world.run(for: .seconds(3))
            victim.stop(.powerLost)
            victim.restoreDisk(copy)
            world.book.lostDisks.insert(victim.index)
            victim.start()
            world.load(topics, for: .seconds(1), named: "restored")
            return settle(world) + repeatedNumbers(world)
        }
    }

    private func begin(_ random: inout RandomSource, _ world: World) {
        world.startCluster(of: 3, settings)
        world.watchBounds()
        for topic in topics { world.create(topic, on: Int.random(in: 0..<3, using: &random)) }
        world.run(for: .seconds(1))
    }

    /// Lets every node go through its whole log twice, so that what is damaged is found.
    private func scrub(_ world: World) {
        for process in world.nodes.compactMap(\.process) {
            for _ in 0..<2 * process.disk.log.segmentCount + 2 { process.disk.scrub() }
        }
    }

    /// Recovers, lets every node look at its whole log, and gives what is wrong then.
    private func settle(_ world: World) -> [String] {
        world.recover()
        world.run(for: .seconds(5))
        scrub(world)
        return world.settleAndCheck() + world.differentHistories(of: topics) + lostMessages(world)
    }

    /// Gaps that a node's history has, though another holder had all.
    private func lostMessages(_ world: World) -> [String] {
        world.nodes.compactMap(\.process).flatMap { process in
            topics.compactMap { topic in
                let gaps = process.historyGaps(of: topic)
                return gaps.isEmpty ? nil : "node \(process.node.index) has lost \(gaps.count) stretches of \(topic)"
            }
        }
    }

    private func repeatedNumbers(_ world: World) -> [String] {
        topics.compactMap { topic in
            guard let history = world.nodes.compactMap(\.process).first?.history(of: topic) else { return nil }
            let places = Set(history.map { "\($0.partition) \($0.offset)" })
            return places.count == history.count ? nil : "offsets of \(topic) were given twice"
        }
    }
}
