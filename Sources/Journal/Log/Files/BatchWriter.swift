import Model

/// Gathers one batch of frames, and says where each will stand.
struct BatchWriter {
    /// Where a frame stands in the batch.
    struct Frame {
        let sequence: UInt64
        /// From the batch's first byte.
        let position: Int
        let size: Int
    }

    private(set) var frames: [Frame] = []
    private var bytes: [UInt8]

    init(reservingCapacity capacity: Int = 4_096) {
        bytes = []
        bytes.reserveCapacity(capacity)
        bytes.append(contentsOf: repeatElement(0, count: SegmentFormat.batchHeaderSize))
    }

    var isEmpty: Bool { frames.isEmpty }
    var length: Int { bytes.count }

    mutating func append(_ record: Record, sequence: UInt64) {
        var writer = ByteWriter(reservingCapacity: 160 + record.payloadCount)
        record.encode(into: &writer)
        append(encoded: writer.bytes[...], sequence: sequence)
    }

    mutating func append(encoded: ArraySlice<UInt8>, sequence: UInt64) {
        let start = bytes.count
        bytes.append(integer: UInt32(encoded.count + SegmentFormat.sequenceSize))
        bytes.append(integer: UInt32(0))
        bytes.append(integer: sequence)
        bytes.append(contentsOf: encoded)
        let checksum = bytes.withUnsafeBytes { all in
            let length = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: all[start..<start + 4]))
            return CRC32C.checksum(UnsafeRawBufferPointer(rebasing: all[(start + 8)...]), after: length)
        }
        for (index, byte) in checksum.bigEndianBytes.enumerated() { bytes[start + 4 + index] = byte }
        frames.append(Frame(sequence: sequence, position: start, size: bytes.count - start))
    }

    /// The whole batch.
    consuming func finish(durable: LogPlace) -> [UInt8] {
        var header: [UInt8] = []
        header.append(integer: SegmentFormat.batchMagic)
        header.append(integer: UInt32(bytes.count - SegmentFormat.batchHeaderSize))
        header.append(integer: UInt32(frames.count))
        header.append(integer: frames.first?.sequence ?? 0)
        header.append(integer: durable.segment)
        header.append(integer: UInt32(durable.length))
        header.append(integer: CRC32C.checksum(header))
        for (index, byte) in header.enumerated() { bytes[index] = byte }
        return bytes
    }
}

extension UInt32 {
    fileprivate var bigEndianBytes: [UInt8] {
        [
            UInt8(truncatingIfNeeded: self >> 24), UInt8(truncatingIfNeeded: self >> 16),
            UInt8(truncatingIfNeeded: self >> 8), UInt8(truncatingIfNeeded: self),
        ]
    }
}
