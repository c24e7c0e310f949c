import Clustering
import Model
import Simulator
import Testing

@Suite("Schedules")
struct ScheduleScenarios {
    let topic: TopicName

    init() throws {
        topic = try TopicName("fired")
    }

    private func schedule(_ id: String) -> Schedule {
        Schedule(
            id: id, name: id, timing: .interval(.seconds(1)), action: .query(sql: "SELECT 1", parameters: []),
            creator: Principal(user: "ann", roles: ["user"]), created: WallTime(milliseconds: 0))
    }

    @Test("fire once in history, and leave nothing out, though a partition has both sides fire and nodes are killed")
    func once() {
        SimulationSeeds.run { world in
            world.startCluster(of: 3)
            world.watchBounds()
            world.create(topic, on: 0)
            world.run(for: .seconds(1))
            var schedulers: [Scheduler?] = Array(repeating: nil, count: 3)
            var (fired, dues): (Int, Set<Int64>) = (0, [])
            world.schedule(.created(schedule("a")), on: 0)
            world.schedule(.created(schedule("b")), on: 1)
            let victim = world.nodes.randomElement(using: &world.random)!
            for step in 0..<200 {
                switch step {
                case 40: world.split()
                case 100: world.network.heal()
                case 130: victim.stop(.killed)
                case 180: victim.start()
                default: break
                }
                let times = world.fire(&schedulers, into: topic)
                fired += times.count
                dues.formUnion(times.map(\.milliseconds))
                world.run(for: .milliseconds(100))
            }
            var broken = world.settleAndCheck()
            let sorted = dues.sorted()
            // Every second from the first firing to the last.
            for (one, next) in zip(sorted, sorted.dropFirst()) where next - one != 1_000 {
                broken.append("nothing was fired between \(one) and \(next)")
            }
            if fired <= dues.count { broken.append("no time was fired by two nodes: the seed shows nothing") }
            return broken
        }
    }

    @Test("created and removed on both sides of a partition are the same everywhere after it")
    func converging() {
        SimulationSeeds.run { world in
            world.startCluster(of: 3)
            world.watchBounds()
            world.schedule(.created(schedule("old")), on: 0)
            world.run(for: .seconds(1))
            world.split()
            for node in 0..<3 {
                world.schedule(.created(schedule("new-\(node)")), on: node)
                world.schedule(.removed(id: "old"), on: node)
            }
            world.run(for: .seconds(3))
            world.network.heal()
            var broken = world.settleAndCheck()
            for node in world.nodes {
                let known = world.schedules(on: node.index).map(\.id)
                if known.sorted() != ["new-0", "new-1", "new-2"] { broken.append("node \(node.index) has \(known)") }
            }
            return broken
        }
    }
}
