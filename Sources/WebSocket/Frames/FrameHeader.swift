/// The bytes before a frame's payload (RFC 6455 §5.2).
package struct FrameHeader {
    /// Two bytes, eight of extended length, four of mask.
    static let longest = 14

    /// What the frame carries.
    package let opcode: Opcode
    /// Whether it is the last or only frame of its message.
    let isFinal: Bool
    /// RSV1, RSV2 and RSV3 in their places in the first byte.
    let reservedBits: UInt8
    /// The key of its payload, zero when unmasked.
    let mask: MaskingKey
    /// How many bytes of payload follow.
    package let payloadCount: Int
    /// How many bytes the header itself takes.
    package let count: Int

    /// RSV1, which permessage-deflate sets on the first frame of a compressed message (RFC 7692 §6).
    static let compressionBit: UInt8 = 0x40

    /// Reads a header from the first bytes of a frame.
    ///
    /// What is wrong with the first two bytes is said before more are asked for.
    /// - Parameter allowedBits: the reserved bits that an extension has given a meaning.
    /// - Returns: nil while bytes are missing.
    @inline(__always)
    package static func parse(
        _ bytes: UnsafeRawBufferPointer, for role: Role, allowedBits: UInt8
    ) throws(ProtocolViolation) -> FrameHeader? {
        guard bytes.count >= 2 else { return nil }
        let (first, second) = (bytes[0], bytes[1])
        let reservedBits = first & 0x70
        guard reservedBits & ~allowedBits == 0 else { throw .reservedBits }
        guard let opcode = Opcode(rawValue: first & 0x0F) else { throw .reservedOpcode(first & 0x0F) }
        let isMasked = second & 0x80 != 0
        switch role {
        case .server: guard isMasked else { throw .unmasked }
        case .client: guard !isMasked else { throw .masked }
        }
        let isFinal = first & 0x80 != 0
        let short = second & 0x7F
        if opcode.isControl {
            guard isFinal else { throw .controlFragmented }
            guard short <= 125 else { throw .controlTooLong }
            guard reservedBits == 0 else { throw .reservedBits }
        }
        guard let (payloadCount, lengthEnd) = try length(bytes, short: short) else { return nil }
        let count = lengthEnd + (isMasked ? 4 : 0)
        guard bytes.count >= count else { return nil }
        let mask = isMasked ? bytes.loadUnaligned(fromByteOffset: lengthEnd, as: UInt32.self) : 0
        return FrameHeader(
            opcode: opcode, isFinal: isFinal, reservedBits: reservedBits,
            mask: MaskingKey(word: UInt32(littleEndian: mask)), payloadCount: payloadCount, count: count)
    }

    /// The payload's length and where the length's bytes end; nil while bytes are missing.
    @inline(__always)
    private static func length(
        _ bytes: UnsafeRawBufferPointer, short: UInt8
    ) throws(ProtocolViolation) -> (Int, Int)? {
        switch short {
        case 126:
            guard bytes.count >= 4 else { return nil }
            let length = UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            guard length > 125 else { throw .lengthNotMinimal }
            return (Int(length), 4)
        case 127:
            guard bytes.count >= 10 else { return nil }
            let length = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
            guard length > 0xFFFF, let count = Int(exactly: length) else { throw .lengthNotMinimal }
            return (count, 10)
        default: return (Int(short), 2)
        }
    }
}
