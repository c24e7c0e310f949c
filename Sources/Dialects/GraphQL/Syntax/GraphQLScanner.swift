/// Cuts a document into tokens.
///
/// Works on code points, so that columns are those that editors show.
struct GraphQLScanner {
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var line = 1
    private var lineStart = 0

    init(_ text: String) {
        scalars = Array(text.unicodeScalars)
    }

    private var current: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private func peek(_ distance: Int) -> Unicode.Scalar? {
        position + distance < scalars.count ? scalars[position + distance] : nil
    }

    private var location: GraphQLError.Location {
        GraphQLError.Location(line: line, column: position - lineStart + 1)
    }

    /// The next token; `.end` again and again at the end.
    mutating func next() throws(GraphQLError) -> GraphQLToken {
        skipIgnored()
        let start = location
        guard let scalar = current else { return GraphQLToken(kind: .end, location: start) }
        switch scalar {
        case "!", "$", "&", "(", ")", ":", "=", "@", "[", "]", "{", "|", "}":
            position += 1
            return GraphQLToken(kind: .punctuator(String(Character(scalar))), location: start)
        case ".":
            guard peek(1) == ".", peek(2) == "." else { throw unexpected(scalar, start) }
            position += 3
            return GraphQLToken(kind: .punctuator("..."), location: start)
        case "\"": return GraphQLToken(kind: .string(try string(from: start)), location: start)
        case "-", "0"..."9": return GraphQLToken(kind: try number(from: start), location: start)
        case "_", "a"..."z", "A"..."Z":
            let begin = position
            while let next = current, next.isNamePart { position += 1 }
            return GraphQLToken(kind: .name(text(begin, position)), location: start)
        default: throw unexpected(scalar, start)
        }
    }

