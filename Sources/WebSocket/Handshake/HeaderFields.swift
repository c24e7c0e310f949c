/// The header lines of an HTTP/1 message, in order.
package struct HeaderFields: Equatable, Sendable {
    /// One line.
    package struct Field: Equatable, Sendable {
        /// As it was written; compared without regard to case.
        package let name: String
        /// Without the whitespace around it.
        package let value: String
    }

    /// Every line, in the order in which it came.
    package let fields: [Field]

    /// The value of the first line with that name; nil when there is none.
    package subscript(name: String) -> String? { fields.first { isEqualIgnoringCase($0.name, name) }?.value }

    /// The values of all lines with that name.
    package func all(_ name: String) -> [String] {
        fields.filter { isEqualIgnoringCase($0.name, name) }.map(\.value)
    }

    /// The items of a comma-separated list that may stand on several lines (RFC 9110 §5.6.1), empty ones left out.
    package func list(_ name: String) -> [String] {
        all(name).flatMap { $0.utf8.split(separator: UInt8(ascii: ",")) }
            .map { trimmed($0) }.filter { !$0.isEmpty }.map { String($0) ?? "" }
    }

    /// Whether a list such as `Connection: keep-alive, Upgrade` holds `token`, in any case.
    package func list(_ name: String, contains token: String) -> Bool {
        list(name).contains { isEqualIgnoringCase($0, token) }
    }
}

/// Whether a byte is one of `0` to `9`.
func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

/// Whether two names are the same but for the case of ASCII letters.
func isEqualIgnoringCase(_ left: String, _ right: String) -> Bool {
    func lowered(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }
    return left.utf8.count == right.utf8.count && zip(left.utf8, right.utf8).allSatisfy { lowered($0) == lowered($1) }
}

/// What is left without the spaces and tabs at both ends.
func trimmed<Text: BidirectionalCollection<UInt8>>(_ text: Text) -> Text.SubSequence {
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
    var rest = text.drop(while: isSpace)
    while let last = rest.last, isSpace(last) { rest.removeLast() }
    return rest
}
