import Broker
import Hummingbird
import HummingbirdCore
import JSON
import Model

/// `/api/v1/schedules`: whoever may do a thing may have it done at certain times, and sees and removes what is their own;
/// an admin sees and removes every schedule.
extension RESTDoor {
    func listSchedules(_ request: Request, _ context: RoostContext) async throws -> Response {
        let seen = try await visibleSchedules(request, context)
        return .success { writer in
            writer.beginObject()
            writer.key("schedules")
            writer.beginArray()
            for schedule in seen { writer.schedule(schedule, at: settings.clock().wall) }
            writer.endArray()
            writer.endObject()
        }
    }

    func schedule(_ request: Request, _ context: RoostContext) async throws -> Response {
        let found = try await visibleSchedule(request, context)
        return .success { $0.schedule(found, at: settings.clock().wall) }
    }

    func createSchedule(_ request: Request, _ context: RoostContext) async throws -> Response {
        let principal = try principal(request).get()
        let body = try RequestReading.object(try await read(request))
        let schedule = try ScheduleReading.schedule(
            body, id: "schedule_\(hexadecimal(.random(in: 0 ... .max), digits: 16))", creator: principal,
            at: settings.clock().wall)
        if let refusal = await refusal(of: schedule, context) { throw refusal }
        let made = try await services.addSchedule(schedule).get()
        return .success(.created) { $0.schedule(made, at: settings.clock().wall) }
    }

    func removeSchedule(_ request: Request, _ context: RoostContext) async throws -> Response {
        let found = try await visibleSchedule(request, context)
        try await services.removeSchedule(found.id).get()
        return .success { writer in
            writer.beginObject()
            writer.key("id")
            writer.string(found.id)
            writer.key("removed")
            writer.bool(true)
            writer.endObject()
        }
    }

    /// Why its creator may not do now what the schedule does.
    private func refusal(of schedule: Schedule, _ context: RoostContext) async -> Refusal? {
        switch schedule.action {
        case .publish(let topic, _, _, _):
            return await front(of: context).refusal(of: .write, on: topic, to: schedule.creator)
        case .query(let sql, _):
            guard let statement = try? SQLStatement(sql) else { return .queryWrong("the query cannot be read") }
            for table in statement.tables {
                guard let topic = try? TopicName(table.name) else { return .tableUnknown(table.name) }
                if await front(of: context).refusal(of: .read, on: topic, to: schedule.creator) != nil {
                    return .tableUnknown(table.name)
                }
            }
            return nil
        }
    }

    private func visibleSchedules(_ request: Request, _ context: RoostContext) async throws -> [Schedule] {
        let principal = try principal(request).get()
        let isAdmin =
            await front(of: context).refusal(
                of: .manage, on: try RequestReading.topicName(ScheduleRunner.topic), to: principal) == nil
        return services.schedules().filter { isAdmin || $0.creator.user == principal.user }
    }

    /// The one that the path names; another's is not there.
    private func visibleSchedule(_ request: Request, _ context: RoostContext) async throws -> Schedule {
        let id = String(request.uri.path.dropFirst("/api/v1/schedules/".count)).removingPercentEncoding ?? ""
        guard let found = try await visibleSchedules(request, context).first(where: { $0.id == id }) else {
            throw Refusal.scheduleUnknown(id)
        }
        return found
    }
}
