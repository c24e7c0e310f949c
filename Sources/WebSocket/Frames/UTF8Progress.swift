/// Where in a character text stands that comes in pieces; refuses at the first byte that no continuation could mend.
///
/// The ranges are those of The Unicode Standard, table 3-7, *Well-Formed UTF-8 Byte Sequences*.
struct UTF8Progress {
    /// How many bytes the open character still needs.
    private var missing: UInt8 = 0
    /// What its next byte may be.
    private var lowest: UInt8 = 0x80
    private var highest: UInt8 = 0xBF

    /// Whether no character is open, so that the text may end here.
    var isComplete: Bool { missing == 0 }

    /// Takes the next piece, and says whether it can be part of UTF-8 text.
    mutating func accept(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        while position < bytes.count {
            if missing == 0 {
                position = Self.firstBeyondASCII(bytes, from: position)
                guard position < bytes.count else { return true }
                guard begin(bytes[position]) else { return false }
            } else {
                guard (lowest...highest).contains(bytes[position]) else { return false }
                missing &-= 1
                (lowest, highest) = (0x80, 0xBF)
            }
            position &+= 1
        }
        return true
    }

    /// Opens a character of more than one byte.
    private mutating func begin(_ byte: UInt8) -> Bool {
        switch byte {
        case 0xC2...0xDF: missing = 1
        case 0xE0: (missing, lowest) = (2, 0xA0)
        case 0xED: (missing, highest) = (2, 0x9F)
        case 0xE1...0xEF: missing = 2
        case 0xF0: (missing, lowest) = (3, 0x90)
        case 0xF1...0xF3: missing = 3
        case 0xF4: (missing, highest) = (3, 0x8F)
        default: return false
        }
        return true
    }

    private static func firstBeyondASCII(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
        var position = start
        while position &+ 8 <= bytes.count {
            let word = bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            if word & 0x8080_8080_8080_8080 != 0 { break }
            position &+= 8
        }
        while position < bytes.count, bytes[position] < 0x80 { position &+= 1 }
        return position
    }
}
