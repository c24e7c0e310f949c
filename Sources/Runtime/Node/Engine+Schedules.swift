import Broker
import Clustering
import Model

extension Engine {
    /// How long a change of schedules may take to be on this node's disk.
    private static let storingLimit: Duration = .seconds(10)

    package func schedules() -> [Schedule] { ledger.read { $0.registry.liveSchedules } }

    package func addSchedule(_ schedule: Schedule) async -> Result<Schedule, Refusal> {
        if let refusal = await refusalOfOldVersions(WireVersions.schedules, "schedules can be created") {
            return .failure(refusal)
        }
        return await write(.created(schedule)).map { schedule }
    }

    package func removeSchedule(_ id: String) async -> Result<Void, Refusal> {
        await write(.removed(id: id))
    }

    /// Why a schedule more is not taken.
    private static func refusal(of change: ScheduleChange, _ registry: Registry) -> Refusal? {
        guard case .created(let schedule) = change else { return nil }
        return registry.limit(metBy: schedule, isOfAdmin: schedule.creator.roles.contains(AccessPolicy.admin))
            .map { .scheduleLimit($0) }
    }

    private func write(_ change: ScheduleChange) async -> Result<Void, Refusal> {
        if let trouble = ledger.trouble { return .failure(.unavailable(trouble)) }
        let now = settings.clock().wall
        let outcome: Result<UInt64, Refusal> = ledger.sequence(from: nil) { sequencer, batch in
            if let refusal = Self.refusal(of: change, sequencer.registry) { return .failure(refusal) }
            sequencer.schedule(change, at: now, into: &batch)
            return .success(sequencer.sequence)
        }
        let sequence: UInt64
        switch outcome {
        case .failure(let refusal): return .failure(refusal)
        case .success(let given): sequence = given
        }
        guard await awaitControl(Self.storingLimit, { plane, _ in plane.replication.syncedThrough >= sequence }) else {
            return .failure(.unavailable("the schedule is not on this node's disk yet; whether it will be is unknown"))
        }
        return .success(())
    }
}
