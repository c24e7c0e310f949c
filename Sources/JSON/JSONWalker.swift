/// Steps through validated text, trusting its grammar.
struct JSONWalker {
    /// A value's place and kind.
    struct Item {
        let range: Range<Int>
        let kind: JSONView.Kind
    }

    /// A key's content between its quotes, and the value behind it.
    struct Member {
        let key: Range<Int>
        let keyIsEscaped: Bool
        let value: Item
    }

    /// The text.
    let base: UnsafePointer<UInt8>
    /// The byte that is looked at next.
    var position: Int
    /// Where the value that is walked ends.
    let end: Int

    /// The next element; the walker stands behind `[` or behind an element. Nil at `]`.
    mutating func nextElement() -> Item? {
        skipSeparators()
        return base[position] == ASCII.closeBracket ? nil : value()
    }

    /// The next member; the walker stands behind `{` or behind a member. Nil at `}`.
    @inline(__always)
    mutating func nextMember() -> Member? {
        skipSeparators()
        guard base[position] == ASCII.quote else { return nil }
        let start = position &+ 1
        let isEscaped = skipString()
        let key = Range(uncheckedBounds: (start, position &- 1))
        skipSeparators()
        return Member(key: key, keyIsEscaped: isEscaped, value: value())
    }

    /// Steps over an opening bracket, brace or quote.
    mutating func enter() { position &+= 1 }

    private mutating func value() -> Item {
        let start = position
        let kind: JSONView.Kind
        switch base[position] {
        case ASCII.quote:
            kind = .string
            skipString()
        case ASCII.openBrace:
            kind = .object
            skipContainer()
        case ASCII.openBracket:
            kind = .array
            skipContainer()
        case let first:
            kind = first == ASCII.n ? .null : first == ASCII.t || first == ASCII.f ? .bool : .number
            skipWord()
        }
        return Item(range: Range(uncheckedBounds: (start, position)), kind: kind)
    }

    /// Steps over a string and says whether it holds an escape.
    @discardableResult
    @inline(__always)
    private mutating func skipString() -> Bool {
        var isEscaped = false
        position = WordScan.firstDelimiter(base, from: position &+ 1, end: end)
        while base[position] == ASCII.backslash {
            isEscaped = true
            position = WordScan.firstDelimiter(base, from: position &+ 2, end: end)
        }
        position &+= 1
        return isEscaped
    }

    private mutating func skipContainer() {
        var depth = 0
        repeat {
            switch base[position] {
            case ASCII.quote:
                skipString()
                continue
            case ASCII.openBrace, ASCII.openBracket: depth &+= 1
            case ASCII.closeBrace, ASCII.closeBracket: depth &-= 1
            default: break
            }
            position &+= 1
        } while depth > 0
    }

    /// Steps over a number or literal, which ends at a separator, a closing bracket or the text's end.
    private mutating func skipWord() {
        while position < end, base[position] > ASCII.space, base[position] != ASCII.comma,
            base[position] | 0x20 != ASCII.closeBrace
        {
            position &+= 1
        }
    }

    /// Steps over whitespace and the one comma or colon that may stand here.
    @inline(__always)
    private mutating func skipSeparators() {
        while ASCII.isSpace(base[position]) || base[position] == ASCII.comma || base[position] == ASCII.colon {
            position &+= 1
        }
    }
}
