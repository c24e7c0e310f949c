import Model

/// Why a request was not answered, or not to the end.
package enum RequestFailure: Equatable, Sendable {
    /// Nobody responds to the topic's requests.
    case nobody(TopicName)
    /// Whoever had it went away; what it did with it is not known.
    case responderGone(TopicName)
    /// Every responder has as much to do as it may.
    case allBusy(TopicName)
    /// It was not answered to the end in time; what was done with it is not known.
    case timedOut(TopicName)
    /// The connection has as many requests under way as it may.
    case tooMany(Int)
    /// The node has as many requests under way as it may.
    case nodeBusy
    /// The replies have more bytes than they may.
    case answerTooLong(Int)
    /// The requester does not read the replies.
    case unread

    /// The code that clients see.
    package var code: String {
        switch self {
        case .nobody, .responderGone: "NO_RESPONDER"
        case .timedOut: "REQUEST_TIMEOUT"
        case .allBusy, .tooMany, .nodeBusy, .answerTooLong, .unread: "RATE_LIMIT_EXCEEDED"
        }
    }

    /// One sentence for a person.
    var sentence: String {
        switch self {
        case .nobody(let topic):
            "nobody responds to requests on topic \"\(topic)\": a client must subscribe to it with \"respond\": true"
        case .responderGone(let topic):
            "the responder on topic \"\(topic)\" that had the request went away before it was done: the outcome is unknown"
        case .allBusy(let topic): "every responder on topic \"\(topic)\" has as many requests as it may: try again later"
        case .timedOut(let topic):
            "the request on topic \"\(topic)\" was not answered to the end within its timeout: the outcome is unknown"
        case .tooMany(let limit): "a connection may have at most \(limit) requests to responders under way"
        case .nodeBusy: "this node has as many requests to responders under way as it may: try again later"
        case .answerTooLong(let limit): "the replies to a request may have at most \(limit) bytes together"
        case .unread: "the replies to the request were not read: read faster, or ask for less"
        }
    }
}
