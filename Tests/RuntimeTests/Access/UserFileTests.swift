import Foundation
import Runtime
import Testing

@Suite("A file of users")
struct UserFileTests {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("roost-\(UUID().uuidString)").path

    @Test("keeps users with their hashes, roles and groups, and lets in with the right password only")
    func roundTrip() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        var users = UserFile()
        users.set(
            UserFile.User(
                name: "ann", password: PasswordHash(password: "correct horse"), roles: ["user", "x"], groups: ["g"]))
        try users.write(path: path)
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text.hasPrefix("roost-users 1\nann:scrypt$") && !text.contains("correct horse"))
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let read = try UserFile(path: path)
        #expect(read.authenticate(name: "ann", password: "correct horse")?.roles == ["user", "x"])
        #expect(read.authenticate(name: "ann", password: "correct horse ") == nil)
        #expect(read.authenticate(name: "bob", password: "correct horse") == nil)
        #expect(read.authenticate(name: "bob", password: "") == nil, "the decoy's own password opens nothing")
    }

    @Test("gives two users with one password different hashes")
    func salted() {
        #expect(PasswordHash(password: "a").description != PasswordHash(password: "a").description)
    }

    @Test("refuses another version by naming both, and a line that is not of the format by its number")
    func formats() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data("roost-users 2\n".utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: AccessFileError.versionUnknown(path: path, found: "roost-users 2", known: "roost-users 1")) {
            try UserFile(path: path)
        }
        try Data("roost-users 1\n\n# a comment\nann:secret:user:\n".utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: AccessFileError.lineInvalid(path: path, line: 4)) { try UserFile(path: path) }
    }

    @Test(
        "refuses hashes whose parameters would take too much memory or are nonsense",
        arguments: [
            "scrypt$1048576$64$1$AAAAAAAAAAAAAAAAAAAAAA$AAAA", "scrypt$3$8$1$AAAAAAAAAAAAAAAAAAAAAA$AAAA",
            "scrypt$32768$8$1$$", "bcrypt$1$1$1$A$A", "",
        ])
    func parameters(text: String) {
        #expect(PasswordHash(text) == nil)
    }
}
