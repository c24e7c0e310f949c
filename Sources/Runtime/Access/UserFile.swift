import Foundation
import Model

/// The users who may log in by name and password, as `roost user add` writes them.
///
/// The first line is `roost-users 1`; every other is `name:scrypt$N$r$p$salt$hash:role,role:group,group`, or empty, or
/// a
/// comment after `#`.
package struct UserFile: Sendable {
    /// What the first line says.
    package static let header = "roost-users 1"
    /// The longest password that is tried, in bytes of UTF-8.
    package static let maximumPasswordBytes = 1_024

    /// One user.
    package struct User: Sendable, Equatable {
        package let name: String
        package var password: PasswordHash
        package var roles: [String]
        package var groups: [String]

        package init(name: String, password: PasswordHash, roles: [String], groups: [String] = []) {
            self.name = name
            self.password = password
            self.roles = roles
            self.groups = groups
        }
    }

    package private(set) var users: [String: User]
    /// What an unknown user's password is compared with, so that the answer takes as long as a known one's.
    private let decoy: PasswordHash

    package init(_ users: [User] = []) {
        self.users = Dictionary(users.map { ($0.name, $0) }) { _, last in last }
        decoy = PasswordHash(password: "", salt: [UInt8](repeating: 0, count: 16))
    }

    /// Reads a file.
    package init(path: String) throws(AccessFileError) {
        let lines = String(decoding: try readFile(path), as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false)
        let first = lines.first.map { $0.trimmingCharacters(in: .whitespaces) } ?? ""
        guard first == Self.header else { throw .versionUnknown(path: path, found: first, known: Self.header) }
        var users: [User] = []
        for (index, line) in lines.enumerated().dropFirst() {
            let text = line.trimmingCharacters(in: .whitespaces)
            if text.isEmpty || text.hasPrefix("#") { continue }
            guard let user = Self.user(text) else { throw .lineInvalid(path: path, line: index + 1) }
            users.append(user)
        }
        self.init(users)
    }

    /// Whether a name can stand in a file: 1 to 64 bytes, no control characters, none of `:` `,` `#` and no space.
    package static func isValid(name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && !name.unicodeScalars.contains {
                $0.value <= 0x20 || $0.value == 0x7F || ":,#".unicodeScalars.contains($0)
            }
    }

    /// Adds a user or replaces the one of that name.
    package mutating func set(_ user: User) {
        precondition(Self.isValid(name: user.name), "the name was checked")
        users[user.name] = user
    }

    /// Writes the whole file beside the old one, readable by its owner only, and puts it in its place.
    package func write(path: String) throws(AccessFileError) {
        let lines = users.values.sorted { $0.name < $1.name }.map { user in
            "\(user.name):\(user.password):\(user.roles.joined(separator: ",")):\(user.groups.joined(separator: ","))"
        }
        let content = ([Self.header] + lines).joined(separator: "\n") + "\n"
        let fresh = path + ".new"
        let attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o600]
        guard FileManager.default.createFile(atPath: fresh, contents: Data(content.utf8), attributes: attributes) else {
            throw .unreadable(path: fresh, reason: String(cString: strerror(errno)))
        }
        guard rename(fresh, path) == 0 else {
            throw .unreadable(path: path, reason: String(cString: strerror(errno)))
        }
    }

    /// The user with that name and password; takes as long for an unknown name as for a wrong password.
    package func authenticate(name: String, password: String) -> User? {
        guard password.utf8.count <= Self.maximumPasswordBytes else { return nil }
        let user = users[name]
        let isRight = (user?.password ?? decoy).matches(password)
        return isRight ? user : nil
    }

    private static func user(_ line: String) -> User? {
        let parts = line.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 4, isValid(name: String(parts[0])), let password = PasswordHash(parts[1]) else {
            return nil
        }
        return User(
            name: String(parts[0]), password: password, roles: parts[2].split(separator: ",").map(String.init),
            groups: parts[3].split(separator: ",").map(String.init))
    }
}
