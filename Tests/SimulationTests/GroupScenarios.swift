import Model
import Simulator
import Testing

@Suite("Queue groups")
struct GroupScenarios {
    let topic: TopicName

    init() throws {
        topic = try TopicName("jobs")
    }

    private func shop(in world: World) -> Workshop {
        var settings = VirtualNode.Settings()
        settings.loops = world.random.chance(0.5) ? 2 : 1
        world.startCluster(of: 3, settings)
        world.create(topic, on: 0)
        world.run(for: .seconds(1))
        let shop = Workshop(of: topic, in: world)
        for node in 0..<3 { for _ in 0..<2 { shop.join(on: node) } }
        world.run(for: .seconds(7))
        return shop
    }

    @Test("give each message to one member, and once, where nothing fails")
    func once() {
        SimulationSeeds.run { world in
            let shop = shop(in: world)
            for node in 0..<3 { shop.publish(60, on: node) }
            world.run(for: .seconds(10))
            var broken = shop.missing
            if shop.promised.count != 180 { broken.append("\(shop.promised.count) of 180 were promised") }
            broken += shop.given.filter { $0.value != 1 }.keys.sorted().map { "\($0) was given more than once" }
            return broken
        }
    }

    @Test("give whatever was promised as replicated to somebody, whichever node dies, and give again what is forgotten")
    func death() {
        SimulationSeeds.run { world in
            let shop = shop(in: world)
            shop.forgetfulness = 0.1
            for node in 0..<3 { shop.publish(100, on: node) }
            world.run(for: world.random.chance(0.5) ? .milliseconds(20) : .milliseconds(400))
            let victim = world.nodes.randomElement(using: &world.random)!
            victim.stop(world.random.chance(0.5) ? .killed : .powerLost)
            if world.random.chance(0.5) { shop.leave() }
            _ = world.run(atMost: .seconds(60)) { shop.isAllGiven && world.now > .zero + .seconds(20) }
            var broken = shop.missing.map { "\($0) while node \(victim.index) was dead" }
            victim.start()
            world.run(for: .seconds(3))
            shop.join(on: victim.index)
            world.run(for: .seconds(3))
            shop.publish(20, on: victim.index)
            _ = world.run(atMost: .seconds(60)) { shop.isAllGiven && shop.promised.count >= 20 }
            broken += shop.missing
            return broken
        }
    }
}
