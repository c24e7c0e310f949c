/// Makes messages of the bytes that a peer sends, in one pass, and refuses what RFC 6455 forbids.
///
/// Where reads cut the stream makes no difference to the events. It holds at most one open message of `messageLimit`
/// bytes and a quarter more to grow into, one control payload and one header; room is taken as bytes come, never because
/// a header announces them. While a compressed message (RFC 7692) is open it holds about 48 KiB more; the limit is one of
/// inflated bytes, and nothing is inflated beyond it.
package struct MessageAssembler: ~Copyable {
    /// The bytes of a message that a server takes unless told otherwise: 1 MiB.
    package static let defaultMessageLimit = 1 << 20

    private let role: Role
    private let messageLimit: Int
    /// The reserved bits that an agreed extension has given a meaning: ``FrameHeader/compressionBit`` on the first frame of
    /// a message.
    private let allowedBits: UInt8

    /// A header of which bytes are missing.
    private var header: [UInt8] = []
    /// The frame whose payload is coming, if its header is complete.
    private var frame: OpenFrame?
    /// The message whose last fragment has not come.
    private var message = OpenMessage()
    /// What came of an open control frame's payload, at most 125 bytes.
    private var control: [UInt8] = []
    /// Set by a close frame or a violation.
    private var isFinished = false
    /// Bytes of compressed messages that the read under way has brought.
    private var inflatedCount = 0

    /// - Parameters:
    ///   - role: the end of the connection at which this is.
    ///   - messageLimit: the most bytes that a message may have over all its fragments.
    ///   - acceptsCompressed: whether permessage-deflate was agreed, without context takeover by the peer.
    package init(role: Role, messageLimit: Int = defaultMessageLimit, acceptsCompressed: Bool = false) {
        precondition(messageLimit >= 0, "a message cannot have fewer than no bytes")
        self.role = role
        self.messageLimit = messageLimit
        allowedBits = acceptsCompressed ? FrameHeader.compressionBit : 0
    }

    /// The bytes of memory that incomplete frames and messages take now, an open message's inflater left out.
    package var bufferedByteCount: Int { header.capacity + control.capacity + message.payload.capacity }

    /// Whether a compressed message is open, and so an inflater there.
    package var isInflating: Bool { message.isCompressed }

    /// Takes the next bytes of the stream and appends what they complete.
    ///
    /// After a close frame or a violation every further byte is passed over (RFC 6455 §1.4).
    /// - Throws: the violation that ends the connection; events that came before it have been appended.
    package mutating func receive(
        _ bytes: UnsafeRawBufferPointer, into events: inout [MessageEvent]
    ) throws(ProtocolViolation) {
        _ = try receive(bytes, pausingAfter: .max, into: &events)
    }

    /// As ``receive(_:into:)``, but stops early when compressed messages have brought more than so many bytes, so that one
    /// read full of small frames that inflate to large messages need not be held all at once.
    ///
    /// - Returns: how many bytes were taken; call again with the rest, after the events were dealt with.
    package mutating func receive(
        _ bytes: UnsafeRawBufferPointer, pausingAfter inflatedLimit: Int, into events: inout [MessageEvent]
    ) throws(ProtocolViolation) -> Int {
        inflatedCount = 0
        do throws(ProtocolViolation) {
            var position = 0
            while position < bytes.count, !isFinished, inflatedCount <= inflatedLimit {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
                position &+= try step(rest, into: &events)
            }
            return isFinished ? bytes.count : position
        } catch {
            finish()
            throw error
        }
    }

    /// Takes a header, a piece of payload, or a whole small frame, and says how many bytes it had.
    private mutating func step(
        _ bytes: UnsafeRawBufferPointer, into events: inout [MessageEvent]
    ) throws(ProtocolViolation) -> Int {
        if frame != nil { return try payload(bytes, into: &events) }
        if header.isEmpty, let parsed = try FrameHeader.parse(bytes, for: role, allowedBits: allowedBits) {
            try check(parsed)
            let end = parsed.count &+ parsed.payloadCount
            if end <= bytes.count, parsed.isFinal, parsed.opcode != .continuation, parsed.reservedBits == 0 {
                try whole(parsed, UnsafeRawBufferPointer(rebasing: bytes[parsed.count..<end]), into: &events)
                return end
            }
            try open(parsed, into: &events)
            return parsed.count
        }
        return try headerPiece(bytes, into: &events)
    }

    /// Adds bytes to an incomplete header until it is complete.
    private mutating func headerPiece(
        _ bytes: UnsafeRawBufferPointer, into events: inout [MessageEvent]
    ) throws(ProtocolViolation) -> Int {
        let before = header.count
        header.append(contentsOf: bytes.prefix(FrameHeader.longest - before))
        let parsed = try header.withUnsafeBufferPointer { (buffer) throws(ProtocolViolation) -> FrameHeader? in
            try FrameHeader.parse(UnsafeRawBufferPointer(buffer), for: role, allowedBits: allowedBits)
        }
        guard let parsed else { return bytes.count }
        header = []
        try check(parsed)
        try open(parsed, into: &events)
        return parsed.count - before
    }

    /// Refuses a frame that does not fit what came before, or is too large, before any of its payload is kept.
    private func check(_ header: FrameHeader) throws(ProtocolViolation) {
        let compressedCount: Int?
        switch header.opcode {
        case .close, .ping, .pong: return
        case .continuation:
            guard message.isOpen else { throw .continuationUnexpected }
            guard header.reservedBits == 0 else { throw .reservedBits }
            compressedCount = message.compressedCount
        case .text, .binary:
            guard !message.isOpen else { throw .continuationMissing }
            compressedCount = header.reservedBits == 0 ? nil : 0
        }
        let room =
            compressedCount.map { Self.compressedLimit(messageLimit) &- $0 } ?? messageLimit &- message.payload.count
        guard header.payloadCount <= room else { throw .messageTooLarge(limit: messageLimit) }
    }

    /// The most compressed bytes of a message: what its bytes take in the most wasteful codes of deflate, nine bits each
    /// (RFC 1951 §3.2.6), and some for the ends of blocks. A peer that sends more is wasting them.
    static func compressedLimit(_ messageLimit: Int) -> Int { messageLimit &+ messageLimit / 8 &+ 1_024 }

    /// Takes a frame that is a message or control frame of its own and lies in one read: a single copy.
    @inline(__always)
    private mutating func whole(
        _ header: FrameHeader, _ bytes: UnsafeRawBufferPointer, into events: inout [MessageEvent]
    ) throws(ProtocolViolation) {
        var isASCII = true
        let payload = [UInt8](unsafeUninitializedCapacity: bytes.count) { buffer, count in
            count = bytes.count
            guard let source = bytes.baseAddress, let target = buffer.baseAddress, count > 0 else { return }
            isASCII = header.mask.apply(from: source, to: UnsafeMutableRawPointer(target), count: count)
        }
        switch header.opcode {
        case .text:
            if !isASCII {
                var progress = UTF8Progress()
                guard payload.withUnsafeBytes({ progress.accept($0) }), progress.isComplete else { throw .textNotUTF8 }
            }
            events.append(.text(payload))
        case .binary: events.append(.binary(payload))
        case .ping, .pong, .close, .continuation: try deliver(header.opcode, payload, into: &events)
        }
    }

    /// Begins a frame whose payload is to come in pieces.
    private mutating func open(_ header: FrameHeader, into events: inout [MessageEvent]) throws(ProtocolViolation) {
        if header.opcode == .text || header.opcode == .binary {
            message.begin(isText: header.opcode == .text, isCompressed: header.reservedBits != 0)
        }
        frame = OpenFrame(
            opcode: header.opcode, isFinal: header.isFinal, mask: header.mask, remaining: header.payloadCount)
        if header.payloadCount == 0 { try closeFrame(into: &events) }
    }

    /// Takes what of the open frame's payload is there.
    private mutating func payload(
        _ bytes: UnsafeRawBufferPointer, into events: inout [MessageEvent]
    ) throws(ProtocolViolation) -> Int {
        guard var open = frame else { preconditionFailure("payload comes only after a header") }
        let count = min(bytes.count, open.remaining)
        let piece = UnsafeRawBufferPointer(rebasing: bytes[..<count])
        if open.opcode.isControl {
            control.append(piece, combinedWith: open.mask)
        } else {
            try message.append(piece, open.mask, expecting: open.remaining, limit: messageLimit)
        }
        open.mask = open.mask.advanced(by: count)
        open.remaining -= count
        frame = open
        if open.remaining == 0 { try closeFrame(into: &events) }
        return count
    }

    /// Ends the open frame, and with the last fragment its message.
    private mutating func closeFrame(into events: inout [MessageEvent]) throws(ProtocolViolation) {
        guard let closed = frame else { preconditionFailure("only an open frame can end") }
        frame = nil
        if closed.opcode.isControl {
            let payload = control
            control = []
            try deliver(closed.opcode, payload, into: &events)
        } else if closed.isFinal {
            let isCompressed = message.isCompressed
            let event = try message.end(limit: messageLimit)
            if isCompressed { inflatedCount &+= event.dataCount }
            events.append(event)
        }
    }

    private mutating func deliver(
        _ opcode: Opcode, _ payload: [UInt8], into events: inout [MessageEvent]
    ) throws(ProtocolViolation) {
        switch opcode {
        case .ping: events.append(.ping(payload))
        case .pong: events.append(.pong(payload))
        case .close:
            events.append(try ClosePayload.parse(payload))
            finish()
        case .text, .binary, .continuation: preconditionFailure("data frames are not control frames")
        }
    }

    /// Passes over everything from now on, and gives back the memory.
    private mutating func finish() {
        isFinished = true
        header = []
        frame = nil
        message = OpenMessage()
        control = []
    }
}
