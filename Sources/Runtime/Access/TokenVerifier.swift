import Broker
import JSON
import JWTKit
import Model

/// Reads JSON Web Tokens (RFC 7519) and says for whom they stand.
///
/// The library's own verification takes a default key for an unknown `kid`, any algorithm that the key can do, and the
/// system's clock. So only its signatures are used: key and algorithm are chosen here, and claims are read here.
package struct TokenVerifier: Sendable {
    /// The longest token that is looked at, in bytes: 16 KiB.
    package static let maximumBytes = 16_384

    private let keys: [TokenKey]

    package init(keys: [TokenKey]) {
        self.keys = keys
    }

    /// Whether there is a key by which a token could be good.
    package var canVerify: Bool { !keys.isEmpty }

    /// The principal for whom a token stands at `wall`, or why it is refused. No part of the token is in the reason.
    package func verify(_ token: String, at wall: WallTime) -> Result<Principal, Refusal> {
        do throws(Refusal) {
            return .success(try principal(token, at: wall))
        } catch {
            return .failure(error)
        }
    }

    private func principal(_ token: String, at wall: WallTime) throws(Refusal) -> Principal {
        guard canVerify else { throw .authenticationFailed("this node has no key to verify tokens with") }
        guard token.utf8.count <= Self.maximumBytes else { throw .authenticationFailed("the token is too long") }
        let parts = token.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let head = base64URLDecode(parts[0]), let claims = base64URLDecode(parts[1]),
            let signature = base64URLDecode(parts[2])
        else { throw .authenticationFailed("the token is not three parts of base64url") }
        let key = try key(for: head)
        let signed = token.utf8[..<parts[1].endIndex]
        let isGenuine = (try? key.signer.verify(signature, signs: Array(signed))) ?? false
        guard isGenuine else { throw .authenticationFailed("the token's signature is not good") }
        return try TokenClaims(claims).principal(at: wall)
    }

    /// The one key that may have signed, by `kid` and `alg` together: a key is never used with another's algorithm.
    private func key(for head: [UInt8]) throws(Refusal) -> TokenKey {
        let fields: [JSONView?]
        do {
            fields = try JSONView(parsing: head).fields(["alg", "kid", "crit"])
        } catch {
            throw .authenticationFailed("the token's header is not a JSON object")
        }
        guard fields[2] == nil else { throw .authenticationFailed("the token names extensions that are not known") }
        guard let name = fields[0]?.string, let algorithm = TokenAlgorithm(rawValue: name) else {
            throw .authenticationFailed("the token's algorithm is not one of HS256, RS256, ES256, EdDSA")
        }
        if let kid = fields[1] {
            guard let identifier = kid.string else { throw .authenticationFailed("the token's kid is no string") }
            if let key = keys.first(where: { $0.identifier == identifier }) {
                guard key.algorithm == algorithm else {
                    throw .authenticationFailed("the token's algorithm is not the one its key was made for")
                }
                return key
            }
            // A set of named keys is authoritative: an unknown name is never tried with another key.
            guard !keys.contains(where: { $0.identifier != nil && $0.algorithm == algorithm }) else {
                throw .authenticationFailed("the token's kid is not known")
            }
        }
        guard let key = keys.first(where: { $0.identifier == nil && $0.algorithm == algorithm }) else {
            throw .authenticationFailed("no key was made for the token's algorithm")
        }
        return key
    }
}
