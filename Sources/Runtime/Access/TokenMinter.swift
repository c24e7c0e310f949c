import JSON
import JWTKit
import Model

/// Makes tokens signed with the node's secret.
package struct TokenMinter: Sendable {
    private let key: TokenKey

    /// - Parameter key: one with a secret; a public key cannot sign.
    package init(key: TokenKey) {
        precondition(key.algorithm == .hs256, "only a secret can sign")
        self.key = key
    }

    /// A token for a principal; its `exp` is the principal's expiry, rounded down to a second.
    package func token(for principal: Principal, at wall: WallTime) -> String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("sub")
        writer.string(principal.user)
        writer.key("iat")
        writer.integer(wall.milliseconds / 1_000)
        if let expiry = principal.expiry {
            writer.key("exp")
            writer.integer(expiry.milliseconds / 1_000)
        }
        writer.key("roles")
        write(principal.roles, into: &writer)
        if !principal.groups.isEmpty {
            writer.key("groups")
            write(principal.groups, into: &writer)
        }
        if let narrowing = principal.narrowing {
            writer.key("topics")
            writer.beginObject()
            writer.key("read")
            write(narrowing.read.map(\.text), into: &writer)
            writer.key("write")
            write(narrowing.write.map(\.text), into: &writer)
            writer.key("manage")
            write(narrowing.manage.map(\.text), into: &writer)
            writer.endObject()
        }
        writer.endObject()
        let head = base64URLEncode(Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8))
        let signed = head + "." + base64URLEncode(writer.bytes)
        guard let signature = try? key.signer.sign(Array(signed.utf8)) else {
            preconditionFailure("a secret can always sign")
        }
        return signed + "." + base64URLEncode(signature)
    }

    private func write(_ texts: [String], into writer: inout JSONWriter) {
        writer.beginArray()
        for text in texts { writer.string(text) }
        writer.endArray()
    }
}
