import Foundation
import JSON
import JWTKit

/// A key with the one algorithm that it was made for.
package struct TokenKey: Sendable {
    /// The least bytes of a shared secret (RFC 7518 §3.2).
    package static let minimumSecretBytes = 32

    /// The `kid` by which tokens name it; nil for a key that tokens without one use.
    package let identifier: String?
    package let algorithm: TokenAlgorithm
    /// Makes and checks signatures; of the library's collection only this is used, since it falls back to a default
    /// key.
    let signer: any JWTAlgorithm

    /// A shared secret; whitespace at its end does not count.
    package static func secret(file path: String) async throws(AccessFileError) -> TokenKey {
        let content = try readFile(path)
        let end = content.lastIndex { !" \t\r\n".utf8.contains($0) }.map { $0 + 1 } ?? 0
        let secret = content[..<end]
        guard secret.count >= minimumSecretBytes else { throw .secretTooShort(path: path, bytes: secret.count) }
        return await .secret(Array(secret))
    }

    /// A shared secret of at least ``minimumSecretBytes``.
    package static func secret(_ secret: [UInt8]) async -> TokenKey {
        precondition(secret.count >= minimumSecretBytes, "a shorter secret could be guessed")
        let keys = await JWTKeyCollection().add(hmac: HMACKey(from: secret), digestAlgorithm: .sha256)
        guard let signer = try? await keys.getKey() else {
            preconditionFailure("the collection has the key it was given")
        }
        return TokenKey(identifier: nil, algorithm: .hs256, signer: signer)
    }

    /// The public keys of a file: one in PEM, or a JSON Web Key Set of which only keys with `kid` and a known `alg`
    /// are taken.
    package static func publicKeys(file path: String) async throws(AccessFileError) -> [TokenKey] {
        let content = try readFile(path)
        let text = String(decoding: content, as: UTF8.self)
        if text.contains("-----BEGIN") { return [try await publicKey(pem: text, path: path)] }
        guard let view = try? JSONView(parsing: content), let set = view["keys"], set.kind == .array else {
            throw .keyUnknown(path: path)
        }
        var keys: [TokenKey] = []
        for entry in set.elements() {
            if let key = await TokenKey(jwk: entry) { keys.append(key) }
        }
        guard !keys.isEmpty else { throw .keySetEmpty(path: path) }
        return keys
    }

    /// Nil for a key without `kid`, of another algorithm, or that is not valid: a set may hold keys for other purposes.
    private init?(jwk: JSONView) async {
        guard let identifier = jwk["kid"]?.string, let name = jwk["alg"]?.string,
            let algorithm = TokenAlgorithm(rawValue: name), algorithm != .hs256,
            jwk["use"]?.string ?? "sig" == "sig",
            let key = try? JSONDecoder().decode(JWK.self, from: Data(jwk.bytes)),
            let keys = try? await JWTKeyCollection().add(jwk: key),
            let signer = try? await keys.getKey(for: JWKIdentifier(string: identifier), alg: name),
            signer.name == name
        else { return nil }
        self.init(identifier: identifier, algorithm: algorithm, signer: signer)
    }

    private init(identifier: String?, algorithm: TokenAlgorithm, signer: any JWTAlgorithm) {
        self.identifier = identifier
        self.algorithm = algorithm
        self.signer = signer
    }

    private static func publicKey(pem: String, path: String) async throws(AccessFileError) -> TokenKey {
        let keys = JWTKeyCollection()
        let algorithm: TokenAlgorithm
        if let key = try? ES256PublicKey(pem: pem) {
            algorithm = .es256
            await keys.add(ecdsa: key)
        } else if let key = try? EdDSA.PublicKey(pem: pem) {
            algorithm = .edDSA
            await keys.add(eddsa: key)
        } else if let key = try? Insecure.RSA.PublicKey(pem: pem) {
            algorithm = .rs256
            await keys.add(rsa: key, digestAlgorithm: .sha256)
        } else {
            throw .keyUnknown(path: path)
        }
        guard let signer = try? await keys.getKey() else { throw .keyUnknown(path: path) }
        return TokenKey(identifier: nil, algorithm: algorithm, signer: signer)
    }
}

/// The content of a small file.
func readFile(_ path: String) throws(AccessFileError) -> [UInt8] {
    do {
        return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    } catch {
        throw .unreadable(path: path, reason: (error as NSError).localizedDescription)
    }
}