    private func text(_ from: Int, _ to: Int) -> String {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars[from..<to])
        return String(view)
    }

    private func unexpected(_ scalar: Unicode.Scalar, _ at: GraphQLError.Location) -> GraphQLError {
        let shown = scalar.value < 0x20 || scalar.value == 0x7F
        let words = shown ? "U+\(String(scalar.value, radix: 16, uppercase: true))" : "\"\(scalar)\""
        return GraphQLError("Syntax Error: unexpected character \(words)", at: at, code: "GRAPHQL_PARSE_FAILED")
    }

    private func failed(_ words: String, _ at: GraphQLError.Location) -> GraphQLError {
        GraphQLError("Syntax Error: \(words)", at: at, code: "GRAPHQL_PARSE_FAILED")
    }

    /// Steps over whitespace, line ends, commas, comments and the byte order mark (§2.1.1–2.1.5, 2.1.7).
    private mutating func skipIgnored() {
        while let scalar = current {
            switch scalar {
            case "\t", " ", ",", "\u{FEFF}": position += 1
            case "\n", "\r": endLine()
            case "#": while let next = current, next != "\n", next != "\r" { position += 1 }
            default: return
            }
        }
    }

    /// Steps over one line end, CR LF being one.
    private mutating func endLine() {
        position += current == "\r" && peek(1) == "\n" ? 2 : 1
        line += 1
        lineStart = position
    }

    /// §2.9.1 and §2.9.2.
    private mutating func number(from start: GraphQLError.Location) throws(GraphQLError) -> GraphQLToken.Kind {
        let begin = position
        var isFloat = false
        if current == "-" { position += 1 }
        if current == "0" {
            position += 1
            if let next = current, next.isDigit { throw failed("a number has no leading zeros", location) }
        } else {
            try digits()
        }
        if current == "." {
            isFloat = true
            position += 1
            try digits()
        }
        if current == "e" || current == "E" {
            isFloat = true
            position += 1
            if current == "+" || current == "-" { position += 1 }
            try digits()
        }
        if let next = current, next == "." || next.isNamePart {
            throw failed("a number is followed by \"\(next)\"", location)
        }
        let digits = text(begin, position)
        return isFloat ? .float(digits) : .int(digits)
    }

    private mutating func digits() throws(GraphQLError) {
        guard let first = current, first.isDigit else { throw failed("a digit is expected in a number", location) }
        while let next = current, next.isDigit { position += 1 }
    }

    private mutating func string(from start: GraphQLError.Location) throws(GraphQLError) -> String {
        if peek(1) == "\"", peek(2) == "\"" {
            position += 3
            return try blockString(from: start)
        }
        position += 1
        var result = String.UnicodeScalarView()
        while true {
            guard let scalar = current, scalar != "\n", scalar != "\r" else {
                throw failed("a string does not end on its line", start)
            }
            position += 1
            switch scalar {
            case "\"": return String(result)
            case "\\": result.append(try escape())
            case _ where scalar.value < 0x20 && scalar != "\t":
                throw failed("a string holds a control character", start)
            default: result.append(scalar)
            }
        }
    }

    private mutating func escape() throws(GraphQLError) -> Unicode.Scalar {
        let at = location
        guard let letter = current else { throw failed("a string does not end", at) }
        position += 1
        switch letter {
        case "\"", "\\", "/": return letter
        case "b": return "\u{8}"
        case "f": return "\u{C}"
        case "n": return "\n"
        case "r": return "\r"
        case "t": return "\t"
        case "u":
            var value = try codeUnit(at)
            if value & 0xFC00 == 0xD800, current == "\\", peek(1) == "u" {
                position += 2
                let low = try codeUnit(at)
                guard low & 0xFC00 == 0xDC00 else { throw failed("a \\u escape is half a surrogate pair", at) }
                value = 0x10000 + ((value & 0x3FF) << 10) + (low & 0x3FF)
            }
            guard let scalar = Unicode.Scalar(value) else { throw failed("a \\u escape is no character", at) }
            return scalar
        default: throw failed("\"\\\(letter)\" is no escape", at)
        }
    }

    /// Four digits, or any number in braces (later drafts of §2.9.4).
    private mutating func codeUnit(_ at: GraphQLError.Location) throws(GraphQLError) -> UInt32 {
        var value: UInt32 = 0
        var count = 0
        let isBraced = current == "{"
        if isBraced { position += 1 }
        while let scalar = current, let digit = scalar.hexadecimalDigit, isBraced ? count < 6 : count < 4 {
            value = value << 4 | digit
            count += 1
            position += 1
        }
        if isBraced {
            guard count > 0, current == "}" else { throw failed("\\u{…} needs 1 to 6 hexadecimal digits", at) }
            position += 1
        } else if count < 4 {
            throw failed("\\u needs four hexadecimal digits", at)
        }
        return value
    }

    private mutating func blockString(from start: GraphQLError.Location) throws(GraphQLError) -> String {
        var lines = [String.UnicodeScalarView()]
        while true {
            guard let scalar = current else { throw failed("a block string does not end", start) }
            if scalar == "\"", peek(1) == "\"", peek(2) == "\"" {
                position += 3
                return Self.dedented(lines.map { String($0) })
            }
            if scalar == "\\", peek(1) == "\"", peek(2) == "\"", peek(3) == "\"" {
                position += 4
                lines[lines.count - 1].append(contentsOf: "\"\"\"".unicodeScalars)
            } else if scalar == "\n" || scalar == "\r" {
                endLine()
                lines.append(String.UnicodeScalarView())
            } else {
                position += 1
                lines[lines.count - 1].append(scalar)
            }
        }
    }

    /// BlockStringValue() of §2.9.4: the common indentation of all lines but the first goes, and blank lines at both ends.
    static func dedented(_ raw: [String]) -> String {
        func indent(_ line: String) -> Int { line.unicodeScalars.prefix { $0 == " " || $0 == "\t" }.count }
        func isBlank(_ line: String) -> Bool { line.unicodeScalars.allSatisfy { $0 == " " || $0 == "\t" } }
        let common = raw.dropFirst().filter { !isBlank($0) }.map(indent).min() ?? 0
        var lines = raw.enumerated().map { index, line in
            index == 0 ? line : String(String.UnicodeScalarView(line.unicodeScalars.dropFirst(common)))
        }[...]
        while let first = lines.first, isBlank(first) { lines.removeFirst() }
        while let last = lines.last, isBlank(last) { lines.removeLast() }
        return lines.joined(separator: "\n")
    }
}

extension Unicode.Scalar {
    fileprivate var isDigit: Bool { ("0"..."9").contains(self) }

    fileprivate var isNamePart: Bool {
        isDigit || self == "_" || ("a"..."z").contains(self) || ("A"..."Z").contains(self)
    }

    fileprivate var hexadecimalDigit: UInt32? {
        switch self {
        case "0"..."9": value - 0x30
        case "a"..."f": value - 0x61 + 10
        case "A"..."F": value - 0x41 + 10
        default: nil
        }
    }
}
