import Broker
import JSON
import Model

/// Reads attributes by name and type; every refusal says what was found and what would be right.
struct DaptinAttributes {
    let view: JSONView

    /// An attribute's value; `null` counts as missing.
    func value(_ name: StaticString) throws(Refusal) -> JSONView? {
        guard let value = try DaptinFields(view, name)[0], !value.isNull else { return nil }
        return value
    }

    func string(_ name: StaticString) throws(Refusal) -> String? { try string(try value(name), named: name) }

    /// The string that a value must be which was found already; nil where it is missing.
    func string(_ value: JSONView?, named name: StaticString) throws(Refusal) -> String? {
        guard let value, !value.isNull else { return nil }
        guard let string = value.string else { throw wrong(name, value, "a string") }
        return string
    }

    func bool(_ name: StaticString) throws(Refusal) -> Bool {
        guard let value = try value(name) else { return false }
        guard let bool = value.bool else { throw wrong(name, value, "true or false") }
        return bool
    }

    /// A whole number in `range`.
    func integer(_ name: StaticString, in range: ClosedRange<Int64>) throws(Refusal) -> Int64? {
        try integer(try value(name), named: name, in: range)
    }

    /// The whole number that a value must be which was found already; nil where it is missing.
    func integer(_ value: JSONView?, named name: StaticString, in range: ClosedRange<Int64>) throws(Refusal) -> Int64? {
        guard let value, !value.isNull else { return nil }
        guard let integer = value.integer, range.contains(integer) else {
            throw wrong(name, value, "a whole number, \(range.lowerBound) to \(range.upperBound)")
        }
        return integer
    }

    func time(_ name: StaticString) throws(Refusal) -> WallTime? {
        guard let text = try string(name) else { return nil }
        guard let time = Timestamp.time(text) else {
            throw .invalidMessage("\"\(name)\" is no ISO 8601 time; write it as 2026-01-31T12:00:00.000Z")
        }
        return time
    }

    /// The texts of `topicName`, also called `topic` and `name`: `"a"`, `"a,b,c"` or `["a", "b"]`.
    func topicTexts() throws(Refusal) -> [String] {
        let fields = try DaptinFields(view, "topicName", "topic", "name")
        return try topicTexts(fields[0], fields[1], fields[2])
    }

    /// The texts of what was found under `topicName`, `topic` and `name`.
    private func topicTexts(_ spellings: JSONView?...) throws(Refusal) -> [String] {
        let given = spellings.compactMap { $0 }.filter { !$0.isNull }
        guard let value = given.first else {
            throw .invalidMessage(
                "\"topicName\" is missing; it must name a topic, or several as \"a,b\" or [\"a\", \"b\"]")
        }
        guard given.count == 1 else {
            throw .invalidMessage("the topic is named twice; give one of \"topicName\", \"topic\" and \"name\"")
        }
        switch value.kind {
        case .string:
            let text = value.string ?? ""
            guard text.utf8.contains(UInt8(ascii: ",")) else { return [text] }
            return text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        case .array:
            var texts: [String] = []
            for element in value.elements() {
                guard let text = element.string else { throw wrong("topicName", element, "a string in the array") }
                texts.append(text)
            }
            guard !texts.isEmpty else {
                throw .invalidMessage("\"topicName\" is empty; it must name at least one topic")
            }
            return texts
        default: throw wrong("topicName", value, "a string or an array of strings")
        }
    }

    /// Every topic that is named, at most ``topicLimit``.
    func topics() throws(Refusal) -> [TopicName] { try topics(of: try topicTexts()) }

    /// The topics under `topicName`, `topic` and `name`, found already.
    func topics(_ topicName: JSONView?, _ topic: JSONView?, _ name: JSONView?) throws(Refusal) -> [TopicName] {
        // Nearly every publish names one topic in one way.
        if topic == nil, name == nil, let text = topicName?.string, !text.utf8.contains(UInt8(ascii: ",")) {
            return [try Self.topic(text)]
        }
        return try topics(of: try topicTexts(topicName, topic, name))
    }

    private func topics(of texts: [String]) throws(Refusal) -> [TopicName] {
        guard texts.count <= Self.topicLimit else {
            throw .invalidMessage(
                "\"topicName\" names \(texts.count) topics; it may name at most \(Self.topicLimit) here")
        }
        var names: [TopicName] = []
        for text in texts { names.append(try Self.topic(text)) }
        return names
    }

    /// Every filter that is named.
    func filters() throws(Refusal) -> [TopicFilter] {
        var filters: [TopicFilter] = []
        for text in try topicTexts() { filters.append(try Self.filter(text)) }
        return filters
    }

    /// The most topics that one message names, but for `subscribe` and `unsubscribe`, where a connection's own limit
    /// holds.
    static let topicLimit = 100

    static func topic(_ text: String) throws(Refusal) -> TopicName {
        do throws(TopicNameError) { return try TopicName(text) } catch { throw .invalidMessage(error.description) }
    }

    static func filter(_ text: String) throws(Refusal) -> TopicFilter {
        do throws(TopicNameError) { return try TopicFilter(text) } catch { throw .invalidMessage(error.description) }
    }

    func wrong(_ name: StaticString, _ found: JSONView, _ right: String) -> Refusal {
        let shown = found.bytes.count <= 40 ? String(decoding: found.bytes, as: UTF8.self) : found.kind.rawValue
        return .invalidMessage("\"\(name)\" is \(shown); it must be \(right)")
    }
}
