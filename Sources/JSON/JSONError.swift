/// Why bytes are not JSON as RFC 8259 has it, or not the JSON that a reader asked for.
///
/// `offset` counts bytes from the start of the text. ``description`` says what was wrong and what would be right.
package enum JSONError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What the grammar allows at a place; the raw value is the wording in messages.
    package enum Expectation: String, Sendable {
        case value = "a value"
        case key = "a key in double quotes"
        case keyOrBrace = "a key in double quotes or '}'"
        case colon = "':' after the key"
        case commaOrBrace = "',' or '}'"
        case commaOrBracket = "',' or ']'"
        case digit = "a digit"
        case closingQuote = "the closing '\"' of the string"
        case escape = "one of \" \\ / b f n r t u after '\\'"
        case hexadecimal = "four hexadecimal digits after '\\u'"
        case literal = "true, false or null"
    }

    /// The text ends where something must follow.
    case endsEarly(offset: Int, expected: Expectation)
    /// A byte stands where another must.
    case unexpected(byte: UInt8, offset: Int, expected: Expectation)
    /// A control character stands in a string unescaped.
    case controlCharacter(byte: UInt8, offset: Int)
    /// A string holds bytes that are not UTF-8: overlong, a surrogate, beyond U+10FFFF, or cut short.
    case invalidUTF8(offset: Int)
    /// A `\u` escape names half a surrogate pair, which no UTF-8 text can carry.
    case unpairedSurrogate(offset: Int)
    /// Arrays and objects nest deeper than the reader allows.
    case tooDeep(offset: Int, limit: Int)
    /// Something follows the one value of the text.
    case trailing(offset: Int)
    /// A key that the reader acts upon occurs twice in one object.
    case duplicateKey(String, offset: Int)
    /// The value is of another kind than the reader needs.
    case wrongKind(found: JSONView.Kind, expected: JSONView.Kind, offset: Int)

    /// The byte at which reading stopped.
    package var offset: Int {
        switch self {
        case .endsEarly(let offset, _), .unexpected(_, let offset, _), .controlCharacter(_, let offset),
            .invalidUTF8(let offset), .unpairedSurrogate(let offset), .tooDeep(let offset, _),
            .trailing(let offset), .duplicateKey(_, let offset), .wrongKind(_, _, let offset):
            offset
        }
    }

    /// A sentence for the sender of the text.
    package var description: String {
        switch self {
        case .endsEarly(let offset, let expected):
            "the text ends at byte \(offset), expected \(expected.rawValue)"
        case .unexpected(let byte, let offset, let expected):
            "unexpected \(Self.name(of: byte)) at byte \(offset), expected \(expected.rawValue)"
        case .controlCharacter(let byte, let offset):
            "\(Self.name(of: byte)) in a string at byte \(offset), expected it escaped"
        case .invalidUTF8(let offset):
            "the string is not UTF-8 at byte \(offset), expected well-formed UTF-8"
        case .unpairedSurrogate(let offset):
            "half a surrogate pair at byte \(offset), expected a \\u high and a \\u low surrogate together"
        case .tooDeep(let offset, let limit):
            "arrays and objects nest too deeply at byte \(offset), expected at most \(limit) levels"
        case .trailing(let offset):
            "more text after the value at byte \(offset), expected its end"
        case .duplicateKey(let key, let offset):
            "the key \"\(key)\" occurs again at byte \(offset), expected it once"
        case .wrongKind(let found, let expected, let offset):
            "found \(found.rawValue) at byte \(offset), expected \(expected.rawValue)"
        }
    }

    private static func name(of byte: UInt8) -> String {
        guard byte > 0x20, byte < 0x7F else {
            let digits = String(byte, radix: 16, uppercase: true)
            return "byte 0x" + (digits.utf8.count == 1 ? "0" : "") + digits
        }
        return "'\(Character(Unicode.Scalar(byte)))'"
    }
}
