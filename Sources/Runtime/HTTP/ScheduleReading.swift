import Broker
import Dialects
import JSON
import Model

/// Reads what a request says of a schedule.
enum ScheduleReading {
    static func schedule(
        _ body: JSONView, id: String, creator: Principal, at time: WallTime
    ) throws(Refusal) -> Schedule {
        guard let name = try RequestReading.string(body, "name"), (1...Schedule.nameBytes).contains(name.utf8.count)
        else {
            throw .invalidMessage("\"name\" is missing; it must be a string of 1 to \(Schedule.nameBytes) bytes")
        }
        let schedule = Schedule(
            id: id, name: name, timing: try timing(body), action: try action(body), creator: creator, created: time)
        guard schedule.encodedSize <= Schedule.bytes else {
            throw .invalidMessage(
                "the schedule has \(schedule.encodedSize) bytes with its creator's groups, roles and topics; at most "
                    + "\(Schedule.bytes) are taken")
        }
        return schedule
    }

    private static func timing(_ body: JSONView) throws(Refusal) -> Schedule.Timing {
        switch (try RequestReading.string(body, "cron"), body["interval"].flatMap { $0.isNull ? nil : $0 }) {
        case (let text?, nil):
            do throws(CronError) { return .cron(try CronExpression(text)) } catch {
                throw .invalidMessage(error.description)
            }
        case (nil, let view?):
            guard let milliseconds = view.integer, milliseconds > 0,
                Schedule.intervals.contains(.milliseconds(milliseconds))
            else {
                let (low, high) = (Schedule.intervals.lowerBound, Schedule.intervals.upperBound)
                throw .invalidMessage(
                    "\"interval\" must be milliseconds from \(low.milliseconds) to \(high.milliseconds)")
            }
            return .interval(.milliseconds(milliseconds))
        case (nil, nil): throw .invalidMessage("\"cron\" and \"interval\" are missing; give one of them")
        case (_?, _?): throw .invalidMessage("give \"cron\" or \"interval\", not both")
        }
    }

    private static func action(_ body: JSONView) throws(Refusal) -> Schedule.Action {
        switch (try object(body, "query"), try object(body, "publish")) {
        case (let view?, nil):
            guard let sql = try RequestReading.string(view, "sql") else {
                throw .invalidMessage("\"sql\" is missing in \"query\"; it must be one SELECT")
            }
            _ = try SQLStatement(sql)
            let parameters = view["params"]
            if let parameters { _ = try QueryParameters(parameters) }
            return .query(sql: sql, parameters: parameters.map { Array($0.bytes) } ?? [])
        case (nil, let view?):
            guard let topic = try RequestReading.string(view, "topic") else {
                throw .invalidMessage("\"topic\" is missing in \"publish\"; it must be a topic's name")
            }
            guard let message = view["message"] else {
                throw .invalidMessage("\"message\" is missing in \"publish\"; it may be any JSON value")
            }
            return .publish(
                topic: try RequestReading.topicName(topic), payload: Array(message.bytes),
                event: try RequestReading.string(view, "event") ?? "new-message",
                key: try RequestReading.string(view, "key"))
        case (nil, nil):
            throw .invalidMessage(
                "\"query\" and \"publish\" are missing; give {\"sql\": …} or {\"topic\": …, \"message\": …}")
        case (_?, _?): throw .invalidMessage("give \"query\" or \"publish\", not both")
        }
    }

    private static func object(_ body: JSONView, _ name: String) throws(Refusal) -> JSONView? {
        guard let view = body[name], !view.isNull else { return nil }
        guard view.kind == .object else { throw .invalidMessage("\"\(name)\" must be an object") }
        return view
    }
}

extension JSONWriter {
    /// A schedule, and when it is due next.
    mutating func schedule(_ schedule: Schedule, at now: WallTime) {
        beginObject()
        strings([("id", schedule.id), ("name", schedule.name)])
        switch schedule.timing {
        case .cron(let expression): strings([("cron", expression.text)])
        case .interval(let duration):
            key("interval")
            integer(duration.milliseconds)
        }
        switch schedule.action {
        case .query(let sql, let parameters):
            key("query")
            beginObject()
            strings([("sql", sql)])
            if !parameters.isEmpty {
                key("params")
                raw(parameters)
            }
            endObject()
        case .publish(let topic, let payload, let event, let messageKey):
            key("publish")
            beginObject()
            strings([("topic", topic.text), ("event", event)])
            if let messageKey { strings([("key", messageKey)]) }
            key("message")
            raw(payload)
            endObject()
        }
        strings([("owner", schedule.creator.user), ("created", Timestamp.text(schedule.created))])
        key("next")
        if let due = schedule.due(after: now) { string(Timestamp.text(due)) } else { null() }
        endObject()
    }

    private mutating func strings(_ members: [(StaticString, String)]) {
        for (name, value) in members {
            key(name)
            string(value)
        }
    }
}
