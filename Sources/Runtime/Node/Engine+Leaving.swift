import Broker
import Clustering
import Model

extension Engine {
    /// How long the others may take to hold all that this node holds before it stays after all.
    static let handOverLimit: Duration = .seconds(60)
    /// How long the others may take to note that it has left, once its disk has it.
    private static let farewellLimit: Duration = .seconds(10)

    /// Why this node may not leave the cluster as things are; nil when it may.
    func refusalToLeave() async -> Refusal? {
        let others = await clusterStatus().members.filter { $0.id != identity.id && $0.state != "left" }
        guard !others.isEmpty else {
            return .memberNeeded("this node is the only member: nobody is there to take over")
        }
        guard others.contains(where: { $0.state == "alive" && $0.isConnected }) else {
            return .memberNeeded("no other member is alive and connected: nobody is there to take over")
        }
        if let trouble = ledger.trouble { return .unavailable(trouble) }
        return await refusalOfOldVersions()
    }

    /// Takes nothing new from now on, and waits until every living member holds all that this node holds.
    func handOver() async -> Refusal? {
        ledger.setClosed("this node is leaving the cluster: use another one")
        control.post(.leaving)
        guard await awaitControl(Self.handOverLimit, { plane, now in plane.isHandedOver(at: now) }) else {
            return .unavailable(
                "the other members do not hold all that this node holds yet: see roost cluster, and ask again")
        }
        return nil
    }

    /// Goes on as a member, after a hand-over that did not come about.
    func stay() {
        control.post(.staying)
        ledger.setClosed(nil)
    }

    /// Writes into the registry that this node is no member any more, waits until the others know, and says good-bye.
    func part(user: String) async -> Result<RemovedMember, Refusal> {
        let sequence = record(DepartureRecord(node: identity.id, name: identity.name, user: user))
        let isKept = await awaitControl(Self.farewellLimit) { plane, now in
            plane.replication.syncedThrough >= sequence && (plane.isReleased || plane.isHandedOver(at: now))
        }
        control.post(.left)
        guard isKept else {
            let sentence = "this node has left, but no other member has confirmed it in time: have one of them forget"
            return .failure(.unavailable("\(sentence) \(identity.id)"))
        }
        return .success(
            RemovedMember(id: identity.id, name: identity.name, members: ledger.read { $0.registry.members.count }))
    }
}

extension ControlPlane {
    /// Whether every living member holds, on its disk, all that this node has synced.
    func isHandedOver(at now: MonotonicTime) -> Bool {
        let others = members.filter { $0.id != membership.local.id && $0.state.isLiving }
        return !others.isEmpty
            && others.allSatisfy { member in
                guard let lane = replication.lag(of: member.id, at: now) else { return false }
                return lane.isConnected && lane.lag == 0 && lane.unreceivedBytes == 0 && lane.holdsTheSame
            }
    }
}
