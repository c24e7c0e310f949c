import NIOCore
import WebSocket

/// Makes the frames of one loop, compressed where that was agreed and pays. Confined to its loop.
struct FrameCompressor: ~Copyable {
    /// Messages with fewer bytes are not compressed.
    private let threshold: Int
    private var standard = Deflater(window: .standard)
    private var narrow = Deflater(window: .narrow)

    init(threshold: Int) {
        self.threshold = threshold
    }

    /// A final, unmasked text or binary frame for receivers with whom `window` was agreed; nil where nothing was.
    mutating func frame(
        _ opcode: Opcode, _ message: [UInt8], window: DeflateWindow?, counting counters: inout FrontCounters
    ) -> ByteBuffer {
        guard let window, message.count >= threshold else { return whole(opcode, message, isCompressed: false) }
        let compressed =
            switch window {
            case .standard: standard.compress(message)
            case .narrow: narrow.compress(message)
            }
        let pays = compressed.count < message.count
        counters.compressions += 1
        counters.bytesBeforeCompression += UInt64(message.count)
        counters.bytesAfterCompression += UInt64(pays ? compressed.count : message.count)
        return whole(opcode, pays ? compressed : message, isCompressed: pays)
    }
}

/// A final, unmasked frame around a payload.
private func whole(_ opcode: Opcode, _ payload: [UInt8], isCompressed: Bool) -> ByteBuffer {
    var header: [UInt8] = []
    header.reserveCapacity(FrameEncoder.longestHeader)
    FrameEncoder.header(opcode, isCompressed: isCompressed, payloadCount: payload.count, into: &header)
    var frame = ByteBufferAllocator().buffer(capacity: header.count + payload.count)
    frame.writeBytes(header)
    frame.writeBytes(payload)
    return frame
}
