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

/// A data message that comes in several frames or several reads, or compressed.
struct OpenMessage: ~Copyable {
    /// Whether a first fragment has come, and no last one.
    private(set) var isOpen = false
    /// What has come of the message, unmasked and inflated.
    private(set) var payload: [UInt8] = []
    private var isText = false
    private var progress = UTF8Progress()
    /// There while a compressed message is open.
    private var inflater: Inflater?

    /// Opens a message.
    mutating func begin(isText: Bool, isCompressed: Bool) {
        isOpen = true
        self.isText = isText
        if isCompressed { inflater = Inflater() }
    }

    /// Whether its frames carry compressed bytes.
    var isCompressed: Bool { inflater != nil }

    /// How many compressed bytes have come; nil for a message that is not compressed.
    var compressedCount: Int? { inflater?.taken }

    /// Takes bytes of a fragment of which `remaining` are still to come, these included.
    /// - Parameter limit: the most bytes that the message may have, inflated.
    mutating func append(
        _ piece: UnsafeRawBufferPointer, _ mask: MaskingKey, expecting remaining: Int, limit: Int
    ) throws(ProtocolViolation) {
        if let inflater { return try inflate(piece, mask, with: inflater, limit: limit) }
        let before = payload.count
        payload.makeRoom(for: piece.count, expecting: remaining)
        payload.append(piece, combinedWith: mask)
        try validate(from: before)
    }

    /// Hands out the message and makes room for the next.
    mutating func end(limit: Int) throws(ProtocolViolation) -> MessageEvent {
        if let inflater { try inflateTail(with: inflater, limit: limit) }
        guard progress.isComplete else { throw .textNotUTF8 }
        let event = isText ? MessageEvent.text(payload) : .binary(payload)
        self = OpenMessage()
        return event
    }

    private mutating func validate(from start: Int) throws(ProtocolViolation) {
        guard isText else { return }
        let isPossible = payload.withUnsafeBytes { progress.accept(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        guard isPossible else { throw .textNotUTF8 }
    }

    // MARK: Compressed

    private mutating func inflate(
        _ piece: UnsafeRawBufferPointer, _ mask: MaskingKey, with inflater: Inflater, limit: Int
    ) throws(ProtocolViolation) {
        var position = 0
        while position < piece.count {
            let rest = UnsafeRawBufferPointer(rebasing: piece[position...])
            position += inflater.take(rest, mask.advanced(by: position))
            try drain(inflater, limit: limit)
        }
    }

    private mutating func inflateTail(with inflater: Inflater, limit: Int) throws(ProtocolViolation) {
        inflater.takeTail()
        try drain(inflater, limit: limit)
        guard inflater.isComplete else { throw .compressedDataInvalid }
    }

    /// Keeps what the bytes taken so far inflate to, and never more than one byte beyond the limit.
    private mutating func drain(_ inflater: Inflater, limit: Int) throws(ProtocolViolation) {
        while true {
            let before = payload.count
            let inflated = try inflater.step(atMost: limit - before + 1)
            guard inflated.count > 0 else { return }
            let kept = inflated.prefix(limit - before)
            payload.makeRoom(for: kept.count, expecting: limit - before)
            payload.append(contentsOf: kept)
            try validate(from: before)
            guard kept.count == inflated.count else { throw .inflatedTooLarge(limit: limit) }
        }
    }
}

extension [UInt8] {
    /// Doubles the room when it is too small, but never beyond what the `expected` bytes to come need, or a quarter more
    /// than there is: a message of very many small fragments must not be copied for each of them.
    mutating func makeRoom(for added: Int, expecting expected: Int) {
        let needed = count + added
        guard capacity < needed else { return }
        reserveCapacity(Swift.max(needed, Swift.min(needed * 2, count + expected), needed + needed / 4))
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
