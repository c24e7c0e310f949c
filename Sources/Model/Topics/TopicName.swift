/// The name of a topic: levels separated by `/`, 1 to 255 bytes of UTF-8, no control characters and none of `,` `+`
/// `#`.
package struct TopicName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let text: String

    /// The longest name, in bytes of UTF-8.
    package static let maximumLength = 255

    package init(_ text: String) throws(TopicNameError) {
        guard let error = TopicNameError.first(in: text, allowing: "") else {
            self.text = text
            return
        }
        throw error
    }

    /// The name of a text that was found to be one.
    fileprivate init(checked text: String) { self.text = text }

    /// Whether the name belongs to the system: its first level begins with `$`.
    package var isSystem: Bool { text.utf8.first == UInt8(ascii: "$") }

    /// What the name of a topic of dead letters begins with; the rest is the topic that they come from.
    package static let deadLetterPrefix = "$dead/"

    /// The longest name of a topic that can have dead letters, in bytes of UTF-8.
    package static let maximumLengthWithDeadLetters = maximumLength - deadLetterPrefix.utf8.count

    /// The topic that keeps this one's dead letters; nil where its name would be longer than ``maximumLength``.
    package var deadLetters: TopicName? {
        text.utf8.count <= Self.maximumLengthWithDeadLetters ? TopicName(checked: Self.deadLetterPrefix + text) : nil
    }

    /// The topic whose dead letters are kept under this name; nil for other names.
    package var deadLetterSource: TopicName? {
        guard text.hasPrefix(Self.deadLetterPrefix), text.utf8.count > Self.deadLetterPrefix.utf8.count else { return nil }
        return TopicName(checked: String(text.dropFirst(Self.deadLetterPrefix.count)))
    }

    package var description: String { text }

    package static func < (left: TopicName, right: TopicName) -> Bool { left.text < right.text }
}

/// Why a text is no topic name or filter.
package enum TopicNameError: Error, Equatable, Sendable, CustomStringConvertible {
    case empty
    case tooLong(bytes: Int)
    case forbidden(Unicode.Scalar)
    /// `+` must stand alone in a level, `#` alone in the last one.
    case misplacedWildcard

    fileprivate static func first(in text: String, allowing wildcards: String) -> TopicNameError? {
        if text.isEmpty { return .empty }
        if text.utf8.count > TopicName.maximumLength { return .tooLong(bytes: text.utf8.count) }
        for scalar in text.unicodeScalars {
            if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) { return .forbidden(scalar) }
            if scalar == "," || scalar == "+" || scalar == "#", !wildcards.unicodeScalars.contains(scalar) {
                return .forbidden(scalar)
            }
        }
        return nil
    }

    package var description: String {
        switch self {
        case .empty: "a topic name is empty; it has 1 to \(TopicName.maximumLength) bytes"
        case .tooLong(let bytes): "a topic name has \(bytes) bytes; at most \(TopicName.maximumLength) are allowed"
        case .forbidden(let scalar):
            "a topic name holds U+\(String(scalar.value, radix: 16, uppercase: true)); control characters and , + # are not allowed"
        case .misplacedWildcard: "in a topic filter + stands alone in its level, and # alone in the last level"
        }
    }
}

/// A topic name whose levels may be `+` (any one level), and whose last may be `#` (all the rest), as MQTT 5.0 §4.7 has
/// them.
///
/// `#` also matches the level above it (`a/#` matches `a`). A wildcard in the first level does not match names under
/// `$`.
package struct TopicFilter: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let text: String
    /// Empty without a wildcard.
    private let levels: [Substring]

    package init(_ text: String) throws(TopicNameError) {
        if let error = TopicNameError.first(in: text, allowing: "+#") { throw error }
        let levels = text.split(separator: "/", omittingEmptySubsequences: false)
        var hasWildcard = false
        for (index, level) in levels.enumerated() where level.contains("+") || level.contains("#") {
            guard level == "+" || (level == "#" && index == levels.count - 1) else { throw .misplacedWildcard }
            hasWildcard = true
        }
        self.text = text
        self.levels = hasWildcard ? levels : []
    }

    /// The name, when the filter has no wildcard.
    package var exact: TopicName? { levels.isEmpty ? TopicName(checked: text) : nil }

    package init(_ name: TopicName) {
        text = name.text
        levels = []
    }

    /// The filter `#`, which every name that is not the system's matches.
    package static let everything: TopicFilter = {
        guard let filter = try? TopicFilter("#") else { preconditionFailure("# is a filter") }
        return filter
    }()

    package func matches(_ name: TopicName) -> Bool {
        if levels.isEmpty { return text == name.text }
        if name.isSystem, levels[0] == "+" || levels[0] == "#" { return false }
        var rest = name.text.utf8[...]
        var isEnded = false
        for level in levels {
            if level == "#" { return true }
            guard !isEnded else { return false }
            let end = rest.firstIndex(of: UInt8(ascii: "/"))
            let part = rest[..<(end ?? rest.endIndex)]
            guard level == "+" || level.utf8.elementsEqual(part) else { return false }
            if let end { rest = rest[rest.index(after: end)...] } else { isEnded = true }
        }
        return isEnded
    }

    package var description: String { text }

    package static func == (left: TopicFilter, right: TopicFilter) -> Bool { left.text == right.text }

    package func hash(into hasher: inout Hasher) { hasher.combine(text) }

    package static func < (left: TopicFilter, right: TopicFilter) -> Bool { left.text < right.text }
}
