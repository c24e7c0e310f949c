/// A frame whose payload has not wholly come.
struct OpenFrame: Sendable {
    /// What the frame carries.
    let opcode: Opcode
    /// Whether it ends its message.
    let isFinal: Bool
    /// Turned so that its first byte belongs to the next byte of payload.
    var mask: MaskingKey
    /// How many bytes of payload are still to come.
    var remaining: Int
}

/// A data message that comes in several frames or several reads.
struct OpenMessage: Sendable {
    /// Whether a first fragment has come, and no last one.
    private(set) var isOpen = false
    /// What has come of the message, unmasked.
    private(set) var payload: [UInt8] = []
    private var isText = false
    private var progress = UTF8Progress()

    /// Opens a message.
    mutating func begin(isText: Bool) {
        isOpen = true
        self.isText = isText
    }

    /// Takes bytes of a fragment of which `remaining` are still to come, these included.
    mutating func append(
        _ piece: UnsafeRawBufferPointer, _ mask: MaskingKey, expecting remaining: Int
    ) throws(ProtocolViolation) {
        let before = payload.count
        payload.makeRoom(for: piece.count, expecting: remaining)
        payload.append(piece, combinedWith: mask)
        guard isText else { return }
        let isPossible = payload.withUnsafeBytes { progress.accept(UnsafeRawBufferPointer(rebasing: $0[before...])) }
        guard isPossible else { throw .textNotUTF8 }
    }

    /// Hands out the message and makes room for the next.
    mutating func end() throws(ProtocolViolation) -> MessageEvent {
        guard progress.isComplete else { throw .textNotUTF8 }
        let event = isText ? MessageEvent.text(payload) : .binary(payload)
        self = OpenMessage()
        return event
    }
}

extension [UInt8] {
    /// Doubles the room when it is too small, but never beyond what the `expected` bytes to come need.
    mutating func makeRoom(for added: Int, expecting expected: Int) {
        let needed = count + added
        guard capacity < needed else { return }
        reserveCapacity(Swift.max(needed, Swift.min(needed * 2, count + expected)))
    }

    /// Appends a piece of payload, masked or unmasked by `mask`.
    mutating func append(_ piece: UnsafeRawBufferPointer, combinedWith mask: MaskingKey) {
        let before = count
        append(contentsOf: piece)
        guard mask != .none else { return }
        withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            _ = mask.apply(from: base + before, to: base + before, count: buffer.count - before)
        }
    }
}
