/// The program's version, as `roost --version` and the session frame tell it.
enum Version {
    static let text = "0.1.0"
}
