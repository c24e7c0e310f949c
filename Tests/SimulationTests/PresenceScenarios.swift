import Model
import Simulator
import Testing

@Suite("Presence")
struct PresenceScenarios {
    let topic: TopicName

    init() throws {
        topic = try TopicName("room")
    }

    @Test("is exact on every node and for every member after churn, storms, a crash, a partition and a restart")
    func churn() {
        SimulationSeeds.run { world in
            var settings = VirtualNode.Settings()
            settings.loops = world.random.chance(0.5) ? 2 : 1
            world.startCluster(of: 3, settings)
            world.create(topic, on: 0)
            world.run(for: .seconds(1))
            let crowd = Crowd(of: topic, in: world)
            crowd.churn(150, around: 40)
            if world.random.chance(0.5) { world.network.weather = .storm }
            crowd.churn(100, around: 40)
            let victim = world.nodes.randomElement(using: &world.random)!
            victim.stop(world.random.chance(0.5) ? .killed : .powerLost)
            crowd.churn(100, around: 40)
            world.network.heal()
            crowd.churn(50, around: 40)
            world.run(for: .seconds(6))
            var broken = crowd.ghosts(of: victim.index)
            victim.start()
            crowd.churn(50, around: 40)
            world.split()
            crowd.churn(100, around: 40, within: .milliseconds(100))
            world.network.heal()
            crowd.churn(50, around: 40)
            world.run(for: .seconds(20))
            broken += crowd.errors()
            return broken
        }
    }

    @Test("of a dead node is gone when its death is found out, and no later")
    func ghosts() {
        SimulationSeeds.run { world in
            world.startCluster(of: 3)
            world.create(topic, on: 0)
            world.run(for: .seconds(1))
            let crowd = Crowd(of: topic, in: world)
            for _ in 0..<30 { crowd.join() }
            world.run(for: .seconds(2))
            var broken = crowd.errors()
            let victim = world.nodes.randomElement(using: &world.random)!
            victim.stop(.killed)
            let isGone = world.run(atMost: .seconds(5)) { crowd.ghosts(of: victim.index).isEmpty }
            if !isGone { broken += crowd.ghosts(of: victim.index) }
            world.run(for: .seconds(1))
            broken += crowd.errors()
            return broken
        }
    }
}
