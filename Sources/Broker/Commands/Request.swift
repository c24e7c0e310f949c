import Model

/// A command with what its dialect needs to answer it.
package struct Request: Sendable {
    package let reference: RequestReference
    package let command: Command

    package init(reference: RequestReference, command: Command) {
        self.reference = reference
        self.command = command
    }
}

/// What a dialect gives along with a command and gets back with its reply. The core looks at `wantsReply` only.
package struct RequestReference: Sendable {
    /// The client's own id, as raw text of its dialect; nil where it gave none.
    package let id: [UInt8]?
    /// The client's own word for what it asked.
    package let method: String
    /// Whether a success is answered too; refusals always are.
    package let wantsReply: Bool
    /// The dialect's number of the batch that the request is part of; nil outside a batch.
    package let batch: UInt32?

    package init(id: [UInt8]?, method: String, wantsReply: Bool = true, batch: UInt32? = nil) {
        self.id = id
        self.method = method
        self.wantsReply = wantsReply
        self.batch = batch
    }
}
