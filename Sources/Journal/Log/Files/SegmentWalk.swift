/// Walks over the batches and frames in a part of a segment, checking every checksum.
///
/// After damage it goes on at the next whole batch header, or at the next whole frame of the same batch.
struct SegmentWalk {
    /// What stands at a place of the file.
    enum Found: Equatable {
        case batch(SegmentFormat.BatchHeader, at: Int)
        /// A record's frame; `record` is the range of the encoded record in the bytes given.
        case frame(sequence: UInt64, position: Int, size: Int, record: Range<Int>)
        case damage(Range<Int>)
    }

    private let base: Int
    private var position: Int
    private var batchEnd = 0
    /// Where the batch begins that the bytes do not hold to its end, and its whole length; nil where there is none.
    private(set) var unfinished: (position: Int, length: Int)?

    /// - Parameters:
    ///   - base: where in the file the bytes begin.
    ///   - start: where in the bytes the first batch begins.
    init(base: Int, start: Int = 0) {
        self.base = base
        position = start
    }

    /// The next thing in `bytes`, nil at their end.
    mutating func next(in bytes: UnsafeRawBufferPointer) -> Found? {
        if position < batchEnd { return frame(in: bytes) }
        guard position < bytes.count, unfinished == nil else { return nil }
        if let header = SegmentFormat.batchHeader(in: bytes, at: position) {
            guard position + header.totalLength <= bytes.count else {
                unfinished = (base + position, header.totalLength)
                return nil
            }
            defer {
                batchEnd = position + header.totalLength
                position += SegmentFormat.batchHeaderSize
            }
            return .batch(header, at: base + position)
        }
        let start = position
        position = nextHeader(in: bytes, after: position)
        return .damage(base + start..<base + position)
    }

    private mutating func frame(in bytes: UnsafeRawBufferPointer) -> Found {
        if let size = frameSize(in: bytes, at: position) {
            defer { position += size }
            let payload = position + SegmentFormat.frameHeaderSize
            return .frame(
                sequence: bytes.integer(at: payload, as: UInt64.self), position: base + position, size: size,
                record: payload + SegmentFormat.sequenceSize..<position + size)
        }
        // The length may still be right: then the next frame is whole.
        let start = position
        position = batchEnd
        if start + SegmentFormat.frameHeaderSize <= batchEnd {
            let next = start + SegmentFormat.frameHeaderSize + Int(bytes.integer(at: start, as: UInt32.self))
            if next < batchEnd, frameSize(in: bytes, at: next) != nil { position = next }
        }
        return .damage(base + start..<base + position)
    }

    /// The size of the undamaged frame at a place of the batch.
    private func frameSize(in bytes: UnsafeRawBufferPointer, at position: Int) -> Int? {
        Self.frameSize(in: bytes, at: position, end: batchEnd)
    }

    /// The size of the undamaged frame at `position` and before `end`; nil where there is none.
    static func frameSize(in bytes: UnsafeRawBufferPointer, at position: Int, end: Int) -> Int? {
        guard position + SegmentFormat.frameHeaderSize + SegmentFormat.sequenceSize <= end else { return nil }
        let length = Int(bytes.integer(at: position, as: UInt32.self))
        let payload = position + SegmentFormat.frameHeaderSize
        guard length >= SegmentFormat.sequenceSize, payload + length <= end else { return nil }
        var checksum = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[position..<position + 4]))
        checksum = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[payload..<payload + length]), after: checksum)
        guard checksum == bytes.integer(at: position + 4, as: UInt32.self) else { return nil }
        return SegmentFormat.frameHeaderSize + length
    }

    private func nextHeader(in bytes: UnsafeRawBufferPointer, after position: Int) -> Int {
        var candidate = position + 1
        while candidate + SegmentFormat.batchHeaderSize <= bytes.count {
            if SegmentFormat.batchHeader(in: bytes, at: candidate) != nil { return candidate }
            candidate += 1
        }
        return bytes.count
    }
}
