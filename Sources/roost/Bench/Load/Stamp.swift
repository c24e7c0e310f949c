import Glibc

/// The mark in a message by which a subscriber knows its stream and its place in it.
///
/// A message is a JSON string of exactly the size asked for: `"~SSSSNNNNNNNNxxxx…x!"`, with the stream in four and the
/// number in eight hexadecimal digits. Whatever a broker wraps around it, the mark is found by its tilde.
enum Stamp {
    /// The fewest bytes of a message: quotes, tilde, digits and the exclamation mark that proves its end.
    static let smallest = 17
    /// The most streams that four digits can name.
    static let streamLimit = 1 << 16

    private static let tilde = UInt8(ascii: "~")
    private static let end = UInt8(ascii: "!")
    private static let digits = Array("0123456789abcdef".utf8)

    /// A message that stands for every one of its stream until it is numbered.
    static func message(stream: Int, size: Int) -> [UInt8] {
        precondition(size >= smallest && stream < streamLimit, "a message has room for its stamp")
        var bytes = [UInt8](repeating: UInt8(ascii: "x"), count: size)
        bytes[0] = UInt8(ascii: "\"")
        bytes[1] = tilde
        for place in 0..<4 { bytes[2 + place] = digits[stream >> (12 - 4 * place) & 0xF] }
        bytes[size - 2] = end
        bytes[size - 1] = UInt8(ascii: "\"")
        number(0, in: &bytes, at: 1)
        return bytes
    }

    /// Where the tilde of a message is in what a broker is sent.
    static func place(in bytes: [UInt8]) -> Int {
        guard let place = bytes.lastIndex(of: tilde) else { preconditionFailure("a publish holds its message") }
        return place
    }

    /// Writes a message's number.
    static func number(_ number: UInt32, in bytes: inout [UInt8], at place: Int) {
        for digit in 0..<8 { bytes[place + 5 + digit] = digits[Int(number >> UInt32(28 - 4 * digit) & 0xF)] }
    }

    /// What was found in a frame.
    struct Found {
        /// The stream's number.
        let stream: Int
        /// The message's place in its stream, from 0.
        let number: UInt32
        /// Where the message ends in the frame.
        let end: Int
    }

    /// The first whole message at or after `start`; nil where there is none.
    @inline(__always)
    static func find(in bytes: UnsafeRawBufferPointer, from start: Int, size: Int) -> Found? {
        var position = start
        while position + size - 2 <= bytes.count, let base = bytes.baseAddress,
            let hit = memchr(base + position, Int32(tilde), bytes.count - position)
        {
            let place = hit - UnsafeMutableRawPointer(mutating: base)
            // The tilde follows the opening quote; the mark before the closing one proves that the message is whole.
            let last = place + size - 3
            guard last < bytes.count else { return nil }
            if bytes[last] == end, let word = word(bytes, place + 1) {
                return Found(
                    stream: Int(word >> 32), number: UInt32(truncatingIfNeeded: word), end: last + 1)
            }
            position = place + 1
        }
        return nil
    }

    /// Twelve digits; nil where one is none.
    @inline(__always)
    private static func word(_ bytes: UnsafeRawBufferPointer, _ place: Int) -> UInt64? {
        var word: UInt64 = 0
        for offset in 0..<12 {
            let byte = bytes[place + offset]
            // `0` to `9`, then `a` to `f`.
            let value = byte < 0x3A ? byte &- 0x30 : byte &- 0x57
            guard value < 16 else { return nil }
            word = word << 4 | UInt64(value)
        }
        return word
    }
}
