import Broker
import Model
import Testing

@Suite("A shard that is asked for figures")
struct ReportingTests {
    private let access = AccessPolicy(roles: [
        "user": [Grant([.read], on: [.everything])], "watcher": [Grant([.monitor], on: [.everything])],
    ])

    @Test("gives the cluster to every user, and figures to those who may monitor")
    func access_() {
        let bench = Bench(access: access)
        let (user, watcher) = (bench.open(0), bench.open(1, Principal(user: "wat", roles: ["watcher"])))
        bench.send(.cluster, from: user)
        bench.report()
        bench.send(.figures, from: user)
        bench.send(.followFigures, from: user)
        bench.send(.figures, from: watcher)
        bench.report()
        let refused = #"refused PERMISSION_DENIED: no permission to monitor on topic "$monitor""#
        #expect(bench.lines(user) == ["opened alice", "cluster roost seen by a", refused, refused])
        #expect(bench.lines(watcher) == ["opened wat", "figures of a"])
        #expect(bench.reports.isEmpty)
    }

    @Test("asks once a second for all who follow, and not at all when nobody does")
    func following() {
        let bench = Bench(access: access)
        let watchers = (0..<3).map { bench.open($0, Principal(user: "wat", roles: ["watcher"])) }
        for watcher in watchers { bench.send(.followFigures, from: watcher) }
        bench.wait(.zero)
        #expect(bench.reports.count == 1)
        bench.report()
        bench.wait(.milliseconds(999))
        #expect(bench.reports.isEmpty)
        bench.wait(.milliseconds(1))
        bench.congest(watchers[1])
        bench.report("b")
        #expect(bench.lines(watchers[0]).suffix(3) == ["following figures", "figures of a now", "figures of b now"])
        #expect(bench.lines(watchers[1]).suffix(2) == ["following figures", "figures of a now"])
        for watcher in watchers { bench.close(watcher) }
        bench.wait(.seconds(10))
        #expect(bench.reports.isEmpty)
    }

    @Test("stops telling whoever may no longer monitor")
    func revoked() {
        let bench = Bench(access: access)
        let watcher = bench.open(0, Principal(user: "wat", roles: ["watcher"]))
        bench.send(.followFigures, from: watcher)
        bench.run { $0.setAccess(AccessPolicy(roles: [:]), into: &$1) }
        bench.wait(.zero)
        #expect(bench.lines(watcher) == ["opened wat", "following figures", "figures ended PERMISSION_DENIED"])
        #expect(bench.reports.isEmpty)
    }

    @Test("heeds a token that narrows what its holder may read")
    func narrowed() {
        func refusal(_ filters: [TopicFilter]) -> Refusal? {
            let narrowing = TopicNarrowing(read: filters, write: [], manage: [])
            return AccessPolicy.standard.decidesMonitoring(
                for: Principal(user: "root", roles: ["admin"], narrowing: narrowing))
        }
        #expect(refusal([filter("chat/#")]) != nil)
        #expect(refusal([.everything]) == nil)
        #expect(refusal([filter("$monitor")]) == nil)
    }
}
