import Glibc

/// Why a command ends without success, with the code that a script sees (sysexits.h, but for 1).
enum CommandFailure: Error {
    /// The broker said no.
    case refused(code: String, message: String)
    /// No node answered.
    case unreachable(String)
    /// What came is not what the protocol promises, or the system failed.
    case broken(String)
    /// Messages were lost, repeated or out of order.
    case unkept(String)
    /// The configuration, or a file that it names, is wrong.
    case configuration(String)

    var exitCode: Int32 {
        switch self {
        case .refused: 1
        case .unkept: 65
        case .unreachable: 69
        case .broken: 70
        case .configuration: 78
        }
    }

    var sentence: String {
        switch self {
        case .refused(let code, let message): "\(code): \(message)"
        case .unreachable(let reason), .broken(let reason), .unkept(let reason), .configuration(let reason): reason
        }
    }

    /// Says why on standard error, and ends the process.
    func exit() -> Never {
        writeError("roost: \(sentence)")
        Glibc.exit(exitCode)
    }
}
