import Clustering
import Model
import Testing

@Suite("Errands on a lane")
struct ErrandTests {
    private func bench(
        _ settings: ReplicationSettings = ReplicationSettings(), rightVersions: WireVersions = .spoken
    ) -> LaneBench {
        var bench = LaneBench(settings, rightVersions: rightVersions)
        let (left, right) = (bench.left.id, bench.right.id)
        bench.left.act { $0.reachable(right, true, at: .zero, into: &$2) }
        bench.right.act { $0.reachable(left, true, at: .zero, into: &$2) }
        bench.settle()
        return bench
    }

    private func parcel(_ text: String, to node: NodeID) -> ErrandParcel {
        ErrandParcel(to: node, loop: 5, from: 1, Array(text.utf8))
    }

    private func responder(_ connection: String) throws -> PresenceChange {
        .set(
            PresenceKey(.responder, in: try TopicName("work"), connection: connection),
            PresenceEntry(user: "", since: WallTime(milliseconds: 1)))
    }

    @Test("come once and in order, whatever is lost on the way")
    func order() {
        var bench = bench()
        let right = bench.right.id
        for number in 0..<100 {
            bench.left.act { [self] in $0.carry(parcel("\(number)", to: right), at: .zero, into: &$2); _ = $1 }
        }
        bench.deliverRight { $0 % 3 == 1 }
        for round in 1...10 {
            let now = MonotonicTime.zero + .milliseconds(300 * round)
            bench.left.advance(to: now)
            bench.right.advance(to: now)
            bench.settle(at: now)
        }
        #expect(bench.right.errands == (0..<100).map { "\($0)" } && bench.left.lost.isEmpty)
    }

    @Test("come back where there is no lane, none that is alive, no words for them or no room")
    func lost() {
        var settings = ReplicationSettings()
        settings.errandBytes = 8
        var bench = bench(settings)
        let right = bench.right.id
        func carry(_ text: String, to node: NodeID, on bench: inout LaneBench) {
            bench.left.act { [self] in $0.carry(parcel(text, to: node), at: .zero, into: &$2); _ = $1 }
        }
        carry("1", to: NodeID(rawValue: 9), on: &bench)
        carry("123456789", to: right, on: &bench)
        bench.left.act { $0.reachable(right, false, at: .zero, into: &$2) }
        carry("3", to: right, on: &bench)
        #expect(bench.left.lost.map { String(decoding: $0.bytes, as: UTF8.self) } == ["1", "123456789", "3"])
        var old = self.bench(rightVersions: WireVersions(3...3))
        carry("4", to: right, on: &old)
        #expect(old.left.lost.count == 1)
    }

    @Test("are preceded by the word that their responder is there, which is confirmed once every peer has it")
    func confirmation() throws {
        var bench = bench()
        let changes = [try responder("a")]
        bench.left.act { $0.announced(changes, at: .zero, into: &$2); _ = $1 }
        bench.left.act { $0.confirmAnnouncements(loop: 0, id: 7, at: .zero, into: &$2); _ = $1 }
        #expect(bench.left.confirmed.isEmpty)
        bench.settle()
        #expect(bench.left.confirmed == [7] && bench.right.shifts.map(\.key.connection) == ["a"])
        // Nothing new has to be taken: it is confirmed at once, and also while nobody else is alive.
        bench.left.act { $0.confirmAnnouncements(loop: 0, id: 8, at: .zero, into: &$2); _ = $1 }
        let right = bench.right.id
        let more = [try responder("b")]
        bench.left.act { $0.announced(more, at: .zero, into: &$2); _ = $1 }
        bench.left.act { $0.confirmAnnouncements(loop: 0, id: 9, at: .zero, into: &$2); _ = $1 }
        bench.left.act { $0.reachable(right, false, at: .zero, into: &$2) }
        #expect(bench.left.confirmed == [7, 8, 9])
    }

    @Test("are not announced to a peer of an earlier version, which counts the same changes nevertheless")
    func earlierVersion() throws {
        var bench = bench(rightVersions: WireVersions(3...3))
        let room = try TopicName("room")
        func member(_ connection: String) -> PresenceChange {
            .set(
                PresenceKey(.member, in: room, connection: connection),
                PresenceEntry(user: "", since: WallTime(milliseconds: 1)))
        }
        for changes in [[member("a")], [try responder("x")], [member("b"), try responder("y")], [member("c")]] {
            bench.left.act { $0.announced(changes, at: .zero, into: &$2); _ = $1 }
            bench.settle()
        }
        #expect(bench.right.replication.counters.framesMalformed == 0)
        #expect(bench.right.replication.members(of: room).map(\.connection).sorted() == ["a", "b", "c"])
        #expect(bench.right.shifts.map(\.key.connection) == ["a", "b", "c"])
    }
}
