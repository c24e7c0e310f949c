import Broker
import JSON
import Model

/// What a verified token says: `sub`, `exp`, `nbf`, `roles`, `groups` and `topics`.
struct TokenClaims {
    private let fields: [JSONView?]

    init(_ bytes: [UInt8]) throws(Refusal) {
        do {
            fields = try JSONView(parsing: bytes).fields(["sub", "exp", "nbf", "roles", "groups", "topics"])
        } catch {
            throw .authenticationFailed("the token's claims are not a JSON object without repeated keys")
        }
    }

    /// Checks the times against `wall` and makes the principal; a token without `exp` does not end.
    func principal(at wall: WallTime) throws(Refusal) -> Principal {
        guard let user = fields[0]?.string, !user.isEmpty else {
            throw .authenticationFailed("the token has no \"sub\"")
        }
        let expiry = try time(fields[1], "exp")
        if let expiry, expiry <= wall { throw .authenticationExpired }
        if let start = try time(fields[2], "nbf"), start > wall {
            throw .authenticationFailed("the token is not valid yet")
        }
        return Principal(
            user: user, groups: try strings(fields[4], "groups"), roles: try strings(fields[3], "roles"),
            narrowing: try narrowing(), expiry: expiry)
    }

    /// A NumericDate (RFC 7519 §2): seconds, perhaps with a fraction.
    private func time(_ view: JSONView?, _ name: String) throws(Refusal) -> WallTime? {
        guard let view else { return nil }
        guard let seconds = view.double, abs(seconds) < 1e12 else {
            throw .authenticationFailed("the token's \"\(name)\" is no time")
        }
        return WallTime(milliseconds: Int64(seconds * 1_000))
    }

    private func strings(_ view: JSONView?, _ name: String) throws(Refusal) -> [String] {
        guard let view else { return [] }
        if let one = view.string { return [one] }
        let texts = view.elements().map(\.string)
        guard view.kind == .array, !texts.contains(nil) else {
            throw .authenticationFailed("the token's \"\(name)\" is no array of strings")
        }
        return texts.compactMap { $0 }
    }

    private func narrowing() throws(Refusal) -> TopicNarrowing? {
        guard let topics = fields[5] else { return nil }
        do {
            let lists = try topics.fields(["read", "write", "manage"])
            return TopicNarrowing(
                read: try filters(lists[0]), write: try filters(lists[1]), manage: try filters(lists[2]))
        } catch {
            throw .authenticationFailed("the token's \"topics\" is no object of topic filters")
        }
    }

    /// What a claim does not name it does not allow.
    private func filters(_ view: JSONView?) throws -> [TopicFilter] {
        guard let view else { return [] }
        return try strings(view, "topics").map { try TopicFilter($0) }
    }
}
