/// A word or sign of SQL.
struct SQLToken {
    enum Kind: Equatable {
        /// A bare word: a keyword or an identifier.
        case word
        /// An identifier in `"…"`, `` `…` `` or `[…]`.
        case quoted
        /// A number, a string, or bytes as `x'…'`.
        case literal
        /// `?`, `?1`, `:name`, `@name`, `$name`.
        case parameter
        case sign(UInt8)
    }

    let kind: Kind
    /// Where it stands in the text's UTF-8.
    let range: Range<Int>
    /// An identifier's name without its quotes; a word as it is written; empty for everything else.
    let name: String

    func isSign(_ sign: Character) -> Bool { sign.asciiValue.map { kind == .sign($0) } ?? false }

    /// A bare word in capitals; empty for everything else.
    var keyword: String { kind == .word ? name.uppercased() : "" }
}

/// Takes SQL apart into words and signs as SQLite does; comments and blanks are passed over.
struct SQLScanner {
    private let text: [UInt8]
    private var position = 0
    private(set) var tokens: [SQLToken] = []

    /// - Throws: a sentence about what does not end.
    static func tokens(of text: [UInt8]) throws(SQLError) -> [SQLToken] {
        var scanner = SQLScanner(text: text)
        while try scanner.step() {}
        return scanner.tokens
    }

    private init(text: [UInt8]) {
        self.text = text
    }

    private func byte(_ offset: Int = 0) -> UInt8? {
        position + offset < text.count ? text[position + offset] : nil
    }

    private mutating func step() throws(SQLError) -> Bool {
        guard let first = byte() else { return false }
        switch first {
        case 0x09, 0x0A, 0x0C, 0x0D, 0x20: position += 1
        case UInt8(ascii: "-") where byte(1) == UInt8(ascii: "-"):
            while let next = byte(), next != 0x0A { position += 1 }
        case UInt8(ascii: "/") where byte(1) == UInt8(ascii: "*"): skipComment()
        case UInt8(ascii: "'"): try quoted(.literal, closing: first)
        case UInt8(ascii: "\""), UInt8(ascii: "`"): try quoted(.quoted, closing: first)
        case UInt8(ascii: "["): try quoted(.quoted, closing: UInt8(ascii: "]"))
        case UInt8(ascii: "x"), UInt8(ascii: "X"):
            if byte(1) == UInt8(ascii: "'") {
                position += 1
                try quoted(.literal, closing: UInt8(ascii: "'"))
            } else {
                run(.word) { Self.isInWord($0) }
            }
        case UInt8(ascii: "?"): run(.parameter) { Self.isDigit($0) }
        case UInt8(ascii: ":"), UInt8(ascii: "@"), UInt8(ascii: "$"): run(.parameter) { Self.isInWord($0) }
        case UInt8(ascii: "."):
            // After an identifier a point leads on to a field, however that is called.
            let followsName = tokens.last.map { $0.kind == .word || $0.kind == .quoted } ?? false
            if let next = byte(1), Self.isDigit(next), !followsName { number() } else { sign(first) }
        case _ where Self.isDigit(first): number()
        case _ where Self.isInWord(first): run(.word) { Self.isInWord($0) }
        default: sign(first)
        }
        return true
    }

    private mutating func sign(_ byte: UInt8) {
        tokens.append(SQLToken(kind: .sign(byte), range: position..<position + 1, name: ""))
        position += 1
    }

    private mutating func run(_ kind: SQLToken.Kind, while isPart: (UInt8) -> Bool) {
        let start = position
        position += 1
        while let next = byte(), isPart(next) { position += 1 }
        let name = kind == .word ? String(decoding: text[start..<position], as: UTF8.self) : ""
        tokens.append(SQLToken(kind: kind, range: start..<position, name: name))
    }

    private mutating func number() {
        let start = position
        while let next = byte() {
            let isExponentSign =
                (next == UInt8(ascii: "+") || next == UInt8(ascii: "-")) && text[position - 1] | 0x20 == UInt8(ascii: "e")
                && position > start
            guard Self.isInWord(next) || next == UInt8(ascii: ".") || isExponentSign else { break }
            position += 1
        }
        tokens.append(SQLToken(kind: .literal, range: start..<position, name: ""))
    }

    private mutating func quoted(_ kind: SQLToken.Kind, closing: UInt8) throws(SQLError) {
        let start = position
        var name: [UInt8] = []
        position += 1
        while true {
            guard let next = byte() else {
                throw SQLError(sentence: "a quotation begins at byte \(start) and does not end")
            }
            position += 1
            if next == closing {
                // Doubled, it stands for itself; but nothing does so in brackets.
                guard closing != UInt8(ascii: "]"), byte() == closing else { break }
                position += 1
            }
            name.append(next)
        }
        let identifier = kind == .quoted ? String(decoding: name, as: UTF8.self) : ""
        tokens.append(SQLToken(kind: kind, range: start..<position, name: identifier))
    }

    private mutating func skipComment() {
        position += 2
        while position < text.count {
            if byte() == UInt8(ascii: "*"), byte(1) == UInt8(ascii: "/") {
                position += 2
                return
            }
            position += 1
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    private static func isInWord(_ byte: UInt8) -> Bool {
        isDigit(byte) || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "$") || byte >= 0x80
            || (byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z"))
    }
}

/// Why a text is no query.
struct SQLError: Error {
    /// For a person.
    let sentence: String
}
