import Broker
import Model
import Runtime
import Testing

@Suite("Authentication of requests")
struct AuthenticationTests {
    let now = WallTime(milliseconds: 1_800_000_000_000)
    let secret = Array("0123456789abcdef0123456789abcdef".utf8)

    private func authentication(anonymous: String?, origins: [String] = []) async -> (Authentication, token: String) {
        let key = await TokenKey.secret(secret)
        let minter = TokenMinter(key: key)
        let authentication = Authentication(
            verifier: TokenVerifier(keys: [key]), minter: minter, users: UserFile(), anonymousRole: anonymous,
            origins: origins)
        return (authentication, minter.token(for: Principal(user: "ann", roles: []), at: now))
    }

    private func user(_ result: Result<Principal, Refusal>) -> String? {
        if case .success(let principal) = result { principal.user } else { nil }
    }

    @Test("takes a token from anywhere, but a cookie only from a page of an allowed origin")
    func cookies() async {
        let (authentication, token) = await authentication(anonymous: nil, origins: ["https://app.example"])
        func user(_ credentials: Credentials) -> String? {
            self.user(authentication.principal(for: credentials, at: now))
        }
        #expect(user(Credentials(token: token, origin: "https://evil.example", host: "roost.example")) == "ann")
        #expect(user(Credentials(cookie: token, origin: "https://app.example", host: "roost.example")) == "ann")
        #expect(user(Credentials(cookie: token, origin: "https://roost.example", host: "roost.example")) == "ann")
        #expect(user(Credentials(cookie: token, origin: "https://evil.example", host: "roost.example")) == nil)
        #expect(user(Credentials(cookie: token, host: "roost.example")) == nil)
        #expect(user(Credentials()) == nil)
    }

    @Test("lets programs and local pages be anonymous where that is allowed, but no page from elsewhere")
    func anonymous() async {
        let (authentication, _) = await authentication(anonymous: "user")
        func user(_ credentials: Credentials) -> String? {
            self.user(authentication.principal(for: credentials, at: now))
        }
        #expect(user(Credentials(host: "127.0.0.1:6336")) == "")
        #expect(user(Credentials(origin: "http://127.0.0.1:6337", host: "127.0.0.1:6336")) == "")
        #expect(user(Credentials(origin: "http://[::1]:6337", host: "127.0.0.1:6336")) == "")
        #expect(user(Credentials(origin: "https://evil.example", host: "127.0.0.1:6336")) == nil)
        #expect(user(Credentials(origin: "https://127.0.0.1.evil.example", host: "127.0.0.1:6336")) == nil)
        #expect(user(Credentials(origin: "null", host: "127.0.0.1:6336")) == nil)
        #expect(user(Credentials(token: "", host: "127.0.0.1:6336")) == nil, "a bad token is not the same as none")
    }
}
