/// Who a session acts for, as its token or its password said.
package struct Principal: Equatable, Sendable {
    /// The user's name; empty for an anonymous one.
    package let user: String
    package let groups: [String]
    /// The names of roles, as the configuration defines them.
    package let roles: [String]
    /// The token's own `topics` claim, which only narrows what the roles grant; nil for none.
    package let narrowing: TopicNarrowing?
    /// When the token ends; nil for never.
    package let expiry: WallTime?

    package init(
        user: String, groups: [String] = [], roles: [String], narrowing: TopicNarrowing? = nil, expiry: WallTime? = nil
    ) {
        self.user = user
        self.groups = groups
        self.roles = roles
        self.narrowing = narrowing
        self.expiry = expiry
    }

    package var isAnonymous: Bool { user.isEmpty }
}

/// Filters that a token carries for itself: an action is allowed only on topics that one of its filters matches.
///
/// Few tokens do, so that it lies apart from the principal.
package final class TopicNarrowing: Equatable, Sendable {
    package let read: [TopicFilter]
    package let write: [TopicFilter]
    package let manage: [TopicFilter]

    package init(read: [TopicFilter], write: [TopicFilter], manage: [TopicFilter]) {
        self.read = read
        self.write = write
        self.manage = manage
    }

    package static func == (left: TopicNarrowing, right: TopicNarrowing) -> Bool {
        (left.read, left.write, left.manage) == (right.read, right.write, right.manage)
    }
}
