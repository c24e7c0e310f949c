import Broker
import Model

/// What a request brought to say who it comes from.
package struct Credentials: Sendable, Equatable {
    /// From `Authorization: Bearer` or `?token=`.
    package var token: String?
    /// From the cookie, which a browser sends along wherever the page came from.
    package var cookie: String?
    /// The page that asks, as the browser says.
    package var origin: String?
    /// The request's `Host`.
    package var host: String?

    package init(token: String? = nil, cookie: String? = nil, origin: String? = nil, host: String? = nil) {
        self.token = token
        self.cookie = cookie
        self.origin = origin
        self.host = host
    }
}

/// Decides for whom a request acts; one for the node, the same at every door.
package struct Authentication: Sendable {
    package let verifier: TokenVerifier
    /// Makes the tokens of logins; nil where there is no secret.
    package let minter: TokenMinter?
    package let users: UserFile
    /// The role of those who bring nothing; nil where they are refused.
    package let anonymousRole: String?
    /// Origins whose pages may use the cookie, such as `https://app.example`.
    package let origins: [String]
    /// How long a login's token lasts; default 12 h.
    package let loginLifetime: Duration

    package init(
        verifier: TokenVerifier, minter: TokenMinter?, users: UserFile, anonymousRole: String?, origins: [String] = [],
        loginLifetime: Duration = .seconds(12 * 3_600)
    ) {
        self.verifier = verifier
        self.minter = minter
        self.users = users
        self.anonymousRole = anonymousRole
        self.origins = origins
        self.loginLifetime = loginLifetime
        anonymous = anonymousRole.map { Principal(user: "", roles: [$0]) }
    }

    /// Who brings nothing; one value for all of them, whose roles they then share.
    private let anonymous: Principal?

    /// The principal behind credentials.
    ///
    /// A cookie counts only from a page whose origin is allowed, and so does having no credentials at all: otherwise
    /// any
    /// web page that a user visits could use a broker that only this machine reaches.
    package func principal(for credentials: Credentials, at wall: WallTime) -> Result<Principal, Refusal> {
        if let token = credentials.token { return verifier.verify(token, at: wall) }
        let isAllowed = allows(origin: credentials.origin, host: credentials.host)
        if let cookie = credentials.cookie, credentials.origin != nil, isAllowed {
            return verifier.verify(cookie, at: wall)
        }
        if let origin = credentials.origin, !isAllowed, credentials.cookie != nil || anonymous != nil {
            return .failure(.originForbidden(String(origin.prefix(128))))
        }
        guard let anonymous else { return .failure(.authenticationRequired) }
        return .success(anonymous)
    }

    /// Whether pages of an origin may act without a token: allow-listed, from the same host, or from this machine; and
    /// programs, which name none.
    package func allows(origin: String?, host: String?) -> Bool {
        guard let origin else { return true }
        if origins.contains(origin) || origins.contains("*") { return true }
        guard let scheme = origin.range(of: "://") else { return false }
        let authority = String(origin[scheme.upperBound...])
        return host?.lowercased() == authority.lowercased() || isLoopback(authority)
    }

    /// Numbers only: a name such as `127.0.0.1.example` may lead anywhere.
    private func isLoopback(_ authority: String) -> Bool {
        guard let host = (Endpoint(authority) ?? Endpoint(authority + ":0"))?.host else { return false }
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}
