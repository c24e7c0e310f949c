import Model

/// The clear beginning of everything that is sealed: 19 bytes, authenticated as the associated data.
///
///     version  1    kind  1    key index  1    sender's boot  16
///
/// A hello goes on with its 12-byte nonce, data with its 8-byte counter; then come ciphertext and tag.
package struct SealedHeader: Equatable, Sendable {
    /// The version that this build writes and reads.
    package static let version: UInt8 = 1
    /// The header's length, in bytes.
    package static let length = 19
    /// The length of data's counter, in bytes.
    package static let counterLength = 8
    /// What sealing adds to a data frame, in bytes: header, counter, tag.
    package static let dataOverhead = length + counterLength + SealingSize.tag
    /// What sealing adds to a hello, in bytes: header, nonce, tag.
    package static let helloOverhead = length + SealingSize.nonce + SealingSize.tag

    /// What follows the header.
    package enum Kind: UInt8, Sendable {
        /// An introduction, sealed under a key that every node of the cluster has.
        case hello = 1
        /// A frame of a session.
        case data = 2
    }

    /// What follows.
    package let kind: Kind
    /// Which key of the ring sealed it.
    package let keyIndex: UInt8
    /// The run of the node that sealed it.
    package let boot: Boot

    package init(kind: Kind, keyIndex: UInt8, boot: Boot) {
        self.kind = kind
        self.keyIndex = keyIndex
        self.boot = boot
    }

    /// The header of received bytes, or why they cannot be opened.
    package static func read(_ bytes: UnsafeRawBufferPointer) -> Result<SealedHeader, DropReason> {
        guard bytes.count >= length else { return .failure(.truncated) }
        guard bytes[0] == version, let kind = Kind(rawValue: bytes[1]) else { return .failure(.unknownVersion) }
        guard bytes.count >= (kind == .hello ? helloOverhead : dataOverhead) else { return .failure(.truncated) }
        let boot = Boot(high: bytes.bigEndianInteger(at: 3), low: bytes.bigEndianInteger(at: 11))
        return .success(SealedHeader(kind: kind, keyIndex: bytes[2], boot: boot))
    }

    /// The header as bytes.
    package var bytes: [UInt8] {
        var writer = ByteWriter(reservingCapacity: Self.length)
        writer.u8(Self.version)
        writer.u8(kind.rawValue)
        writer.u8(keyIndex)
        writer.u64(boot.high)
        writer.u64(boot.low)
        return writer.bytes
    }
}

extension UnsafeRawBufferPointer {
    /// The 8 bytes at an offset, most significant first.
    func bigEndianInteger(at offset: Int) -> UInt64 {
        UInt64(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}
