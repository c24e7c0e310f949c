import Broker
import Crypto
import Foundation
import Model
import Runtime
import Testing

@Suite("A token verifier")
struct TokenTests {
    static let secret = Array("0123456789abcdef0123456789abcdef".utf8)
    let now = WallTime(milliseconds: 1_800_000_000_000)

    /// A token with any header and claims, signed with a secret whatever the header says.
    func token(_ header: String, _ claims: String, secret: [UInt8] = secret) -> String {
        let signed = base64URLEncode(Array(header.utf8)) + "." + base64URLEncode(Array(claims.utf8))
        let code = HMAC<SHA256>.authenticationCode(for: Array(signed.utf8), using: SymmetricKey(data: secret))
        return signed + "." + base64URLEncode(Array(code))
    }

    func verifier() async -> TokenVerifier { TokenVerifier(keys: [await .secret(Self.secret)]) }

    let head = #"{"alg":"HS256","typ":"JWT"}"#

    func refusal(_ result: Result<Principal, Refusal>) -> Refusal? {
        if case .failure(let refusal) = result { refusal } else { nil }
    }

    @Test("reads user, roles, groups, topics and the end of a good token")
    func good() async throws {
        let claims = #"{"sub":"ann","exp":1800000060,"roles":["user"],"groups":["g"],"topics":{"read":["a/#"]}}"#
        let principal = try await verifier().verify(token(head, claims), at: now).get()
        #expect(principal.user == "ann" && principal.roles == ["user"] && principal.groups == ["g"])
        #expect(principal.expiry == WallTime(milliseconds: 1_800_000_060_000))
        #expect(principal.narrowing?.read == [try TopicFilter("a/#")])
        #expect(principal.narrowing?.write == [], "what the claim does not name it does not allow")
    }

    @Test("reads back what the minter makes, and refuses it once a byte has changed")
    func minted() async throws {
        let key = await TokenKey.secret(Self.secret)
        let principal = Principal(
            user: "bob", groups: ["x"], roles: ["admin"], expiry: WallTime(milliseconds: now.milliseconds + 5_000))
        let token = TokenMinter(key: key).token(for: principal, at: now)
        #expect(try TokenVerifier(keys: [key]).verify(token, at: now).get() == principal)
        for index in token.indices where token[index] != "." {
            var changed = token
            changed.replaceSubrange(index...index, with: token[index] == "A" ? "B" : "A")
            #expect(refusal(TokenVerifier(keys: [key]).verify(changed, at: now)) != nil, "changed at \(index)")
        }
    }

    @Test("holds the end against the clock that it is given")
    func expiry() async {
        let claims = #"{"sub":"ann","exp":1800000000}"#
        let verifier = await verifier()
        #expect(refusal(verifier.verify(token(head, claims), at: now)) == .authenticationExpired)
        let before = WallTime(milliseconds: now.milliseconds - 1)
        #expect(refusal(verifier.verify(token(head, claims), at: before)) == nil)
    }

    @Test(
        "refuses headers that name no algorithm, none, another one, or an extension",
        arguments: [
            #"{}"#, #"{"alg":"none"}"#, #"{"alg":"None"}"#, #"{"alg":"HS512"}"#, #"{"alg":"RS256"}"#,
            #"{"alg":"HS256","alg":"none"}"#, #"{"alg":"HS256","crit":["b64"]}"#, #"{"alg":["HS256"]}"#, "no JSON",
        ])
    func headers(header: String) async {
        let bad = token(header, #"{"sub":"ann"}"#)
        #expect(refusal(await verifier().verify(bad, at: now)) != nil)
        let unsigned = bad.split(separator: ".").prefix(2).joined(separator: ".") + "."
        #expect(refusal(await verifier().verify(unsigned, at: now)) != nil)
    }

    @Test(
        "refuses claims without a user, with wrong types, or with a key twice",
        arguments: [
            #"{}"#, #"{"sub":""}"#, #"{"sub":1}"#, #"{"sub":"a","exp":"soon"}"#, #"{"sub":"a","roles":[1]}"#,
            #"{"sub":"a","sub":"admin"}"#, #"{"sub":"a","topics":{"read":["a/#/b"]}}"#,
            #"{"sub":"a","nbf":1900000000}"#,
        ])
    func claims(claims: String) async {
        #expect(refusal(await verifier().verify(token(head, claims), at: now)) != nil)
    }

    @Test("never uses a public key as an HMAC secret, and never another key for a kid that it does not know")
    func confusion() async throws {
        let key = P256.Signing.PrivateKey()
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("roost-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        let point = key.publicKey.rawRepresentation
        let set = """
            {"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":"one","x":"\(base64URLEncode(Array(point.prefix(32))))",
            "y":"\(base64URLEncode(Array(point.suffix(32))))"},{"kty":"EC","crv":"P-256","alg":"ES256"},
            {"kty":"oct","alg":"HS256","kid":"two","k":"AAAA"}]}
            """
        try Data(set.utf8).write(to: file)
        let keys = try await TokenKey.publicKeys(file: file.path)
        #expect(keys.map(\.identifier) == ["one"], "only keys with kid and a public algorithm are taken")
        let verifier = TokenVerifier(keys: keys)

        func signed(_ header: String) throws -> String {
            let text = base64URLEncode(Array(header.utf8)) + "." + base64URLEncode(Array(#"{"sub":"ann"}"#.utf8))
            let signature = try key.signature(for: Data(text.utf8)).rawRepresentation
            return text + "." + base64URLEncode(Array(signature))
        }
        #expect(refusal(verifier.verify(try signed(#"{"alg":"ES256","kid":"one"}"#), at: now)) == nil)
        #expect(refusal(verifier.verify(try signed(#"{"alg":"ES256","kid":"other"}"#), at: now)) != nil)
        #expect(refusal(verifier.verify(try signed(#"{"alg":"ES256"}"#), at: now)) != nil)
        #expect(refusal(verifier.verify(try signed(#"{"alg":"RS256","kid":"one"}"#), at: now)) != nil)
        let known = Array(point)
        let forged = token(#"{"alg":"HS256","kid":"one"}"#, #"{"sub":"ann"}"#, secret: known)
        #expect(refusal(verifier.verify(forged, at: now)) != nil)
    }
}
