import CZlib

/// Inflates one compressed message as its bytes come, a bounded piece at a time (RFC 7692 §7.2.2).
///
/// It takes about 48 KiB (zlib's state, a window of 32 KiB, and room for both sides), so it is there only while a
/// compressed message is open.
final class Inflater {
    /// What a sender takes off the end of a message, and a receiver puts there again (§7.2.1).
    static let tail: [UInt8] = [0x00, 0x00, 0xFF, 0xFF]
    /// The most compressed bytes that are held at a time.
    private static let inputRoom = 1_024
    /// The most bytes that one step gives.
    private static let outputRoom = 8_192

    private let stream: UnsafeMutablePointer<z_stream>
    private let input: UnsafeMutablePointer<UInt8>
    private let output: UnsafeMutablePointer<UInt8>
    /// How many compressed bytes have come.
    private(set) var taken = 0
    /// A block was the last of its deflate stream; more bytes begin another one (§7.2.3.4).
    private var isAtEnd = false
    private var isBroken = false

    init() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        input = .allocate(capacity: Self.inputRoom)
        output = .allocate(capacity: Self.outputRoom)
        // A client that was not held to less may refer back 32 KiB.
        let code = roost_inflate_init(stream, -15)
        precondition(code == Z_OK, "there is no memory to inflate with")
    }

    deinit {
        _ = inflateEnd(stream)
        stream.deallocate()
        input.deallocate()
        output.deallocate()
    }

    /// Takes the first of the given bytes, once what was taken before is used up.
    /// - Returns: how many.
    func take(_ bytes: UnsafeRawBufferPointer, _ mask: MaskingKey) -> Int {
        precondition(stream.pointee.avail_in == 0, "bytes are taken one room after another")
        let count = min(bytes.count, Self.inputRoom)
        guard count > 0, let source = bytes.baseAddress else { return 0 }
        _ = mask.apply(from: source, to: UnsafeMutableRawPointer(input), count: count)
        stream.pointee.next_in = input
        stream.pointee.avail_in = UInt32(count)
        taken += count
        return count
    }

    /// Inflates the next bytes.
    /// - Parameter limit: the most that are wanted, at least 1.
    /// - Returns: what was inflated, good until the next step; empty when more must be taken first.
    func step(atMost limit: Int) throws(ProtocolViolation) -> UnsafeRawBufferPointer {
        while true {
            guard !isBroken else { throw .compressedDataInvalid }
            if isAtEnd {
                guard stream.pointee.avail_in > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
                _ = inflateReset(stream)
                isAtEnd = false
            }
            let room = min(limit, Self.outputRoom)
            stream.pointee.next_out = output
            stream.pointee.avail_out = UInt32(room)
            switch inflate(stream, Z_SYNC_FLUSH) {
            case Z_OK, Z_BUF_ERROR: break
            case Z_STREAM_END: isAtEnd = true
            case Z_MEM_ERROR: preconditionFailure("there is no memory to inflate with")
            default: isBroken = true
            }
            let count = room - Int(stream.pointee.avail_out)
            // What came before the bad byte goes first, wherever reads cut the stream.
            if count > 0 || (!isBroken && !isAtEnd) { return UnsafeRawBufferPointer(start: output, count: count) }
        }
    }

    /// Puts the tail behind the message, where one belongs; ``step(atMost:)`` then gives the last bytes.
    ///
    /// Peers that end their last block for good, and send no empty one behind it, are understood; so is no byte at all for
    /// an empty message.
    func takeTail() {
        guard !isAtEnd, taken > 0 else { return }
        Self.tail.withUnsafeBytes { _ = take($0, .none) }
    }

    /// Whether the message ends where a block does, so that nothing is missing.
    var isComplete: Bool {
        // zlib sets 128 between two blocks; the lowest bits count those that are left of a byte.
        taken == 0 || isAtEnd || stream.pointee.data_type & 0xBF == 128
    }
}
