import Broker
import Clustering
import Model

extension Engine {
    /// How long a removal may take to be on this node's disk before whoever asked is told that it was not.
    private static let removalLimit: Duration = .seconds(10)

    package func forget(_ member: String, isForced: Bool, user: String) async -> Result<RemovedMember, Refusal> {
        let status = await clusterStatus()
        let target: ClusterStatus.Member
        switch Self.find(member, in: status.members) {
        case .success(let found): target = found
        case .failure(let refusal): return .failure(refusal)
        }
        guard target.state != "left" else { return .success(removed(target)) }
        if let refusal = refusalToForget(target, in: status, isForced: isForced) { return .failure(refusal) }
        if let refusal = await refusalOfOldVersions() { return .failure(refusal) }
        if let trouble = ledger.trouble { return .failure(.unavailable(trouble)) }
        logger.notice(
            "an operator removes a member",
            metadata: ["node": "\(target.id)", "name": "\(target.name)", "user": "\(user)"])
        let sequence = record(DepartureRecord(node: target.id, name: target.name, user: user))
        guard await awaitControl(Self.removalLimit, { plane, _ in plane.replication.syncedThrough >= sequence }) else {
            return .failure(.unavailable("the removal is not on this node's disk yet: ask again"))
        }
        return .success(removed(target))
    }

    package func leave(user: String) async -> Result<RemovedMember, Refusal> {
        if let refusal = await refusalToLeave() { return .failure(refusal) }
        return await withCheckedContinuation { continuation in
            tell(.asksToLeave(user: user) { continuation.resume(returning: $0) })
        }
    }

    /// Sequences a removal; gives the local sequence that must be synced for it to last.
    func record(_ departure: DepartureRecord) -> UInt64 {
        let now = settings.clock().wall
        return ledger.sequence(from: nil) { sequencer, batch in
            sequencer.remove(departure, at: now, into: &batch)
            return sequencer.sequence
        }
    }

    /// Asks the control plane again and again until something holds, or the time is over; whether it does.
    func awaitControl(
        _ patience: Duration, _ holds: @escaping @Sendable (ControlPlane, MonotonicTime) -> Bool
    ) async -> Bool {
        let deadline = settings.clock().monotonic + patience
        do {
            while try await !control.inspect(holds) {
                guard settings.clock().monotonic < deadline else { return false }
                try await Task.sleep(for: .milliseconds(20))
            }
            return true
        } catch {
            return false
        }
    }

    func removed(_ member: ClusterStatus.Member) -> RemovedMember {
        RemovedMember(id: member.id, name: member.name, members: ledger.read { $0.registry.members.count })
    }

    /// The member that an operator means: by its id, or by its name where no other has that.
    private static func find(
        _ text: String, in members: [ClusterStatus.Member]
    ) -> Result<ClusterStatus.Member, Refusal> {
        if let found = members.first(where: { $0.id.description == text }) { return .success(found) }
        let named = members.filter { $0.name == text && $0.state != "left" }
        if named.count == 1 { return .success(named[0]) }
        func list(_ members: [ClusterStatus.Member]) -> String {
            members.map { "\($0.id) (\($0.name), \($0.state))" }.joined(separator: ", ")
        }
        guard named.isEmpty else {
            let sentence = "several members are called \"\(text)\"; name one by its id"
            return .failure(.invalidMessage("\(sentence): \(list(named))"))
        }
        return .failure(.memberUnknown("no member is called \"\(text)\"; there are \(list(members))"))
    }

    private func refusalToForget(
        _ target: ClusterStatus.Member, in status: ClusterStatus, isForced: Bool
    ) -> Refusal? {
        if target.id == identity.id {
            return .memberNeeded("\(target.name) is the node that was asked; to take it out, have it leave")
        }
        if target.state == "alive" || target.state == "suspect" {
            return .memberNeeded("\(target.name) (\(target.id)) is \(target.state): stop it first, or have it leave")
        }
        let members = status.members.filter { $0.state != "left" }
        let living = members.filter { $0.state == "alive" || $0.state == "suspect" }
        if !isForced, living.count * 2 <= members.count {
            return .memberNeeded(
                "only \(living.count) of \(members.count) members are alive as seen from here, which may be the smaller "
                    + "side of a partition; when the others are lost for good, ask again with force")
        }
        return nil
    }

    /// Why the registry may not hold something yet: a living member runs a build that cannot read it.
    func refusalOfOldVersions(
        _ version: UInt8 = WireVersions.departures, _ what: String = "members can be removed"
    ) async -> Refusal? {
        let old: [Member]
        do {
            old = try await control.inspect { plane, _ in
                plane.members.filter { $0.state.isLiving && $0.wireVersion < version }
            }
        } catch {
            return .draining
        }
        guard !old.isEmpty else { return nil }
        let names = old.map { "\($0.name) speaks version \($0.wireVersion)" }.joined(separator: ", ")
        return .memberNeeded(
            "\(what) once all that live speak version \(version) of the wire format, and "
                + "\(names): upgrade first")
    }
}
