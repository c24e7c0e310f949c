import ArgumentParser
import Model
import Runtime

/// `roost token`: makes a token with the node's secret.
struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Make a token.",
        discussion: "The secret is that of --auth-secret-file, $ROOST_AUTH_SECRET_FILE or roost.yaml.")

    @Option(name: [.customLong("sub"), .customLong("user")], help: "For whom it stands.")
    var user: String

    @Option(help: "A role; may be given several times.")
    var role: [String] = []

    @Option(help: "A group; may be given several times.")
    var group: [String] = []

    @Option(help: ArgumentHelp("How long it is good: 90s, 30m, 12h, 7d.", valueName: "duration"))
    var expires = "24h"

    @Option(help: ArgumentHelp("The secret that signs tokens.", valueName: "file"))
    var authSecretFile: String?

    @Option(help: "The configuration file. (default: roost.yaml, if there is one)")
    var config: String?

    @Flag(help: "Write JSON.")
    var json = false

    func validate() throws {
        guard !user.isEmpty else { throw ValidationError("--sub cannot be empty.") }
        guard lifetime(expires) != nil else { throw ValidationError("--expires must be a number with s, m, h or d.") }
    }

    func run() async throws {
        let secret: TokenKey
        do {
            let values: [SettingKey: [String]] = authSecretFile.map { [.authSecretFile: [$0]] } ?? [:]
            let flags = SettingLayer(place: "the command line", values: values)
            guard let path = try NodeConfiguration.load(flags: flags, file: config).authSecretFile else {
                throw CommandFailure.configuration("auth-secret-file is missing: a token must be signed with it")
            }
            secret = try await TokenKey.secret(file: path)
        } catch let error as ConfigurationError {
            throw CommandFailure.configuration("\(error)")
        } catch let error as AccessFileError {
            throw CommandFailure.configuration("\(error)")
        }
        guard let lifetime = lifetime(expires) else { preconditionFailure("the option was validated") }
        let now = systemClock().wall
        let expiry = WallTime(milliseconds: now.milliseconds + lifetime * 1_000)
        let principal = Principal(user: user, groups: group, roles: role, expiry: expiry)
        let token = TokenMinter(key: secret).token(for: principal, at: now)
        writeLine(json ? #"{"token":"\#(token)","expires":\#(expiry.milliseconds / 1_000)}"# : token)
    }
}

/// Seconds of `90s`, `30m`, `12h`, `7d`, at most ten years; nil for anything else.
func lifetime(_ text: String) -> Int64? {
    let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
    guard let last = text.last, let unit = units[last], let number = Int64(text.dropLast()), number > 0,
        number <= 315_360_000 / unit
    else { return nil }
    return number * unit
}
