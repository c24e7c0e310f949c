extension ScheduleChange {
    package func encode(into writer: inout ByteWriter) {
        switch self {
        case .created(let schedule):
            writer.u8(1)
            schedule.encode(into: &writer)
        case .removed(let id):
            writer.u8(2)
            writer.string(id)
        }
    }

    package static func decode(from reader: inout ByteReader) throws(FormatError) -> ScheduleChange {
        switch try reader.u8() {
        case 1: return .created(try Schedule.decode(from: &reader))
        case 2: return .removed(id: try reader.scheduleID())
        case let action: throw .invalid("schedule change \(action)")
        }
    }
}

extension Schedule {
    /// How many bytes a record has of it.
    package var encodedSize: Int {
        var writer = ByteWriter(reservingCapacity: 512)
        encode(into: &writer)
        return writer.bytes.count
    }

    fileprivate func encode(into writer: inout ByteWriter) {
        writer.string(id)
        writer.string(name)
        writer.u64(UInt64(bitPattern: created.milliseconds))
        switch timing {
        case .cron(let expression):
            writer.u8(1)
            writer.string(expression.text)
        case .interval(let duration):
            writer.u8(2)
            writer.varint(UInt64(duration.milliseconds))
        }
        switch action {
        case .query(let sql, let parameters):
            writer.u8(1)
            writer.string(sql)
            writer.run(parameters)
        case .publish(let topic, let payload, let event, let key):
            writer.u8(key == nil ? 2 : 3)
            writer.string(topic.text)
            writer.run(payload)
            writer.string(event)
            if let key { writer.string(key) }
        }
        creator.encode(into: &writer)
    }

    fileprivate static func decode(from reader: inout ByteReader) throws(FormatError) -> Schedule {
        let id = try reader.scheduleID()
        let name = try reader.string()
        let created = WallTime(milliseconds: Int64(bitPattern: try reader.u64()))
        guard (0..<1 << 48).contains(created.milliseconds) else { throw .invalid("schedule time") }
        let timing: Timing
        switch try reader.u8() {
        case 1:
            let text = try reader.string()
            do { timing = .cron(try CronExpression(text)) } catch { throw .invalid("cron expression") }
        case 2:
            let duration = Duration.milliseconds(Int64(try reader.count(upTo: 1 << 40)))
            guard Schedule.intervals.contains(duration) else { throw .invalid("interval") }
            timing = .interval(duration)
        default: throw .invalid("schedule timing")
        }
        let action: Action
        switch try reader.u8() {
        case 1: action = .query(sql: try reader.string(), parameters: Array(try reader.run()))
        case let kind where kind == 2 || kind == 3:
            action = .publish(
                topic: try reader.topicName(), payload: Array(try reader.run()), event: try reader.string(),
                key: kind == 3 ? try reader.string() : nil)
        default: throw .invalid("schedule action")
        }
        return Schedule(
            id: id, name: name, timing: timing, action: action, creator: try Principal.decode(from: &reader),
            created: created)
    }
}

extension Principal {
    /// Appends all but the expiry.
    fileprivate func encode(into writer: inout ByteWriter) {
        writer.string(user)
        for names in [groups, roles] {
            writer.varint(UInt64(names.count))
            for name in names { writer.string(name) }
        }
        writer.u8(narrowing == nil ? 0 : 1)
        guard let narrowing else { return }
        for filters in [narrowing.read, narrowing.write, narrowing.manage] {
            writer.varint(UInt64(filters.count))
            for filter in filters { writer.string(filter.text) }
        }
    }

    fileprivate static func decode(from reader: inout ByteReader) throws(FormatError) -> Principal {
        let user = try reader.string()
        let (groups, roles) = (try reader.names(), try reader.names())
        guard try reader.u8() == 1 else { return Principal(user: user, groups: groups, roles: roles) }
        let narrowing = TopicNarrowing(
            read: try reader.filters(), write: try reader.filters(), manage: try reader.filters())
        return Principal(user: user, groups: groups, roles: roles, narrowing: narrowing)
    }
}

extension ByteReader {
    fileprivate mutating func scheduleID() throws(FormatError) -> String {
        let id = try string()
        guard (1...Schedule.idBytes).contains(id.utf8.count) else { throw .invalid("schedule id") }
        return id
    }

    fileprivate mutating func names() throws(FormatError) -> [String] {
        var names: [String] = []
        for _ in 0..<(try count(upTo: Schedule.bytes)) { names.append(try string()) }
        return names
    }

    fileprivate mutating func filters() throws(FormatError) -> [TopicFilter] {
        var filters: [TopicFilter] = []
        for name in try names() {
            do { filters.append(try TopicFilter(name)) } catch { throw .invalid("topic filter") }
        }
        return filters
    }
}
