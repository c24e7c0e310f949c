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
        return await write(.created(schedule), limit: Schedule.limit).map { schedule }
    }

    package func removeSchedule(_ id: String) async -> Result<Void, Refusal> {
        await write(.removed(id: id), limit: .max)
    }

    private func write(_ change: ScheduleChange, limit: Int) async -> Result<Void, Refusal> {
        if let trouble = ledger.trouble { return .failure(.unavailable(trouble)) }
        let now = settings.clock().wall
        let sequence: UInt64? = ledger.sequence(from: nil) { sequencer, batch in
            guard sequencer.registry.liveSchedules.count < limit else { return nil }
            sequencer.schedule(change, at: now, into: &batch)
            return sequencer.sequence
        }
        guard let sequence else { return .failure(.scheduleLimit(limit)) }
        guard await awaitControl(Self.storingLimit, { plane, _ in plane.replication.syncedThrough >= sequence }) else {
            return .failure(.unavailable("the schedule is not on this node's disk yet; whether it will be is unknown"))
        }
        return .success(())
    }
}
