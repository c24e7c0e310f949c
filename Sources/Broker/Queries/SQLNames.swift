extension SQLParser {
    /// Decides what every name means, now that all aliases are known.
    func finish() -> (
        tables: [SQLStatement.Table], references: [SQLStatement.Reference], edits: [(range: Range<Int>, text: String)]
    ) {
        let topics = tables.filter { !isCommon($0.table.name) }
        var edits: [(range: Range<Int>, text: String)] = []
        for topic in topics where topic.isQuotedName {
            edits.append((topic.range, SQLStatement.quote(topic.table.name)))
        }
        var references: [SQLStatement.Reference] = []
        let found = topics.map(\.table)
        for mention in mentions {
            let (qualifier, path) = split(mention.parts, found)
            if mention.parts.count > 1 {
                let prefix = qualifier.map { SQLStatement.quote($0) + "." } ?? ""
                edits.append((mention.range, prefix + SQLStatement.quote(path)))
            }
            if qualifier == nil, mention.parts.count == 1, isAlias(mention) { continue }
            let owners = found.indices.filter { place in
                guard isVisible(found[place].scope, from: mention.scope) else { return false }
                guard let qualifier else { return true }
                return (found[place].alias ?? found[place].name).uppercased() == qualifier.uppercased()
            }
            let reference = SQLStatement.Reference(tables: owners, path: path, isShared: mention.isShared)
            if !owners.isEmpty, !references.contains(reference) { references.append(reference) }
        }
        edits.sort { $0.range.lowerBound < $1.range.lowerBound }
        return (found, references, edits)
    }

    private func isCommon(_ name: String) -> Bool { commonNames.contains(name.uppercased()) }

    /// What a path says of its table, and the rest of it.
    private func split(_ parts: [String], _ found: [SQLStatement.Table]) -> (qualifier: String?, path: String) {
        for count in stride(from: parts.count - 1, to: 0, by: -1) {
            let prefix = parts[..<count].joined(separator: ".")
            let isKnown =
                isCommon(prefix) || functionTables.contains(prefix.uppercased())
                || otherAliases.contains(prefix.uppercased())
                || tables.contains { ($0.table.alias ?? $0.table.name).uppercased() == prefix.uppercased() }
            if isKnown { return (prefix, parts[count...].joined(separator: ".")) }
        }
        return (nil, parts.joined(separator: "."))
    }

    /// Whether a name that stands where groups and orders are said is one that the same `SELECT` gives a column of its
    /// result, and nothing else.
    private func isAlias(_ mention: Mention) -> Bool {
        let name = mention.parts[0].uppercased()
        guard mention.clause == .group || mention.clause == .order,
            scopes[mention.scope].aliases.contains(name)
        else { return false }
        return !mentions.contains { other in
            other.scope == mention.scope && other.parts.count == 1 && other.parts[0].uppercased() == name
                && other.clause != .group && other.clause != .order
        }
    }

    private func isVisible(_ scope: Int, from inner: Int) -> Bool {
        var next: Int? = inner
        while let current = next {
            if current == scope { return true }
            next = scopes[current].parent
        }
        return false
    }
}
