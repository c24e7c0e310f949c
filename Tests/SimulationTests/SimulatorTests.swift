import Model
import Simulator
import Testing

@Suite("The simulator")
struct SimulatorTests {
    @Test("runs a seed the same way every time, and another seed in another way")
    func determinism() throws {
        var hashes: [UInt64: UInt64] = [:]
        for seed in [7, 8, 7, 8] as [UInt64] {
            let world = World(seed: seed)
            _ = try Self.scenario(world)
            let hash = world.trace.hash
            if let known = hashes.updateValue(hash, forKey: seed) {
                #expect(known == hash, "seed \(seed) ran in two ways")
            }
        }
        #expect(hashes[7] != hashes[8])
    }

    @Test("finds nothing wrong with nodes that all lose power at once")
    func blackouts() throws { try SimulationSeeds.run { try Self.scenario($0) } }

    /// Clients publish and follow while nodes lose power.
    private static func scenario(_ world: World) throws -> [String] {
        let topics = [try TopicName("one"), try TopicName("two")]
        world.startCluster(of: 3)
        world.watchBounds()
        for topic in topics { world.create(topic, on: 0) }
        world.run(for: .milliseconds(500))
        let clients = world.clients(3, following: topics)
        for client in clients { client.attach() }
        for _ in 0..<2 {
            world.chatter(clients, topics, for: .milliseconds(500))
            for _ in 0..<20 {
                world.chatter(clients, topics, for: .microseconds(400))
            }
            // Everybody loses power at once: only what is synced may count.
            for node in world.nodes { node.stop(.powerLost) }
            for node in world.nodes { node.start() }
            world.run(for: .seconds(1))
        }
        return world.check(clients, topics)
    }
}
