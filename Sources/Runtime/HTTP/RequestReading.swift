import Broker
import Dialects
import JSON
import Model

/// Reads what REST requests say into commands; what is wrong becomes a refusal that names the field.
enum RequestReading {
    static func object(_ body: [UInt8]) throws(Refusal) -> JSONView {
        do {
            let view = try JSONView(parsing: body)
            _ = try view.uniqueMembers()
            return view
        } catch {
            throw .invalidMessage("the body must be a JSON object: \(error)")
        }
    }

    static func topicName(_ text: String) throws(Refusal) -> TopicName {
        do { return try TopicName(text) } catch { throw .invalidMessage("\(error)") }
    }

    static func createTopic(_ body: JSONView) throws(Refusal) -> Command {
        let (given, daptins) = (try string(body, "name"), try string(body, "topicName"))
        guard let name = given ?? daptins else {
            throw .invalidMessage("\"name\" is missing; it must be a topic's name")
        }
        var topic = Command.CreateTopic(name: try topicName(name))
        switch try string(body, "kind") ?? "stream" {
        case "stream": topic.kind = .stream
        case "table": topic.kind = .table
        default: throw .invalidMessage("\"kind\" must be \"stream\" or \"table\"")
        }
        switch try string(body, "durability") ?? "disk" {
        case "disk": topic.durability = .disk
        case "memory": topic.durability = .memory
        default: throw .invalidMessage("\"durability\" must be \"disk\" or \"memory\"")
        }
        topic.retention = try retention(body) ?? .unlimited
        topic.permission = try permission(body)
        topic.owner = try string(body, "owner")
        return .createTopic(topic)
    }

    static func changeTopic(_ name: TopicName, _ body: JSONView) throws(Refusal) -> Command {
        let (retention, permission) = (try retention(body), try permission(body))
        guard retention != nil || permission != nil else {
            throw .invalidMessage("give \"retention\" or \"permission\", or both")
        }
        return .changeTopic(name, retention: retention, permission: permission)
    }

    static func publish(_ topic: TopicName, _ body: JSONView) throws(Refusal) -> Command {
        guard let message = body["message"] else {
            throw .invalidMessage("\"message\" is missing; it may be any JSON value")
        }
        var publish = Command.Publish(topic: topic, payload: Array(message.bytes))
        if let event = try string(body, "event") { publish.event = event }
        publish.key = try string(body, "key")
        publish.messageID = try string(body, "messageId")
        if let level = try string(body, "ack") {
            guard let acknowledgement = Acknowledgement(rawValue: level) else {
                throw .invalidMessage("\"ack\" must be none, accepted, stored or replicated")
            }
            // Every request is answered here, so nothing less can be waited for.
            publish.acknowledgement = acknowledgement == .none ? .accepted : acknowledgement
        }
        if let ttl = try number(body, "ttl") {
            guard ttl > 0, ttl < 1 << 53 else { throw .invalidMessage("\"ttl\" must be milliseconds above 0") }
            publish.timeToLive = .milliseconds(Int64(ttl))
        }
        publish.readers = try RowDraft.Readers(body["readers"])
        return .publish(publish)
    }

    static func history(_ topic: TopicName, query: (String) -> String?) throws(Refusal) -> Command {
        .history(try page(of: topic, query: query))
    }

    private static func page(of topic: TopicName, query: (String) -> String?) throws(Refusal) -> Command.History {
        var history = Command.History(topic: topic)
        if let since = query("since") { history.since = try start(since) }
        if let until = query("until") {
            guard let time = Timestamp.time(until) else {
                throw .invalidMessage("\"until\" must be a time in ISO 8601")
            }
            history.until = time
        }
        if let limit = query("limit") { history.limit = try self.limit(limit, upTo: 1_000) }
        return history
    }

    /// The rows of a table from the one that was written first, or from a cursor on.
    static func rows(_ table: TopicName, query: (String) -> String?) throws(Refusal) -> Command {
        var rows = try page(of: table, query: query)
        rows.since = rows.since ?? .beginning
        rows.rowsOnly = true
        return .history(rows)
    }

    static func listTopics(query: (String) -> String?) throws(Refusal) -> Command {
        var list = Command.ListTopics()
        if let filter = query("filter") {
            do { list.filter = try TopicFilter(filter) } catch { throw .invalidMessage("\(error)") }
        }
        if let limit = query("limit") { list.limit = try self.limit(limit, upTo: 10_000) }
        if let after = query("after") { list.after = try topicName(after) }
        return .listTopics(list)
    }

    /// `beginning`, `last:N`, a time in ISO 8601, or a cursor as object or compact text.
    static func start(_ text: String) throws(Refusal) -> ReadStart {
        if text == "beginning" { return .beginning }
        if text.hasPrefix("last:") {
            guard let count = Int(text.dropFirst(5)), count > 0 else {
                throw .invalidMessage("\"since\" of the form last:N needs a number above 0")
            }
            return .last(count)
        }
        if let time = Timestamp.time(text) { return .time(time) }
        if text.hasPrefix("{") { return .cursor(try cursor(object(Array(text.utf8)))) }
        do { return .cursor(try Cursor(compactText: text)) } catch {
            throw .invalidMessage("\"since\" must be beginning, last:N, a time in ISO 8601, or a cursor")
        }
    }

    private static func cursor(_ view: JSONView) throws(Refusal) -> Cursor {
        var offsets: [Partition: UInt64] = [:]
        for (name, value) in view.members() {
            guard let partition = Partition(name), let offset = value.unsigned, offsets.count < Cursor.maximumPartitions
            else { throw .invalidMessage("a cursor is an object of partitions and offsets") }
            offsets[partition] = offset
        }
        return Cursor(offsets)
    }

    private static func limit(_ text: String, upTo maximum: Int) throws(Refusal) -> Int {
        guard let limit = Int(text), (1...maximum).contains(limit) else {
            throw .invalidMessage("\"limit\" must be a number from 1 to \(maximum)")
        }
        return limit
    }

    private static func retention(_ body: JSONView) throws(Refusal) -> Retention? {
        guard let view = body["retention"], !view.isNull else { return nil }
        guard view.kind == .object else { throw .invalidMessage("\"retention\" must be an object") }
        return Retention(
            messages: try number(view, "messages"), bytes: try number(view, "bytes"),
            seconds: try number(view, "seconds"))
    }

    private static func permission(_ body: JSONView) throws(Refusal) -> PermissionMask? {
        guard let bits = try number(body, "permission") else { return nil }
        guard let raw = UInt32(exactly: bits), let mask = PermissionMask(rawValue: raw) else {
            throw .invalidMessage("\"permission\" must be a number of 21 bits")
        }
        return mask
    }

    /// A string field; nil where it is missing or null.
    static func string(_ view: JSONView, _ name: String) throws(Refusal) -> String? {
        guard let field = view[name], !field.isNull else { return nil }
        guard let text = field.string else { throw .invalidMessage("\"\(name)\" must be a string") }
        return text
    }

    private static func number(_ view: JSONView, _ name: String) throws(Refusal) -> UInt64? {
        guard let field = view[name], !field.isNull else { return nil }
        guard let number = field.unsigned else { throw .invalidMessage("\"\(name)\" must be a whole number") }
        return number
    }
}
