import Model

/// Why a client's request is refused; every dialect says it in its own shape.
package enum Refusal: Error, Equatable, Sendable {
    case authenticationRequired
    /// The token or password is not good; the text says why and holds no secret.
    case authenticationFailed(String)
    case authenticationExpired
    case permissionDenied(action: String, topic: String)
    /// A field is missing, of a wrong type or out of range; the text names it and says what would be right.
    case invalidMessage(String)
    case topicUnknown(TopicName)
    case topicExists(TopicName)
    /// There is no such row in a table, or none that the session may read.
    case rowUnknown(TopicName, String)
    /// Rows are asked for of a topic that is no table.
    case notATable(TopicName)
    /// Known, but not built yet or not for this kind of topic; the text says which.
    case notSupported(String)
    /// A cursor names these partitions, of epochs that were forgotten here; what came after it there is not known.
    case cursorTooOld(TopicName, [Partition])
    /// The ack level was not reached in time. The outcome is unknown; a retry with the same messageId is safe.
    case notReplicated(String)
    case rateLimited
    case connectionLimit
    /// The client's address has as many connections as it may.
    case addressLimit
    /// More clients attach at once than the node takes.
    case attachLimit
    /// A page of this origin may not act without a token; the text says which.
    case originForbidden(String)
    case subscriptionLimit(Int)
    /// A query in SQL is wrong or asks for what it may not; the text says what.
    case queryWrong(String)
    /// A query names a table that is no topic that the session may read.
    case tableUnknown(String)
    /// The node runs as many queries as it may.
    case queryLimit(Int)
    /// The node, or the connection, announces as many memberships as it may.
    case presenceLimit(Int)
    /// A request was not answered, or not to the end.
    case requestFailed(RequestFailure)
    /// The node is about to stop, and takes nothing new.
    case draining
    /// The node cannot take records for now, or until somebody has seen to it; the text says why.
    case unavailable(String)
    /// No member of the cluster is called so; the text names those that there are.
    case memberUnknown(String)
    /// A member cannot be removed, or cannot leave, as things are; the text says why and what would help.
    case memberNeeded(String)
    /// No schedule of the user's has this id.
    case scheduleUnknown(String)
    /// The cluster, or the user, has as many schedules as it may, or the cluster has had as many as it can remember.
    case scheduleLimit(Schedule.Limit)
    /// Nothing that the client did; the text says what failed and holds nothing private.
    case `internal`(String)

    /// The code that clients see, from the error table of the protocol page.
    package var code: String {
        switch self {
        case .authenticationRequired: "AUTH_REQUIRED"
        case .authenticationFailed: "AUTH_FAILED"
        case .authenticationExpired: "AUTH_EXPIRED"
        case .permissionDenied, .originForbidden: "PERMISSION_DENIED"
        case .invalidMessage: "INVALID_MESSAGE"
        case .topicUnknown: "TOPIC_NOT_FOUND"
        case .topicExists: "TOPIC_EXISTS"
        case .rowUnknown: "ROW_NOT_FOUND"
        case .notSupported, .notATable: "NOT_SUPPORTED"
        case .cursorTooOld: "CURSOR_TOO_OLD"
        case .notReplicated: "NOT_REPLICATED"
        case .rateLimited: "RATE_LIMIT_EXCEEDED"
        case .connectionLimit, .addressLimit, .attachLimit, .subscriptionLimit, .presenceLimit, .draining:
            "CONNECTION_LIMIT"
        case .queryWrong: "QUERY_ERROR"
        case .tableUnknown: "TABLE_NOT_FOUND"
        case .queryLimit: "RATE_LIMIT_EXCEEDED"
        case .requestFailed(let failure): failure.code
        case .memberUnknown: "MEMBER_NOT_FOUND"
        case .memberNeeded: "MEMBER_NEEDED"
        case .scheduleUnknown: "SCHEDULE_NOT_FOUND"
        case .scheduleLimit: "RATE_LIMIT_EXCEEDED"
        case .unavailable, .internal: "INTERNAL_ERROR"
        }
    }

    /// One sentence for a person.
    package var sentence: String {
        switch self {
        case .authenticationRequired: "authentication is required: give a token"
        case .authenticationFailed(let reason): "authentication failed: \(reason)"
        case .authenticationExpired: "the token has expired: authenticate again"
        case .permissionDenied(let action, let topic): "no permission to \(action) on topic \"\(topic)\""
        case .invalidMessage(let reason): reason
        case .topicUnknown(let name): "topic \"\(name)\" does not exist: create it first"
        case .topicExists(let name): "topic \"\(name)\" exists already"
        case .rowUnknown(let name, let key): "table \"\(name)\" has no row \"\(key.prefix(64))\" that you may read"
        case .notATable(let name): "topic \"\(name)\" is a stream and has no rows: read its history"
        case .notSupported(let reason): reason
        case .cursorTooOld(let name, let partitions):
            "the cursor of topic \"\(name)\" is too old: how much was missed of "
                + partitions.prefix(3).map(\.description).joined(separator: ", ")
                + (partitions.count > 3 ? " and \(partitions.count - 3) more" : "")
                + " is no longer known, and all of it is gone; subscribe from \"beginning\" to get what is kept"
        case .notReplicated(let reason): reason
        case .rateLimited: "too many messages: slow down"
        case .connectionLimit: "this node has as many connections as it may"
        case .addressLimit: "your address has as many connections as it may"
        case .attachLimit: "too many clients attach at once: try again after the time in Retry-After"
        case .originForbidden(let origin):
            "pages from \"\(origin)\" need a token in the request itself, or their origin in the setting \"origins\""
        case .subscriptionLimit(let limit): "a connection may have at most \(limit) subscriptions"
        case .queryWrong(let reason): reason
        case .tableUnknown(let name): "there is no topic \"\(name)\" that you may read"
        case .queryLimit(let limit): "this node has \(limit) queries under way, as many as it may: try again later"
        case .presenceLimit(let limit): "no more than \(limit) memberships can be announced here"
        case .requestFailed(let failure): failure.sentence
        case .draining: "this node is stopping: use another one"
        case .unavailable(let reason), .memberUnknown(let reason), .memberNeeded(let reason): reason
        case .scheduleUnknown(let id): "there is no schedule \"\(id)\" of yours"
        case .scheduleLimit(let limit): Self.sentence(limit)
        case .internal(let reason): reason
        }
    }

    private static func sentence(_ limit: Schedule.Limit) -> String {
        switch limit {
        case .ofCluster: "the cluster has \(limit.count) schedules, as many as it may: remove one first"
        case .ofUser: "you have \(limit.count) schedules, as many as one user may: remove one first"
        case .ids:
            "the cluster has had \(limit.count) schedules and takes no more: it remembers the ids of removed ones for good, "
                + "so that none comes back, and removing one makes no room"
        }
    }
}
