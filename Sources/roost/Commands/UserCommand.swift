import ArgumentParser
import Foundation
import Runtime

/// `roost user`: keeps the file of users who may log in.
struct UserCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user", abstract: "Keep the users who log in by name and password.", subcommands: [Add.self])

    /// `roost user add`.
    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a user, or give one a new password.",
            discussion: """
                Asks for the password, or reads a line of standard input when that is no terminal. The file holds scrypt \
                hashes and is read by its owner only; a running node reads it at its next start.
                """)

        @Argument(help: "The user's name.")
        var name: String

        @Option(help: "A role; may be given several times. (default: user)")
        var role: [String] = []

        @Option(help: "A group; may be given several times.")
        var group: [String] = []

        @Option(
            help: ArgumentHelp(
                "The file. (default: users-file of the configuration, or roost-users)", valueName: "file"))
        var usersFile: String?

        @Option(help: "The configuration file. (default: roost.yaml, if there is one)")
        var config: String?

        @Flag(help: "Write JSON.")
        var json = false

        func validate() throws {
            guard UserFile.isValid(name: name) else {
                throw ValidationError("A name has 1 to 64 bytes, without spaces and none of : , #")
            }
            guard (role + group).allSatisfy(UserFile.isValid) else {
                throw ValidationError("Roles and groups are written as names are.")
            }
        }

        func run() async throws {
            let path = try file()
            do {
                var users = FileManager.default.fileExists(atPath: path) ? try UserFile(path: path) : UserFile()
                let password = PasswordHash(password: try readPassword())
                users.set(
                    UserFile.User(name: name, password: password, roles: role.isEmpty ? ["user"] : role, groups: group))
                try users.write(path: path)
            } catch let error as AccessFileError {
                throw CommandFailure.configuration("\(error)")
            }
            writeLine(json ? #"{"user":"\#(name)","file":"\#(path)"}"# : "\(name) is in \(path)")
        }

        private func file() throws(CommandFailure) -> String {
            if let usersFile { return usersFile }
            do throws(ConfigurationError) {
                let flags = SettingLayer(place: "the command line", values: [:])
                return try NodeConfiguration.load(flags: flags, file: config).usersFile ?? "roost-users"
            } catch {
                throw .configuration("\(error)")
            }
        }
    }
}
