import Broker

/// A conversation in which the server says every message back, for conformance suites; a test door, never a user's.
///
/// It is the smallest dialect that makes every message travel as a client's does: a message is a request to the shard,
/// which answers it as it answers any `ping`, and the answer is the message. Text comes back as text and binary as
/// binary, one message for each message, in their order.
package final class EchoConversation: TranslatingDialect {
    /// The most bytes of a message: 16 MiB, the largest that Autobahn's fuzzing client sends.
    package static let messageLimit = 16 << 20

    /// It takes no events: it follows no topic.
    package let encoding = EventEncoding.none
    package var messageLimit: Int? { Self.messageLimit }

    package init() {}

    package var authenticatesByMessage: Bool { false }

    package func receive(_ text: [UInt8]) -> [Request] { [Self.request(text, Self.text)] }

    package func receive(binary: [UInt8]) -> [Request]? { [Self.request(binary, Self.binary)] }

    package func encode(_ reply: Reply, to reference: RequestReference) -> [[UInt8]] { [reference.id ?? []] }

    package func encode(_ notice: Notice) -> [UInt8]? { nil }

    package func answersInBinary(_ reference: RequestReference) -> Bool { reference.method == Self.binary }

    private static let text = "text"
    private static let binary = "binary"

    private static func request(_ message: [UInt8], _ method: String) -> Request {
        Request(reference: RequestReference(id: message, method: method), command: .ping)
    }
}
