/// Appends JSON text, with commas where they belong.
///
/// Calls must come in JSON's own order: a `key(_:)` before each value of an object, and an end for each begin. Text
/// written is always UTF-8.
package struct JSONWriter: Sendable {
    /// What was written so far.
    package private(set) var bytes: [UInt8]
    /// Whether a value stands before, on the same level.
    private var needsComma = false

    /// - Parameter capacity: how many bytes are expected; more grow the room.
    package init(reservingCapacity capacity: Int = 128) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    /// Writes `{`.
    package mutating func beginObject() { open(ASCII.openBrace) }

    /// Writes `}`.
    package mutating func endObject() { close(ASCII.closeBrace) }

    /// Writes `[`.
    package mutating func beginArray() { open(ASCII.openBracket) }

    /// Writes `]`.
    package mutating func endArray() { close(ASCII.closeBracket) }

    /// Writes a key that the program names; it is escaped like any other.
    package mutating func key(_ name: StaticString) {
        separate()
        name.withUTF8Buffer { appendQuoted($0) }
        bytes.append(ASCII.colon)
        needsComma = false
    }

    /// Writes a key that came from outside.
    package mutating func key(_ name: String) {
        string(name)
        bytes.append(ASCII.colon)
        needsComma = false
    }

    /// Writes a string, escaping what RFC 8259 §7 says must be.
    package mutating func string(_ value: String) {
        separate()
        var value = value
        value.withUTF8 { appendQuoted($0) }
    }

    /// Writes a string that `fill` makes in room for `limit` bytes, of which it gives the count. The caller vouches that it is
    /// UTF-8 and that nothing in it needs an escape.
    package mutating func string(upTo limit: Int, _ fill: (UnsafeMutableBufferPointer<UInt8>) -> Int) {
        separate()
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: limit + 2) { room in
            room.initializeElement(at: 0, to: ASCII.quote)
            let end = fill(UnsafeMutableBufferPointer(rebasing: room[1...limit])) + 1
            room.initializeElement(at: end, to: ASCII.quote)
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: room[...end]))
        }
    }

    /// Writes a signed integer in full, also beyond the 53 bits that a double holds exactly.
    package mutating func integer(_ value: Int64) {
        separate()
        if value < 0 { bytes.append(ASCII.minus) }
        appendDigits(value.magnitude)
    }

    /// Writes an unsigned integer in full, also beyond the 53 bits that a double holds exactly.
    package mutating func unsigned(_ value: UInt64) {
        separate()
        appendDigits(value)
    }

    /// Writes the shortest text that reads back as the same double; `null` for an infinity or NaN, which JSON cannot
    /// say.
    package mutating func double(_ value: Double) {
        guard value.isFinite else { return null() }
        separate()
        bytes.append(contentsOf: value.description.utf8)
    }

    /// Writes `true` or `false`.
    package mutating func bool(_ value: Bool) {
        separate()
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }

    /// Writes `null`.
    package mutating func null() {
        separate()
        bytes.append(contentsOf: "null".utf8)
    }

    /// Writes a value that is JSON text already, unchanged; the caller vouches for it.
    package mutating func raw(_ value: ArraySlice<UInt8>) {
        separate()
        bytes.append(contentsOf: value)
    }

    /// Writes a value that is JSON text already, unchanged; the caller vouches for it.
    package mutating func raw(_ value: [UInt8]) { raw(value[...]) }

    @inline(__always)
    private mutating func separate() {
        if needsComma { bytes.append(ASCII.comma) }
        needsComma = true
    }

    private mutating func open(_ bracket: UInt8) {
        separate()
        bytes.append(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: UInt8) {
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func appendDigits(_ value: UInt64) {
        var rest = value
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { buffer in
            var start = buffer.count
            repeat {
                start -= 1
                buffer.initializeElement(at: start, to: ASCII.zero + UInt8(truncatingIfNeeded: rest % 10))
                rest /= 10
            } while rest != 0
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: buffer[start...]))
        }
    }

    private mutating func appendQuoted(_ content: UnsafeBufferPointer<UInt8>) {
        bytes.append(ASCII.quote)
        if let base = content.baseAddress {
            var start = 0
            while true {
                let end = WordScan.firstEscaped(base, from: start, end: content.count)
                bytes.append(contentsOf: UnsafeBufferPointer(rebasing: content[start..<end]))
                if end == content.count { break }
                appendEscaped(content[end])
                start = end + 1
            }
        }
        bytes.append(ASCII.quote)
    }

    private mutating func appendEscaped(_ byte: UInt8) {
        bytes.append(ASCII.backslash)
        switch byte {
        case ASCII.quote, ASCII.backslash: bytes.append(byte)
        case ASCII.newline: bytes.append(ASCII.n)
        case ASCII.carriageReturn: bytes.append(ASCII.r)
        case ASCII.tab: bytes.append(ASCII.t)
        default:
            let digits = Array("0123456789abcdef".utf8)
            bytes.append(contentsOf: "u00".utf8)
            bytes.append(digits[Int(byte >> 4)])
            bytes.append(digits[Int(byte & 0x0F)])
        }
    }
}
