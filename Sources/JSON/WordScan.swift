/// Looks at eight bytes of a string at once.
///
/// The tests are those of "Bit Twiddling Hacks" (Sean Eron Anderson), *Determine if a word has a byte less than n*: a
/// borrow can only spoil bytes after the first hit, and the first hit is all that is used.
enum WordScan {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highBits: UInt64 = 0x8080_8080_8080_8080

    /// The eight bytes at `position`, the first in the lowest bits.
    @inline(__always)
    static func load(_ base: UnsafePointer<UInt8>, at position: Int) -> UInt64 {
        UInt64(littleEndian: UnsafeRawPointer(base).loadUnaligned(fromByteOffset: position, as: UInt64.self))
    }

    @inline(__always)
    private static func zeros(_ word: UInt64) -> UInt64 { (word &- ones) & ~word & highBits }

    /// The first position from `start` that holds a quote or a backslash, or `end`.
    @inline(__always)
    static func firstDelimiter(_ base: UnsafePointer<UInt8>, from start: Int, end: Int) -> Int {
        var position = start
        while position &+ 8 <= end {
            let word = load(base, at: position)
            let hits = zeros(word ^ (ones &* 0x22)) | zeros(word ^ (ones &* 0x5C))
            if hits != 0 { return position &+ hits.trailingZeroBitCount / 8 }
            position &+= 8
        }
        while position < end, base[position] != ASCII.quote, base[position] != ASCII.backslash { position &+= 1 }
        return position
    }

    /// The first position from `start` that holds what must be escaped in a JSON string (a quote, a backslash or a control
    /// character), or `end`.
    @inline(__always)
    static func firstEscaped(_ base: UnsafePointer<UInt8>, from start: Int, end: Int) -> Int {
        var position = start
        while position &+ 8 <= end {
            let word = load(base, at: position)
            let controls = (word &- (ones &* 0x20)) & ~word & highBits
            let hits = zeros(word ^ (ones &* 0x22)) | zeros(word ^ (ones &* 0x5C)) | controls
            if hits != 0 { return position &+ hits.trailingZeroBitCount / 8 }
            position &+= 8
        }
        while position < end {
            let byte = base[position]
            if byte == ASCII.quote || byte == ASCII.backslash || byte < 0x20 { break }
            position &+= 1
        }
        return position
    }

    /// The first position from `start` that holds a quote, a backslash, a control character or a byte beyond ASCII, or
    /// `end`.
    @inline(__always)
    static func firstSpecial(_ base: UnsafePointer<UInt8>, from start: Int, end: Int) -> Int {
        var position = start
        while position &+ 8 <= end {
            let word = load(base, at: position)
            let controls = (word &- (ones &* 0x20)) & ~word
            let hits = zeros(word ^ (ones &* 0x22)) | zeros(word ^ (ones &* 0x5C)) | ((controls | word) & highBits)
            if hits != 0 { return position &+ hits.trailingZeroBitCount / 8 }
            position &+= 8
        }
        while position < end {
            let byte = base[position]
            if byte == ASCII.quote || byte == ASCII.backslash || byte < 0x20 || byte >= 0x80 { break }
            position &+= 1
        }
        return position
    }
}
