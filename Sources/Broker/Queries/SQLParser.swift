/// Follows a statement's clauses so far that it knows a table from an alias from a field.
///
/// It is no judge of grammar: SQLite is, and gets the text afterwards. What this reads wrongly of a text that is wrong
/// anyway does no harm.
struct SQLParser {
    /// What a name means depends on where it stands.
    enum Clause {
        case start, with, select, from, join, using, filter, group, order, limit
    }

    /// One `SELECT`: what stands in it, and in which it stands.
    struct Scope {
        let parent: Int?
        var aliases: Set<String> = []
        var isGrouped = false
    }

    /// A pair of parentheses under way.
    struct Frame {
        var scope: Int
        var clause: Clause
        /// Whether names stand for expressions within an expression: nothing here is an alias.
        var isInner = false
        var expectsTable = false
        var mayHaveAlias = false
    }

    /// A dotted name in an expression.
    struct Mention {
        let parts: [String]
        let range: Range<Int>
        let scope: Int
        let clause: Clause
        let isShared: Bool
    }

    private let tokens: [SQLToken]
    private var index = 0
    var scopes: [Scope] = [Scope(parent: nil)]
    private var frames: [Frame] = [Frame(scope: 0, clause: .start)]
    private var endsOperand = false
    var tables: [(table: SQLStatement.Table, range: Range<Int>, isQuotedName: Bool)] = []
    var mentions: [Mention] = []
    /// Names that `WITH` makes, in capitals.
    var commonNames: Set<String> = []
    private(set) var hasStar = false
    private(set) var end: Int
    /// Where the outermost `SELECT` ends its list of columns.
    private(set) var columnsEnd: Int?
    private var selectCount = 0
    private var dropsRepeats = false

    init(_ tokens: [SQLToken], length: Int) {
        self.tokens = tokens
        end = length
    }

    var isSimple: Bool {
        selectCount == 1 && tables.count == 1 && commonNames.isEmpty && !dropsRepeats && !scopes[0].isGrouped
            && columnsEnd != nil
    }

    private var frame: Frame {
        get { frames[frames.count - 1] }
        set { frames[frames.count - 1] = newValue }
    }

    private func token(_ offset: Int = 0) -> SQLToken? {
        index + offset < tokens.count ? tokens[index + offset] : nil
    }

    mutating func parse() throws(SQLError) {
        guard let first = tokens.first, ["SELECT", "WITH", "VALUES"].contains(first.keyword) else {
            throw SQLError(sentence: "a query must be one SELECT: nothing can be changed by SQL")
        }
        while let token = token() {
            if token.isSign(";") {
                guard index == tokens.count - 1 else {
                    throw SQLError(sentence: "a query must be one SELECT: something follows the first \";\"")
                }
                end = token.range.lowerBound
                return
            }
            switch token.kind {
            case .word, .quoted: name()
            case .literal, .parameter:
                index += 1
                endsOperand = true
                frame.mayHaveAlias = false
            case .sign: try sign(token)
            }
        }
    }

    private mutating func sign(_ token: SQLToken) throws(SQLError) {
        index += 1
        if token.isSign("(") { return try open() }
        if token.isSign(")") {
            if frames.count > 1 { frames.removeLast() }
            endsOperand = true
            frame.mayHaveAlias = frame.clause == .from
            return
        }
        if token.isSign("*"), frame.clause == .select, !endsOperand, !frame.isInner { hasStar = true }
        endsOperand = token.isSign("*") && !endsOperand
        if token.isSign(","), [.from, .join, .using].contains(frame.clause), !frame.isInner {
            frame.clause = .from
            frame.expectsTable = true
        }
        frame.mayHaveAlias = false
    }

    private mutating func open() throws(SQLError) {
        guard frames.count < SQLStatement.depthLimit else {
            throw SQLError(sentence: "parentheses nest deeper than \(SQLStatement.depthLimit) levels")
        }
        var inner = frame
        inner.isInner = true
        if let next = token(), ["SELECT", "WITH", "VALUES"].contains(next.keyword) {
            // What stands beside a table in a `FROM`, and what `WITH` names, does not see the tables around it.
            let parent: Int? =
                switch frame.clause {
                case .with: nil
                case .from: scopes[frame.scope].parent
                default: frame.scope
                }
            scopes.append(Scope(parent: parent))
            inner = Frame(scope: scopes.count - 1, clause: .start)
        } else if frame.clause == .from, frame.expectsTable {
            inner.isInner = false
        }
        frame.expectsTable = false
        frames.append(inner)
        endsOperand = false
    }

    /// A word or a name that a quotation or points make.
    private mutating func name() {
        guard let first = token() else { return }
        if keyword(first.keyword, at: first) { return }
        var parts = [first.name]
        var range = first.range
        index += 1
        while let point = token(), point.isSign("."), let next = token(1) {
            if next.isSign("*") {
                index += 2
                hasStar = true
                endsOperand = true
                return
            }
            guard next.kind == .word || next.kind == .quoted else { break }
            parts.append(next.name)
            range = range.lowerBound..<next.range.upperBound
            index += 2
        }
        let isCall = token()?.isSign("(") ?? false
        place(parts, range, isCall: isCall, isBare: first.kind == .word && parts.count == 1)
    }

