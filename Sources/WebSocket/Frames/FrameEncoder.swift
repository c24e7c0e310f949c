/// Appends frames: unmasked as a server sends them, or masked with the key of a client.
package enum FrameEncoder {
    /// The most bytes that a header takes: two, eight of extended length, four of mask.
    package static let longestHeader = FrameHeader.longest
    /// The most bytes of a control frame's payload (RFC 6455 §5.5).
    package static let controlLimit = 125

    /// Appends a text message in one frame; `payload` must be UTF-8.
    package static func text(_ payload: ArraySlice<UInt8>, mask: MaskingKey? = nil, into bytes: inout [UInt8]) {
        frame(.text, payload, mask: mask, into: &bytes)
    }

    /// Appends a text message in one frame; `payload` must be UTF-8.
    package static func text(_ payload: [UInt8], mask: MaskingKey? = nil, into bytes: inout [UInt8]) {
        frame(.text, payload[...], mask: mask, into: &bytes)
    }

    /// Appends a binary message in one frame.
    package static func binary(_ payload: ArraySlice<UInt8>, mask: MaskingKey? = nil, into bytes: inout [UInt8]) {
        frame(.binary, payload, mask: mask, into: &bytes)
    }

    /// Appends a binary message in one frame.
    package static func binary(_ payload: [UInt8], mask: MaskingKey? = nil, into bytes: inout [UInt8]) {
        frame(.binary, payload[...], mask: mask, into: &bytes)
    }

    /// Appends a ping; `payload` has at most 125 bytes.
    package static func ping(_ payload: [UInt8], mask: MaskingKey? = nil, into bytes: inout [UInt8]) {
        frame(.ping, payload[...], mask: mask, into: &bytes)
    }

    /// Appends a pong with the payload of the ping that it answers.
    package static func pong(_ payload: [UInt8], mask: MaskingKey? = nil, into bytes: inout [UInt8]) {
        frame(.pong, payload[...], mask: mask, into: &bytes)
    }

    /// Appends a close frame, its reason cut to 123 bytes at a character's end.
    /// - Parameter code: one that may be sent, or nil for a close frame without payload, whose reason is left out.
    package static func close(
        _ code: CloseCode?, reason: String = "", mask: MaskingKey? = nil, into bytes: inout [UInt8]
    ) {
        guard let code else { return frame(.close, [], mask: mask, into: &bytes) }
        precondition(code.maySend, "close code \(code) stands for something that is never sent")
        var payload = [UInt8(truncatingIfNeeded: code.rawValue >> 8), UInt8(truncatingIfNeeded: code.rawValue)]
        for scalar in reason.unicodeScalars {
            guard payload.count + UTF8.width(scalar) <= controlLimit else { break }
            payload.append(contentsOf: String(scalar).utf8)
        }
        frame(.close, payload[...], mask: mask, into: &bytes)
    }

    /// Appends one frame of any kind, a fragment when it is not final.
    /// - Parameter isCompressed: whether it is the first or only frame of a message that ``Deflater`` has compressed.
    package static func frame(
        _ opcode: Opcode, isFinal: Bool = true, isCompressed: Bool = false, _ payload: ArraySlice<UInt8>,
        mask: MaskingKey? = nil, into bytes: inout [UInt8]
    ) {
        precondition(
            !opcode.isControl || (isFinal && payload.count <= controlLimit), "a control frame is one, and short")
        header(
            opcode, isFinal: isFinal, isCompressed: isCompressed, payloadCount: payload.count, mask: mask, into: &bytes)
        guard let mask else {
            bytes.append(contentsOf: payload)
            return
        }
        payload.withUnsafeBytes { bytes.append($0, combinedWith: mask) }
    }

    /// Appends the header of a frame whose payload the caller writes behind it.
    package static func header(
        _ opcode: Opcode, isFinal: Bool = true, isCompressed: Bool = false, payloadCount: Int, mask: MaskingKey? = nil,
        into bytes: inout [UInt8]
    ) {
        let maskBit: UInt8 = mask == nil ? 0 : 0x80
        bytes.append((isFinal ? 0x80 : 0) | (isCompressed ? FrameHeader.compressionBit : 0) | opcode.rawValue)
        switch payloadCount {
        case ...125: bytes.append(maskBit | UInt8(payloadCount))
        case ...0xFFFF:
            bytes.append(maskBit | 126)
            withUnsafeBytes(of: UInt16(payloadCount).bigEndian) { bytes.append(contentsOf: $0) }
        default:
            bytes.append(maskBit | 127)
            withUnsafeBytes(of: UInt64(payloadCount).bigEndian) { bytes.append(contentsOf: $0) }
        }
        if let mask { bytes.append(contentsOf: mask.bytes) }
    }
}
