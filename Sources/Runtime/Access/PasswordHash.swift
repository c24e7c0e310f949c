import Crypto
import CryptoExtras
import Foundation
import Model

/// A password as it is kept: scrypt (RFC 7914) with its parameters, as `scrypt$N$r$p$salt$hash`.
package struct PasswordHash: Equatable, Sendable, CustomStringConvertible {
    /// Cost: N = 2¹⁵, r = 8, p = 1, which takes 32 MiB and some 0.1 s.
    static let rounds = 1 << 15
    static let blockSize = 8
    static let parallelism = 1
    private static let saltBytes = 16
    private static let hashBytes = 32
    /// The most memory that a kept hash may ask for, 64 MiB; a users file cannot make a node take more.
    private static let maximumMemory = 64 << 20

    private let rounds: Int
    private let blockSize: Int
    private let parallelism: Int
    private let salt: [UInt8]
    private let hash: [UInt8]

    /// Hashes a new password with a salt of its own.
    package init(password: String) {
        var random = SystemRandomNumberGenerator()
        let salt = (0..<Self.saltBytes).map { _ in UInt8.random(in: 0...255, using: &random) }
        self.init(password: password, salt: salt)
    }

    init(password: String, salt: [UInt8], rounds: Int = PasswordHash.rounds) {
        self.rounds = rounds
        blockSize = Self.blockSize
        parallelism = Self.parallelism
        self.salt = salt
        hash = Self.derive(password, salt, rounds, blockSize, parallelism)
    }

    /// Reads the kept form; nil for anything else.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0] == "scrypt", let rounds = Int(parts[1]), let blockSize = Int(parts[2]),
            let parallelism = Int(parts[3]), let salt = base64URLDecode(parts[4].utf8),
            let hash = base64URLDecode(parts[5].utf8)
        else { return nil }
        guard (2...(1 << 20)).contains(rounds), rounds & (rounds - 1) == 0, (1...64).contains(blockSize),
            (1...16).contains(parallelism), 128 * rounds * blockSize <= Self.maximumMemory,
            salt.count >= 8, hash.count == Self.hashBytes
        else { return nil }
        self.rounds = rounds
        self.blockSize = blockSize
        self.parallelism = parallelism
        self.salt = salt
        self.hash = hash
    }

    /// Whether this is the password; takes the same time whichever byte is wrong.
    package func matches(_ password: String) -> Bool {
        let candidate = Self.derive(password, salt, rounds, blockSize, parallelism)
        var difference: UInt8 = 0
        for (mine, theirs) in zip(hash, candidate) { difference |= mine ^ theirs }
        return difference == 0
    }

    package var description: String {
        "scrypt$\(rounds)$\(blockSize)$\(parallelism)$\(base64URLEncode(salt))$\(base64URLEncode(hash))"
    }

    private static func derive(
        _ password: String, _ salt: [UInt8], _ rounds: Int, _ blockSize: Int, _ parallelism: Int
    ) -> [UInt8] {
        do {
            let key = try KDF.Scrypt.deriveKey(
                from: Array(password.utf8), salt: salt, outputByteCount: hashBytes, rounds: rounds,
                blockSize: blockSize, parallelism: parallelism)
            return key.withUnsafeBytes { Array($0) }
        } catch {
            preconditionFailure("the parameters were checked: \(error)")
        }
    }
}