    private mutating func place(_ parts: [String], _ range: Range<Int>, isCall: Bool, isBare: Bool) {
        let followsOperand = endsOperand
        endsOperand = true
        switch frame.clause {
        case .with: if !frame.isInner { commonNames.insert(parts[0].uppercased()) }
        case .from where frame.expectsTable:
            frame.expectsTable = false
            frame.mayHaveAlias = true
            let table = SQLStatement.Table(name: parts.joined(separator: "."), alias: nil, scope: frame.scope)
            if isCall {
                frame.mayHaveAlias = false
                functionTables.insert(parts[0].uppercased())
            } else {
                tables.append((table, range, parts.count > 1))
            }
        case .from where frame.mayHaveAlias:
            frame.mayHaveAlias = false
            nameLast(parts[0], before: range)
        case .select where followsOperand && !frame.isInner && !isCall && parts.count == 1:
            scopes[frame.scope].aliases.insert(parts[0].uppercased())
        case .start, .limit: break
        default:
            guard !isCall else { return }
            mentions.append(
                Mention(
                    parts: parts, range: range, scope: frame.scope, clause: frame.clause,
                    isShared: frame.clause == .using))
        }
    }

    /// Functions that stand where tables do, in capitals.
    private(set) var functionTables: Set<String> = []
    /// Aliases of what is no topic: subqueries and functions, in capitals.
    private(set) var otherAliases: Set<String> = []

    private mutating func nameLast(_ alias: String, before range: Range<Int>) {
        if let last = tables.last, last.table.alias == nil, last.table.scope == frame.scope,
            isJustBefore(last.range, range)
        {
            tables[tables.count - 1].table = SQLStatement.Table(
                name: last.table.name, alias: alias, scope: last.table.scope)
        } else {
            otherAliases.insert(alias.uppercased())
        }
    }

    /// Whether nothing but `AS` stands between a table and its alias.
    private func isJustBefore(_ table: Range<Int>, _ alias: Range<Int>) -> Bool {
        let between = tokens.filter { $0.range.lowerBound >= table.upperBound && $0.range.upperBound <= alias.lowerBound }
        return between.allSatisfy { $0.keyword == "AS" }
    }

    /// Deals with a keyword; false where the word is a name after all.
    private mutating func keyword(_ word: String, at token: SQLToken) -> Bool {
        switch word {
        case "": return false
        case "SELECT":
            if frame.clause != .start && frame.clause != .with {
                scopes.append(Scope(parent: scopes[frame.scope].parent))
                frame.scope = scopes.count - 1
            }
            selectCount += 1
            enter(.select)
        case "WITH": enter(.with)
        case "VALUES":
            selectCount += 1
            enter(.filter)
        case "UNION", "EXCEPT", "INTERSECT":
            dropsRepeats = true
            enter(.order)
        case "DISTINCT":
            if !frame.isInner { dropsRepeats = true }
            step()
        case "FROM" where index > 0:
            // `IS DISTINCT FROM` is no clause.
            if tokens[index - 1].keyword == "DISTINCT" {
                step()
            } else {
                if frames.count == 1, columnsEnd == nil { columnsEnd = token.range.lowerBound }
                enter(.from)
                frame.expectsTable = true
            }
        case "JOIN":
            frame.clause = .from
            frame.expectsTable = true
            frame.mayHaveAlias = false
            step()
        case "ON": enter(.join)
        case "USING": enter(.using)
        case "WHERE": frame.isInner ? step() : enter(.filter)
        case "GROUP", "HAVING":
            scopes[frame.scope].isGrouped = true
            enter(.group)
        case "ORDER": frame.isInner ? step() : enter(.order)
        case "WINDOW": enter(.order)
        case "LIMIT": enter(.limit)
        case "NATURAL":
            hasStar = true
            frame.mayHaveAlias = false
            step()
        case "COLLATE":
            index += 2
            endsOperand = true
        case "AS": afterAs()
        case "END", "NULL", "TRUE", "FALSE", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "ISNULL", "NOTNULL":
            index += 1
            endsOperand = true
        case "OFFSET" where frame.clause != .limit, "PARTITION" where self.token(1)?.keyword != "BY",
            "FILTER" where !(self.token(1)?.isSign("(") ?? false):
            return false
        case _ where Self.keywords.contains(word):
            frame.mayHaveAlias = false
            step()
        default: return false
        }
        return true
    }

    private mutating func step() {
        index += 1
        endsOperand = false
    }

    private mutating func enter(_ clause: Clause) {
        frame.clause = clause
        frame.expectsTable = false
        frame.mayHaveAlias = false
        step()
    }

    /// `AS` names a column or a table, or says the type of a `CAST`.
    private mutating func afterAs() {
        index += 1
        switch frame.clause {
        case .with: endsOperand = false
        case .select where !frame.isInner:
            if let alias = token(), alias.kind == .word || alias.kind == .quoted {
                scopes[frame.scope].aliases.insert(alias.name.uppercased())
                index += 1
                endsOperand = true
            }
        case .from where frame.mayHaveAlias || endsOperand:
            frame.mayHaveAlias = true
        default:
            // The type may have several words.
            while let word = token(), word.kind == .word { index += 1 }
        }
    }

    private static let keywords: Set<String> = [
        "ALL", "AND", "ASC", "BETWEEN", "BY", "CASE", "CROSS", "DESC", "ELSE", "ESCAPE", "EXISTS", "FILTER", "FULL", "GLOB",
        "IN", "INDEXED", "INNER", "IS", "LEFT", "LIKE", "MATCH", "MATERIALIZED", "NOT", "OFFSET", "OR", "OUTER", "OVER",
        "PARTITION", "RECURSIVE", "REGEXP", "RIGHT", "THEN", "WHEN",
    ]
}
