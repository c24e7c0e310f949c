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

    /// What is brought, by which node, and what comes of it: a user, or a code with its status.
    static let visits: [(brought: Credentials, anonymous: String?, outcome: String)] = {
        let (app, evil, host) = ("https://app.example", "https://evil.example", "roost.example")
        var table: [(Credentials, String?, String)] = []
        for anonymous in [nil, "user"] {
            // A token in the request was put there by the page itself: its origin does not matter.
            table += [app, evil, "null", nil].map {
                (Credentials(token: "T", origin: $0, host: host), anonymous, "ann")
            }
            table += [app, "https://roost.example", "HTTPS://ROOST.EXAMPLE"].map {
                (Credentials(cookie: "T", origin: $0, host: host), anonymous, "ann")
            }
            // Exact: neither a prefix, nor a suffix, nor another scheme or port is the origin that was allowed.
            let near = [
                evil, "null", "", "https://app.example.evil", "https://evil.app.example", "http://app.example",
                "https://app.example:8443", "https://app.example/", "https://roost.example.evil", "roost.example",
            ]
            table += near.map {
                (Credentials(cookie: "T", origin: $0, host: host), anonymous, "PERMISSION_DENIED 403")
            }
            table += near.map {
                (
                    Credentials(origin: $0, host: host), anonymous,
                    anonymous == nil ? "AUTH_REQUIRED 401" : "PERMISSION_DENIED 403"
                )
            }
            table.append((Credentials(origin: app, host: host), anonymous, anonymous == nil ? "AUTH_REQUIRED 401" : ""))
            // A program names no origin; a cookie of it counts for nothing.
            table.append((Credentials(cookie: "T", host: host), anonymous, anonymous == nil ? "AUTH_REQUIRED 401" : ""))
        }
        return table
    }()

    @Test("decides by token, cookie, origin and host together", arguments: visits)
    func table(brought: Credentials, anonymous: String?, outcome: String) async {
        let (authentication, token) = await authentication(anonymous: anonymous, origins: ["https://app.example"])
        var brought = brought
        if brought.token != nil { brought.token = token }
        if brought.cookie != nil { brought.cookie = token }
        switch authentication.principal(for: brought, at: now) {
        case .success(let principal): #expect(principal.user == outcome)
        case .failure(let refusal): #expect("\(refusal.code) \(refusal.status.code)" == outcome)
        }
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
