import Broker
import Model

/// What a conversation wants done, in this order.
package enum DialectStep: Sendable {
    /// Carry out a request on the connection's own session.
    case request(Request)
    /// Begin a branch of events with a place of its own.
    case open(BranchID, BranchForm)
    /// Carry out a request on a branch's session. It counts against the connection's requests a second.
    case requestOn(BranchID, Request)
    /// End a branch: nothing more of it is written.
    case end(BranchID)
    /// Write a text message.
    case send([UInt8])
    /// Close with a WebSocket close code and reason.
    case close(code: UInt16, reason: String)
    /// Ask ``Dialect/stepsWhenDue()`` after a time. A later step of this kind takes the place of an earlier one.
    case wake(after: Duration)
}

/// A conversation's number of one of its branches.
///
/// A branch is a session of its own with its connection's principal, for dialects in which a client follows a topic more
/// than once, each time from its own place and with its own conditions, and is told with every event which of its
/// subscriptions it is for.
package struct BranchID: Hashable, Comparable, Sendable {
    package let rawValue: UInt32

    /// The most branches that a connection has at once: each may have a page of the log on its way to a slow client.
    package static let limit = 100

    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    package static func < (left: BranchID, right: BranchID) -> Bool { left.rawValue < right.rawValue }
}

/// How a branch's events are written: a body that branches with an equal one share, between what is the branch's own.
///
/// The body is written once for each message and loop, and the whole frame once for each different surrounding.
package struct BranchForm: Hashable, Sendable {
    package let body: BranchBody
    /// What goes before the body.
    package let head: [UInt8]
    /// What goes behind it.
    package let tail: [UInt8]

    package init(body: BranchBody, head: [UInt8] = [], tail: [UInt8]) {
        self.body = body
        self.head = head
        self.tail = tail
    }

    /// The text of one message's event.
    package func text(of item: Sequenced) -> [UInt8] { text(around: body.encode(item)) }

    /// The text around a body that was written before.
    package func text(around body: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        text.reserveCapacity(head.count + body.count + tail.count)
        text.append(contentsOf: head)
        text.append(contentsOf: body)
        text.append(contentsOf: tail)
        return text
    }
}

/// The part of a branch's events that is the same for every branch with an equal key.
package struct BranchBody: Hashable, Sendable {
    /// What tells bodies apart: begins with the dialect's name.
    private let key: [UInt8]
    private let keyHash: Int
    /// Writes the body of one message's event.
    package let encode: @Sendable (Sequenced) -> [UInt8]

    package init(key: [UInt8], encode: @escaping @Sendable (Sequenced) -> [UInt8]) {
        self.key = key
        keyHash = key.hashValue
        self.encode = encode
    }

    package static func == (left: BranchBody, right: BranchBody) -> Bool {
        left.keyHash == right.keyHash && left.key == right.key
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(keyHash) }
}
