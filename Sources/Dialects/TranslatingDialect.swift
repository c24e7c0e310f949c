import Broker

/// A dialect that only translates: a message is requests, a reply is texts, a notice is one text or none.
package protocol TranslatingDialect: Dialect {
    /// Turns one text message into requests, in order. Whatever is wrong with it becomes a `.refuse` request.
    func receive(_ text: [UInt8]) -> [Request]

    /// Turns one binary message into requests, in order; nil where only text is spoken.
    func receive(binary: [UInt8]) -> [Request]?

    /// What the conversation asks because of the answer that it has just been given to encode.
    func followUp() -> [Request]

    /// The texts that answer a request: none, or one, or a batch's at its end.
    func encode(_ reply: Reply, to reference: RequestReference) -> [[UInt8]]

    /// The text of a notice; nil where the dialect has no word for it.
    func encode(_ notice: Notice) -> [UInt8]?
}

extension TranslatingDialect {
    package func receive(binary: [UInt8]) -> [Request]? { nil }

    package func followUp() -> [Request] { [] }

    package func steps(for text: [UInt8]) -> [DialectStep] { receive(text).map { .request($0) } }

    package func steps(forBinary bytes: [UInt8]) -> [DialectStep]? { receive(binary: bytes)?.map { .request($0) } }

    package func steps(for reply: Reply, to reference: RequestReference) -> [DialectStep] {
        let texts = encode(reply, to: reference).map { DialectStep.send($0) }
        return texts + followUp().map { .request($0) }
    }

    package func steps(for notice: Notice, on branch: BranchID?) -> [DialectStep] {
        encode(notice).map { [.send($0)] } ?? []
    }
}
