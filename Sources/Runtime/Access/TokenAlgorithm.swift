/// The signatures that a token may carry; `none` and everything else is refused.
package enum TokenAlgorithm: String, CaseIterable, Sendable {
    /// HMAC with SHA-256 and a shared secret.
    case hs256 = "HS256"
    /// RSA PKCS #1 v1.5 with SHA-256.
    case rs256 = "RS256"
    /// ECDSA on P-256 with SHA-256.
    case es256 = "ES256"
    /// Ed25519.
    case edDSA = "EdDSA"
}

/// Why a key, a secret or a users file cannot be used.
package enum AccessFileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file cannot be read or written; the reason is the system's.
    case unreadable(path: String, reason: String)
    /// The secret has fewer than 32 bytes, which is less than SHA-256 gives strength for (RFC 7518 §3.2).
    case secretTooShort(path: String, bytes: Int)
    /// The file is neither a public key in PEM nor a JSON Web Key Set.
    case keyUnknown(path: String)
    /// No key of the set has a `kid` and one of the algorithms above.
    case keySetEmpty(path: String)
    /// A line of a users file is not of its format.
    case lineInvalid(path: String, line: Int)
    /// The users file is of another version.
    case versionUnknown(path: String, found: String, known: String)

    package var description: String {
        switch self {
        case .unreadable(let path, let reason): "\(path): \(reason)"
        case .secretTooShort(let path, let bytes):
            "\(path): the secret has \(bytes) bytes; at least \(TokenKey.minimumSecretBytes) are needed"
        case .keyUnknown(let path):
            "\(path): neither a public key in PEM (RSA, P-256 or Ed25519) nor a JSON Web Key Set"
        case .keySetEmpty(let path):
            "\(path): no key has both a \"kid\" and one of the algorithms RS256, ES256, EdDSA"
        case .lineInvalid(let path, let line): "\(path): line \(line) is not \"name:scrypt$…:roles:groups\""
        case .versionUnknown(let path, let found, let known):
            "\(path): the first line is \"\(found)\"; this build reads \"\(known)\""
        }
    }
}
