import Clustering
import Journal
import Model
import Testing

@Suite("Presence on a lane")
struct PresenceTests {
    private let topic: TopicName

    init() throws {
        topic = try TopicName("room")
    }

    private func key(_ connection: String) -> PresenceKey { PresenceKey(.member, in: topic, connection: connection) }

    private func entry(_ user: String, state: String = "") -> PresenceEntry {
        PresenceEntry(user: user, since: WallTime(milliseconds: 7), state: Array(state.utf8))
    }

    /// Two nodes that hold each other alive.
    private func bench() -> LaneBench {
        var bench = LaneBench()
        let (left, right) = (bench.left.id, bench.right.id)
        bench.left.act { $0.reachable(right, true, at: .zero, into: &$2) }
        bench.right.act { $0.reachable(left, true, at: .zero, into: &$2) }
        bench.settle()
        return bench
    }

    private func announce(_ changes: [PresenceChange], at now: MonotonicTime = .zero, on end: inout LaneEnd) {
        end.act { replication, _, effects in replication.announced(changes, at: now, into: &effects) }
    }

    private func names(_ end: LaneEnd) -> [String] {
        end.replication.members(of: topic).map { "\($0.connection)=\($0.entry.user)" }.sorted()
    }

    private func told(_ end: inout LaneEnd) -> [String] {
        defer { end.shifts = [] }
        return end.shifts.map { "\($0.what) \($0.key.connection) \($0.count)" }
    }

    @Test("tells both sides of who comes, changes and goes, with how many there are")
    func changes() {
        var bench = bench()
        announce([.set(key("a"), entry("ann")), .set(key("b"), entry("bob"))], on: &bench.left)
        announce([.set(key("c"), entry("cid"))], on: &bench.right)
        bench.settle()
        #expect(told(&bench.left) == ["joined a 1", "joined b 2", "joined c 3"])
        #expect(told(&bench.right) == ["joined c 1", "joined a 2", "joined b 3"])
        announce([.set(key("a"), entry("ann", state: "1")), .remove(key("b")), .remove(key("b"))], on: &bench.left)
        announce([.set(key("c"), entry("cid"))], on: &bench.right)
        bench.settle()
        #expect(told(&bench.left) == ["updated a 3", "left b 2"])
        #expect(told(&bench.right) == ["updated a 3", "left b 2"])
        #expect(names(bench.left) == ["a=ann", "c=cid"] && names(bench.right) == names(bench.left))
    }

    @Test("is forgotten when membership holds the node dead, and told whole when it lives after all")
    func verdict() {
        var bench = bench()
        announce((0..<1_000).map { .set(key("a\($0)"), entry("ann")) }, on: &bench.left)
        bench.settle()
        bench.right.shifts = []
        let left = bench.left.id
        bench.right.act { $0.reachable(left, false, at: .zero, into: &$2) }
        #expect(names(bench.right).isEmpty)
        #expect(bench.right.shifts.count == 1_000 && bench.right.shifts.last?.count == 0)
        // A frame of a node that is held dead announces nobody: no verdict would ever take it away.
        announce([.set(key("late"), entry("late"))], on: &bench.left)
        bench.settle()
        #expect(names(bench.right).isEmpty)
        bench.right.act { $0.reachable(left, true, at: .zero, into: &$2) }
        for round in 1...8 {
            let now = MonotonicTime.zero + .milliseconds(300 * round)
            bench.left.advance(to: now)
            bench.right.advance(to: now)
            bench.settle(at: now)
        }
        #expect(names(bench.right) == names(bench.left) && names(bench.right).count == 1_001)
    }

    @Test("of another process of the node takes the place of the one before")
    func reboot() {
        var bench = bench()
        announce([.set(key("a"), entry("ann"))], on: &bench.left)
        bench.settle()
        bench.right.shifts = []
        let left = bench.left.id
        bench.right.act { $0.opened(left, boot: Boot(high: 9, low: 9), at: .zero, into: &$2) }
        #expect(told(&bench.right) == ["left a 0"] && names(bench.right).isEmpty)
    }

    @Test("comes whole where a peer lacks more changes than are kept")
    func many() {
        var bench = bench()
        announce([.set(key("first"), entry("ann"))], on: &bench.left)
        bench.settle()
        let right = bench.right.id
        bench.left.act { $0.reachable(right, false, at: .zero, into: &$2) }
        for round in 0..<40_000 {
            announce([round % 2 == 0 ? .set(key("x"), entry("\(round)")) : .remove(key("x"))], on: &bench.left)
        }
        announce([.set(key("last"), entry("bob"))], on: &bench.left)
        bench.left.act { $0.reachable(right, true, at: .zero, into: &$2) }
        bench.left.advance(to: .zero + .milliseconds(300))
        bench.settle(at: .zero + .milliseconds(300))
        #expect(names(bench.right) == ["first=ann", "last=bob"])
    }
}
