import CZlib

/// Compresses messages, each for itself, so that its bytes suit every receiver (RFC 7692 §7.2.1).
///
/// It takes about 40 KiB from its first message on; a node has one for each loop and window.
package struct Deflater: ~Copyable {
    /// How hard zlib tries, 1 to 9. On chat messages as JSON of 250 to 2,000 bytes, level 4 takes as long as level 1 and
    /// saves as much as level 6 does within a hundredth; beyond 2,000 bytes levels 5 and more take up to twice as long.
    static let level: Int32 = 4
    /// zlib's memory level, 1 to 9: a hash table of 4,096 entries, cleared for each message. Its default of 8 takes a
    /// third longer on a message of 300 bytes.
    static let memoryLevel: Int32 = 5

    private let window: DeflateWindow
    private var stream: UnsafeMutablePointer<z_stream>?

    /// - Parameter window: how far back messages may refer.
    package init(window: DeflateWindow) {
        self.window = window
    }

    deinit {
        guard let stream else { return }
        _ = deflateEnd(stream)
        stream.deallocate()
    }

    /// Compresses a message into the payload of its frame. It may be larger than the message: one that does not become
    /// smaller is better sent as it is.
    package mutating func compress(_ message: [UInt8]) -> [UInt8] {
        let stream = openStream()
        let room = Int(deflateBound(stream, UInt(message.count))) + Self.flushRoom
        return message.withUnsafeBytes { source in
            [UInt8](unsafeUninitializedCapacity: room) { target, count in
                // zlib reads through this pointer and does not write.
                stream.pointee.next_in = UnsafeMutablePointer(
                    mutating: source.baseAddress?.assumingMemoryBound(to: UInt8.self))
                stream.pointee.avail_in = UInt32(source.count)
                stream.pointee.next_out = target.baseAddress
                stream.pointee.avail_out = UInt32(room)
                let code = deflate(stream, Z_SYNC_FLUSH)
                precondition(code == Z_OK && stream.pointee.avail_out > 0, "zlib keeps to its own bound")
                count = room - Int(stream.pointee.avail_out) - Inflater.tail.count
                stream.pointee.next_in = nil
                stream.pointee.next_out = nil
            }
        }
    }

    /// What a flush adds beyond zlib's bound at most: an empty stored block, and bits to the next byte.
    private static let flushRoom = 16

    private mutating func openStream() -> UnsafeMutablePointer<z_stream> {
        if let stream {
            let code = deflateReset(stream)
            precondition(code == Z_OK, "a stream that was opened can be reset")
            return stream
        }
        let fresh = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        fresh.initialize(to: z_stream())
        let code = roost_deflate_init(fresh, Self.level, -Int32(window.rawValue), Self.memoryLevel)
        precondition(code == Z_OK, "there is no memory to compress with")
        stream = fresh
        return fresh
    }
}
