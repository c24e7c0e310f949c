/// Why a node does not start with the settings it was given; every case names the key.
package enum ConfigurationError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A key that no setting has.
    case unknownKey(String, place: String, nearest: String?)
    /// A value that the setting cannot have.
    case invalid(key: String, place: String, value: String, expected: String)
    /// The file cannot be read.
    case fileUnreadable(path: String, reason: String)
    /// The file is not YAML as it is needed here.
    case fileInvalid(path: String, reason: String)
    /// An address beyond this machine without what protects it.
    case unprotected(key: String, address: String, missing: String)
    /// A setting that another one needs.
    case missing(key: String, because: String)

    package var description: String {
        switch self {
        case .unknownKey(let key, let place, let nearest):
            "\(place): unknown key \"\(key)\"" + (nearest.map { "; did you mean \"\($0)\"?" } ?? "")
        case .invalid(let key, let place, let value, let expected):
            "\(place): \(key) is \"\(value)\", but must be \(expected)"
        case .fileUnreadable(let path, let reason): "\(path): cannot be read: \(reason)"
        case .fileInvalid(let path, let reason): "\(path): \(reason)"
        case .unprotected(let key, let address, let missing):
            "\(key) is \(address), which other machines can reach, but there is no \(missing). "
                + "Set one, or bind to 127.0.0.1; --insecure-bind overrides this for networks that you trust completely"
        case .missing(let key, let because): "\(key) is missing: \(because)"
        }
    }
}
