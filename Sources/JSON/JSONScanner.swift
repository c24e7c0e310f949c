/// Checks text against the grammar of RFC 8259, once, from left to right.
struct JSONScanner {
    /// The text.
    let base: UnsafePointer<UInt8>
    /// How many bytes the text has.
    let end: Int
    /// How deep arrays and objects may nest.
    let depthLimit: Int
    /// The byte that is looked at next.
    var position = 0

    /// The one value of a text, with whitespace around it and nothing after it.
    mutating func document() throws(JSONError) -> (Range<Int>, JSONView.Kind) {
        skipSpace()
        let start = position
        let kind = try value(depth: 0)
        let range = start..<position
        skipSpace()
        guard position == end else { throw .trailing(offset: position) }
        return (range, kind)
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSONView.Kind {
        switch try byte(.value) {
        case ASCII.quote:
            try string()
            return .string
        case ASCII.openBrace:
            try object(depth: depth &+ 1)
            return .object
        case ASCII.openBracket:
            try array(depth: depth &+ 1)
            return .array
        case ASCII.minus, ASCII.zero...ASCII.nine:
            try number()
            return .number
        case ASCII.t:
            try literal("true")
            return .bool
        case ASCII.f:
            try literal("false")
            return .bool
        case ASCII.n:
            try literal("null")
            return .null
        case let other:
            throw .unexpected(byte: other, offset: position, expected: .value)
        }
    }

    private mutating func object(depth: Int) throws(JSONError) {
        try enter(depth)
        if try byte(.keyOrBrace) == ASCII.closeBrace {
            position &+= 1
            return
        }
        var expected = JSONError.Expectation.keyOrBrace
        while true {
            guard try byte(expected) == ASCII.quote else { throw unexpected(expected) }
            try string()
            skipSpace()
            guard try byte(.colon) == ASCII.colon else { throw unexpected(.colon) }
            position &+= 1
            skipSpace()
            _ = try value(depth: depth)
            skipSpace()
            switch try byte(.commaOrBrace) {
            case ASCII.comma: position &+= 1
            case ASCII.closeBrace:
                position &+= 1
                return
            default: throw unexpected(.commaOrBrace)
            }
            skipSpace()
            expected = .key
        }
    }

    private mutating func array(depth: Int) throws(JSONError) {
        try enter(depth)
        if try byte(.value) == ASCII.closeBracket {
            position &+= 1
            return
        }
        while true {
            _ = try value(depth: depth)
            skipSpace()
            switch try byte(.commaOrBracket) {
            case ASCII.comma: position &+= 1
            case ASCII.closeBracket:
                position &+= 1
                return
            default: throw unexpected(.commaOrBracket)
            }
            skipSpace()
        }
    }

    /// Steps over an opening bracket or brace.
    private mutating func enter(_ depth: Int) throws(JSONError) {
        guard depth <= depthLimit else { throw .tooDeep(offset: position, limit: depthLimit) }
        position &+= 1
        skipSpace()
    }

    private mutating func number() throws(JSONError) {
        if base[position] == ASCII.minus { position &+= 1 }
        if try byte(.digit) == ASCII.zero {
            position &+= 1
        } else {
            try digits()
        }
        if position < end, base[position] == ASCII.point {
            position &+= 1
            try digits()
        }
        if position < end, base[position] | 0x20 == ASCII.e {
            position &+= 1
            let sign = try byte(.digit)
            if sign == ASCII.plus || sign == ASCII.minus { position &+= 1 }
            try digits()
        }
    }

    private mutating func digits() throws(JSONError) {
        guard ASCII.isDigit(try byte(.digit)) else { throw unexpected(.digit) }
        while position < end, ASCII.isDigit(base[position]) { position &+= 1 }
    }

    private mutating func literal(_ word: StaticString) throws(JSONError) {
        for index in 0..<word.utf8CodeUnitCount {
            guard try byte(.literal) == word.utf8Start[index] else { throw unexpected(.literal) }
            position &+= 1
        }
    }

    @inline(__always)
    private mutating func skipSpace() {
        while position < end, ASCII.isSpace(base[position]) { position &+= 1 }
    }

    /// The byte that is looked at, where the text may not end.
    @inline(__always)
    func byte(_ expected: JSONError.Expectation) throws(JSONError) -> UInt8 {
        guard position < end else { throw .endsEarly(offset: end, expected: expected) }
        return base[position]
    }

    /// The refusal of the byte that is looked at.
    func unexpected(_ expected: JSONError.Expectation) -> JSONError {
        .unexpected(byte: base[position], offset: position, expected: expected)
    }
}
