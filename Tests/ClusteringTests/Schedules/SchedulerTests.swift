import Clustering
import Model
import Testing

@Suite("A scheduler")
struct SchedulerTests {
    private let nodes = (1...3).map { NodeID(rawValue: UInt64($0)) }

    private func schedule(_ id: String = "s", every interval: Duration = .seconds(5), created: Int64 = 100_000)
        -> Schedule
    {
        Schedule(
            id: id, name: id, timing: .interval(interval), action: .query(sql: "SELECT 1", parameters: []),
            creator: Principal(user: "ann", roles: []), created: WallTime(milliseconds: created))
    }

    private func dues(_ firings: [Scheduler.Firing]) -> [Int64] { firings.map(\.due.milliseconds) }

    private func at(_ milliseconds: Int64) -> WallTime { WallTime(milliseconds: milliseconds) }

    /// The first two nodes in a schedule's order.
    private func order(_ schedule: Schedule) -> [NodeID] { Scheduler.order(of: schedule.id, nodes) }

    @Test("gives each schedule to one living member, and all of them their share")
    func shares() {
        var counts: [NodeID: Int] = [:]
        for number in 0..<300 {
            let order = Scheduler.order(of: "schedule_\(number)", nodes)
            #expect(order == Scheduler.order(of: "schedule_\(number)", nodes.reversed()) && Set(order).count == 3)
            counts[order[0], default: 0] += 1
            // Without its first member a schedule goes to the second, and no other moves.
            #expect(Scheduler.order(of: "schedule_\(number)", nodes.filter { $0 != order[0] }).first == order[1])
        }
        #expect(nodes.allSatisfy { counts[$0, default: 0] > 60 }, "\(counts)")
    }

    @Test("fires what is due once, at the member whose it is and nowhere else")
    func firing() {
        let schedule = schedule()
        var fired: [NodeID: [Int64]] = [:]
        var schedulers = Dictionary(uniqueKeysWithValues: nodes.map { ($0, Scheduler(own: $0)) })
        for time in stride(from: 100_000 as Int64, through: 120_000, by: 250) {
            for node in nodes {
                let firings = schedulers[node]!.advance(to: at(time), schedules: [schedule], living: nodes)
                fired[node, default: []] += dues(firings)
                if !firings.isEmpty { schedulers[node]!.finished(schedule.id) }
            }
        }
        #expect(fired[order(schedule)[0]] == [105_000, 110_000, 115_000, 120_000])
        #expect(order(schedule).dropFirst().allSatisfy { fired[$0] == [] })
    }

    @Test("makes up for the last half minute of a member that died, and for no more")
    func makingUp() {
        let schedule = schedule()
        let heir = order(schedule)[1]
        var scheduler = Scheduler(own: heir)
        #expect(scheduler.advance(to: at(200_000), schedules: [schedule], living: nodes).isEmpty)
        let living = nodes.filter { $0 != order(schedule)[0] }
        let firings = scheduler.advance(to: at(202_000), schedules: [schedule], living: living)
        #expect(dues(firings) == [175_000, 180_000, 185_000, 190_000, 195_000, 200_000])
        #expect(firings.allSatisfy { $0.schedule == schedule })
    }

    @Test("passes over what came due while the node was away for longer, and before a schedule was created")
    func downtime() {
        let owner = order(schedule())[0]
        var scheduler = Scheduler(own: owner)
        #expect(dues(scheduler.advance(to: at(106_000), schedules: [schedule()], living: nodes)) == [105_000])
        scheduler.finished("s")
        #expect(dues(scheduler.advance(to: at(4_000_000), schedules: [schedule()], living: nodes)).first == 3_975_000)
        var other = Scheduler(own: owner)
        #expect(other.advance(to: at(104_000), schedules: [schedule()], living: nodes).isEmpty)
    }

    @Test("does not begin a schedule again while it is under way")
    func overlaps() {
        let schedule = schedule(every: .seconds(1))
        var scheduler = Scheduler(own: order(schedule)[0])
        #expect(dues(scheduler.advance(to: at(101_000), schedules: [schedule], living: nodes)) == [101_000])
        #expect(scheduler.advance(to: at(102_000), schedules: [schedule], living: nodes).isEmpty)
        scheduler.finished("s")
        #expect(dues(scheduler.advance(to: at(103_000), schedules: [schedule], living: nodes)) == [103_000])
    }

    @Test("fires on both sides of a partition under one id")
    func partition() {
        let schedule = schedule()
        let order = order(schedule)
        var (left, right) = (Scheduler(own: order[0]), Scheduler(own: order[1]))
        let here = left.advance(to: at(105_500), schedules: [schedule], living: [order[0]])
        let there = right.advance(to: at(105_700), schedules: [schedule], living: [order[1], order[2]])
        #expect(here == there && dues(here) == [105_000])
        #expect(schedule.firingID(due: here[0].due) == "s@105000")
    }
}
