/// A validated JSON value: a slice of the text that it came in, never decoded before someone asks.
///
/// Copies share the text. What was sent can be passed on byte for byte with ``bytes``.
package struct JSONView: Sendable {
    /// The six kinds of value; the raw value is the wording in messages.
    package enum Kind: String, Sendable {
        case object = "an object"
        case array = "an array"
        case string = "a string"
        case number = "a number"
        case bool = "a boolean"
        case null = "null"
    }

    /// The whole text that this value is a part of.
    package let text: [UInt8]
    /// Where in ``text`` the value stands, without surrounding whitespace, quotes and brackets included.
    package let range: Range<Int>
    /// What the value is.
    package let kind: Kind

    /// `{}`, for what may be left out.
    package static let emptyObject = JSONView(text: Array("{}".utf8), range: 0..<2, kind: .object)

    /// Checks that `text` is one JSON value and nothing else, in one pass.
    ///
    /// - Parameter depthLimit: how deep arrays and objects may nest, at most 512; a scalar has depth 0. The default is
    ///   64.
    package init(parsing text: [UInt8], depthLimit: Int = 64) throws(JSONError) {
        precondition((0...512).contains(depthLimit), "the scanner recurses, so its depth limit must be small")
        let found = try text.withUnsafeBufferPointer { (buffer) throws(JSONError) -> (Range<Int>, Kind) in
            guard let base = buffer.baseAddress else { throw .endsEarly(offset: 0, expected: .value) }
            var scanner = JSONScanner(base: base, end: buffer.count, depthLimit: depthLimit)
            return try scanner.document()
        }
        self.init(text: text, range: found.0, kind: found.1)
    }

    /// A part of text that was already validated.
    init(text: [UInt8], range: Range<Int>, kind: Kind) {
        self.text = text
        self.range = range
        self.kind = kind
    }

    /// The value as it was sent, byte for byte.
    package var bytes: ArraySlice<UInt8> { text[range] }

    /// Whether the value is `null`.
    package var isNull: Bool { kind == .null }

    /// The truth value; nil for every other kind.
    package var bool: Bool? { kind == .bool ? text[range.lowerBound] == ASCII.t : nil }

    /// Runs `body` with a walker at the value's first byte.
    func walk<Result, Failure: Error>(
        _ body: (inout JSONWalker) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try text.withUnsafeBufferPointer { (buffer) throws(Failure) -> Result in
            guard let base = buffer.baseAddress else { preconditionFailure("validated JSON text is never empty") }
            var walker = JSONWalker(base: base, position: range.lowerBound, end: range.upperBound)
            return try body(&walker)
        }
    }
}
