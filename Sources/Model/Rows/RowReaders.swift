/// Who may read a row of a table, beside admins, of those who may read the table.
package struct RowReaders: Equatable, Sendable {
    package let users: [String]
    package let groups: [String]

    /// The most users and groups together that a row names.
    package static let limit = 256
    /// The most bytes that their names have together; every node keeps them in memory for every row.
    package static let byteLimit = 4_096

    /// Users and groups, each once and in order, so that equal sets are equal.
    package init(users: [String], groups: [String]) {
        self.users = Self.ordered(users)
        self.groups = Self.ordered(groups)
    }

    /// How many bytes the names have together.
    package var byteCount: Int { (users + groups).reduce(0) { $0 + $1.utf8.count } }

    private static func ordered(_ names: [String]) -> [String] {
        var ordered: [String] = []
        for name in names.sorted() where ordered.last != name { ordered.append(name) }
        return ordered
    }

    /// Whether they are named, or one of their groups is. An anonymous user is named by nobody.
    package func include(_ principal: Principal) -> Bool {
        (!principal.isAnonymous && users.contains(principal.user)) || principal.groups.contains { groups.contains($0) }
    }

    package func union(_ other: RowReaders) -> RowReaders {
        RowReaders(users: users + other.users, groups: groups + other.groups)
    }
}

/// Who could read an earlier version of a row: what they hold of it must go when they may not read it any more.
package enum FormerReaders: Equatable, Sendable {
    case nobody
    case some(RowReaders)
    /// Everybody who may read the table.
    case everybody

    /// With those who could read one version more; nil is everybody.
    package func adding(_ readers: RowReaders?) -> FormerReaders {
        guard let readers else { return .everybody }
        switch self {
        case .nobody: return .some(readers)
        case .everybody: return .everybody
        case .some(let known):
            let all = known.union(readers)
            // Who is told of a row's end once too often learns nothing; the list stays short.
            let isShort = all.users.count + all.groups.count <= RowReaders.limit && all.byteCount <= RowReaders.byteLimit
            return isShort ? .some(all) : .everybody
        }
    }

    package func include(_ principal: Principal) -> Bool {
        switch self {
        case .nobody: false
        case .everybody: true
        case .some(let readers): readers.include(principal)
        }
    }
}
