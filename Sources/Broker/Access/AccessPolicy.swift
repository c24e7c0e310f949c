import Model

/// What a principal may want to do with a topic.
package enum AccessAction: String, Sendable, CaseIterable {
    /// Subscribe and read history; mask: Read.
    case read
    /// Publish; mask: Execute on streams; Create, Update or Delete on tables, as the row's event says.
    case write
    /// Create a topic; there is no mask yet that could forbid it.
    case create
    /// Destroy a topic and change its settings; mask: Delete.
    case manage
    /// See figures of the node and the cluster; has no mask.
    case monitor
}

/// One entry of a role: what it allows on which topics.
package struct Grant: Equatable, Sendable {
    package let actions: [AccessAction]
    package let filters: [TopicFilter]

    package init(_ actions: [AccessAction], on filters: [TopicFilter]) {
        self.actions = actions
        self.filters = filters
    }
}

/// Who may do what: roles by name, and the one function that decides, whatever the door.
///
/// Permission is a conjunction: a role of the user's grants the action on the topic, *and* the topic's mask allows it
/// for this user as owner, as member of a group or as guest. `admin` passes both. A token's own `topics` claim narrows
/// everybody who carries it, an admin too; what it names for `manage` also holds for `create`, and for `read` also for
/// `monitor`.
package struct AccessPolicy: Equatable, Sendable {
    /// The built-in role that passes every role and mask.
    package static let admin = "admin"

    /// The default roles: `user` may read, write, create and manage everything that is not the system's, and read what is
    /// told of schedules.
    package static let standard: AccessPolicy = {
        guard let schedules = try? TopicFilter("$schedules") else { preconditionFailure("$schedules is a filter") }
        return AccessPolicy(
            roles: ["user": [Grant([.read, .write, .create, .manage], on: [.everything]), Grant([.read], on: [schedules])]])
    }()

    /// What each role allows; `admin` needs no entry.
    package let roles: [String: [Grant]]

    package init(roles: [String: [Grant]]) {
        self.roles = roles
    }

    /// Why `principal` may not do `action`, or nil when it may. `topic` is nil where the topic does not exist (yet).
    package func decides(
        _ action: AccessAction, on name: TopicName, _ topic: TopicDefinition?, for principal: Principal
    ) -> Refusal? {
        guard isWithinClaim(action, name, principal) else { return refusal(action, name.text, principal) }
        if isAdmin(principal) { return nil }
        // Who may read a topic may read what was in vain given to its groups, as far as the mask, which is the topic's own,
        // allows.
        if action == .read, let source = name.deadLetterSource {
            let isGranted = isGranted(.read, name, principal) || isGranted(.read, source, principal)
            return isGranted && topic?.allows(.read, principal) ?? true ? nil : refusal(.read, name.text, principal)
        }
        let changesSystem = name.isSystem && action != .read && action != .monitor
        guard !changesSystem, isGranted(action, name, principal), topic?.allows(action, principal) ?? true else {
            return refusal(action, name.text, principal)
        }
        return nil
    }

    /// Why `principal` may not follow a wildcard, or nil when some topic could be readable. Each topic is decided by
    /// itself.
    package func decidesWildcard(_ filter: TopicFilter, for principal: Principal) -> Refusal? {
        let hasGrant = grants(of: principal).contains { $0.actions.contains(.read) }
        return isAdmin(principal) || hasGrant ? nil : refusal(.read, filter.text, principal)
    }

    /// Why `principal` may not see the figures of the node and the cluster, or nil when it may: a role grants `monitor`,
    /// on whichever topics. A token's own claim must name everything, or the system's `$monitor`, for `read`.
    package func decidesMonitoring(for principal: Principal) -> Refusal? {
        let isNarrowed = principal.narrowing.map { claim in
            !claim.read.contains { $0 == .everything || $0.text == "$monitor" }
        }
        let hasGrant = isAdmin(principal) || grants(of: principal).contains { $0.actions.contains(.monitor) }
        return hasGrant && isNarrowed != true ? nil : refusal(.monitor, "$monitor", principal)
    }

    /// Why a principal may not ask a topic's responders something, or nil when it may: it needs what publishing needs. Under
    /// `$`, where topics exist because an admin made them, the mask alone decides, and a token's own claim.
    package func decidesRequest(
        on name: TopicName, _ topic: TopicDefinition, for principal: Principal
    ) -> Refusal? {
        guard name.isSystem, isWithinClaim(.write, name, principal), topic.allows(.write, principal) else {
            return decides(.write, on: name, topic, for: principal)
        }
        return nil
    }

    /// Which of Create, Update and Delete the mask of a table gives a principal that may write to it.
    package func rowRights(on table: TopicDefinition, for principal: Principal) -> PermissionMask.Rights {
        isAdmin(principal) ? TopicDefinition.rowRights : table.rights(of: principal).intersection(TopicDefinition.rowRights)
    }

    package func isAdmin(_ principal: Principal) -> Bool { principal.roles.contains(Self.admin) }

    private func isGranted(_ action: AccessAction, _ name: TopicName, _ principal: Principal) -> Bool {
        principal.roles.contains { role in
            roles[role]?.contains { $0.actions.contains(action) && $0.filters.contains { $0.matches(name) } } ?? false
        }
    }

    private func grants(of principal: Principal) -> [Grant] { principal.roles.flatMap { roles[$0] ?? [] } }

    private func isWithinClaim(_ action: AccessAction, _ name: TopicName, _ principal: Principal) -> Bool {
        guard let claim = principal.narrowing else { return true }
        let filters =
            switch action {
            case .read, .monitor: claim.read
            case .write: claim.write
            case .create, .manage: claim.manage
            }
        if action == .read, let source = name.deadLetterSource, filters.contains(where: { $0.matches(source) }) { return true }
        return filters.contains { $0.matches(name) }
    }

    private func refusal(_ action: AccessAction, _ topic: String, _ principal: Principal) -> Refusal {
        principal.isAnonymous ? .authenticationRequired : .permissionDenied(action: action.rawValue, topic: topic)
    }
}

extension TopicDefinition {
    /// What may be done with rows.
    fileprivate static let rowRights: PermissionMask.Rights = [.create, .update, .delete]

    /// Whether the mask lets the principal do it.
    fileprivate func allows(_ action: AccessAction, _ principal: Principal) -> Bool {
        switch action {
        case .read: rights(of: principal).contains(.read)
        case .write where kind == .table: !rights(of: principal).isDisjoint(with: Self.rowRights)
        case .write: rights(of: principal).contains(.execute)
        case .manage: rights(of: principal).contains(.delete)
        case .create, .monitor: true
        }
    }

    /// What the mask gives a principal: as guest, as owner, and as member of one of the topic's groups.
    fileprivate func rights(of principal: Principal) -> PermissionMask.Rights {
        let mask = settings.permission
        var rights = mask.guest
        if principal.user == owner { rights.formUnion(mask.owner) }
        if principal.groups.contains(where: { groups.contains($0) }) { rights.formUnion(mask.group) }
        return rights
    }
}
