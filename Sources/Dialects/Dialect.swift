import Broker
import Model

/// One client's conversation in one dialect: a codec between text frames and the core's commands and events. Confined to its loop.
package protocol Dialect: AnyObject {
    /// Which shared encoding of events this conversation takes: conversations with equal values get the same bytes.
    var encoding: EventEncoding { get }

    /// Whether a client may prove who it is by its first message, having brought no token in the upgrade.
    var authenticatesByMessage: Bool { get }

    /// Turns one text message into requests, in order. Whatever is wrong with it becomes a `.refuse` request.
    func receive(_ text: [UInt8]) -> [Request]

    /// Turns one binary message into requests, in order; nil where only text is spoken, which ends the connection with
    /// close code 1003.
    func receive(binary: [UInt8]) -> [Request]?

    /// The most bytes of a client's message here; nil for the node's own limit.
    var messageLimit: Int? { get }

    /// The texts that answer a request: none, or one, or a batch's at its end.
    func encode(_ reply: Reply, to reference: RequestReference) -> [[UInt8]]

    /// The text of a notice; nil where the dialect has no word for it.
    func encode(_ notice: Notice) -> [UInt8]?

    /// Whether what answers a request goes as binary messages and not as text.
    func answersInBinary(_ reference: RequestReference) -> Bool
}

/// What holds for every dialect that speaks text and nothing else.
extension Dialect {
    package var messageLimit: Int? { nil }

    package func receive(binary: [UInt8]) -> [Request]? { nil }

    package func answersInBinary(_ reference: RequestReference) -> Bool { false }
}

/// A way to write events that any number of receivers share.
package struct EventEncoding: Hashable, Sendable {
    /// A small number, unique to the dialect and its variant.
    package let id: UInt8
    /// Writes the text of one message's event.
    package let encode: @Sendable (Sequenced) -> [UInt8]

    package init(id: UInt8, encode: @escaping @Sendable (Sequenced) -> [UInt8]) {
        self.id = id
        self.encode = encode
    }

    package static func == (left: EventEncoding, right: EventEncoding) -> Bool { left.id == right.id }

    package func hash(into hasher: inout Hasher) { hasher.combine(id) }
}
