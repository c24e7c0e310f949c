import Broker
import Model

/// One client's conversation in one dialect: a codec between text frames and the core's commands and events. Confined to its loop.
package protocol Dialect: AnyObject {
    /// Which shared encoding of events this conversation takes: conversations with equal values get the same bytes.
    var encoding: EventEncoding { get }

    /// Turns one text message into requests, in order. Whatever is wrong with it becomes a `.refuse` request.
    func receive(_ text: [UInt8]) -> [Request]

    /// The texts that answer a request: none, or one, or a batch's at its end.
    func encode(_ reply: Reply, to reference: RequestReference) -> [[UInt8]]

    /// The text of a notice; nil where the dialect has no word for it.
    func encode(_ notice: Notice) -> [UInt8]?
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
