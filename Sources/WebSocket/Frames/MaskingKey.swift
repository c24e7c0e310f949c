/// The four bytes with which a client's payload is combined by exclusive or (RFC 6455 §5.3).
package struct MaskingKey: Equatable, Sendable {
    /// The bytes as they stand in the frame, the first in the lowest bits.
    private let word: UInt32

    /// - Parameter bytes: the four bytes in the order of the frame; a client draws them anew for each frame.
    package init(_ bytes: (UInt8, UInt8, UInt8, UInt8)) {
        word = UInt32(bytes.0) | UInt32(bytes.1) << 8 | UInt32(bytes.2) << 16 | UInt32(bytes.3) << 24
    }

    /// The key whose first byte is the lowest of `word`.
    package init(word: UInt32) {
        self.word = word
    }

    /// The bytes in the order of the frame.
    package var bytes: [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }

    /// The key of a frame without mask.
    static let none = MaskingKey(word: 0)

    /// The key with which payload goes on after `count` of its bytes.
    @inline(__always)
    func advanced(by count: Int) -> MaskingKey {
        let shift = UInt32(truncatingIfNeeded: count & 3) &* 8
        return MaskingKey(word: word &>> shift | word &<< (32 &- shift & 31))
    }

    /// Copies `count` bytes, combined with the key, eight at a time.
    /// - Returns: whether every byte written is ASCII.
    @inline(__always)
    func apply(from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer, count: Int) -> Bool {
        let wide = UInt64(word) | UInt64(word) << 32
        var seen: UInt64 = 0
        var position = 0
        while position &+ 8 <= count {
            let loaded = source.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            let clear = UInt64(littleEndian: loaded) ^ wide
            seen |= clear
            target.storeBytes(of: clear.littleEndian, toByteOffset: position, as: UInt64.self)
            position &+= 8
        }
        while position < count {
            let key = UInt8(truncatingIfNeeded: wide &>> UInt64((position & 7) &* 8))
            let clear = source.load(fromByteOffset: position, as: UInt8.self) ^ key
            seen |= UInt64(clear)
            target.storeBytes(of: clear, toByteOffset: position, as: UInt8.self)
            position &+= 1
        }
        return seen & 0x8080_8080_8080_8080 == 0
    }
}
