/// `bytes` in base64 with padding (RFC 4648 §4).
package func base64Encode(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
        let count = min(3, bytes.count - start)
        var bits: UInt32 = 0
        for index in 0..<3 { bits = bits << 8 | (index < count ? UInt32(bytes[start + index]) : 0) }
        for index in 0..<4 {
            text.append(index <= count ? alphabet[Int(bits >> UInt32(18 - 6 * index) & 63)] : UInt8(ascii: "="))
        }
    }
    return String(decoding: text, as: UTF8.self)
}

/// `bytes` in base64url without padding (RFC 4648 §5).
package func base64URLEncode(_ bytes: [UInt8]) -> String {
    String(unsafeUninitializedCapacity: (bytes.count * 4 + 2) / 3) { text in
        var encoder = Base64URLEncoder(text)
        for byte in bytes { encoder.append(byte) }
        return encoder.finish()
    }
}

/// Writes base64url without padding (RFC 4648 §5) into room that its owner has measured.
package struct Base64URLEncoder {
    private static let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    private let text: UnsafeMutableBufferPointer<UInt8>
    private var count = 0
    private var bits: UInt32 = 0
    private var held: UInt32 = 0

    package init(_ text: UnsafeMutableBufferPointer<UInt8>) { self.text = text }

    mutating func append(_ byte: UInt8) {
        bits = bits << 8 | UInt32(byte)
        held += 8
        while held >= 6 {
            held -= 6
            write(bits >> held)
        }
    }

    /// Appends eight bytes, the highest first.
    package mutating func append(_ word: UInt64) {
        for shift in stride(from: UInt64(56), through: 0, by: -8) { append(UInt8(truncatingIfNeeded: word >> shift)) }
    }

    /// Writes what is left; gives how many characters there are.
    package mutating func finish() -> Int {
        if held > 0 { write(bits << (6 - held)) }
        held = 0
        return count
    }

    private mutating func write(_ bits: UInt32) {
        text.initializeElement(at: count, to: Self.alphabet.utf8Start[Int(bits & 63)])
        count += 1
    }
}

/// The bytes behind base64url without padding; nil for a character or a length that it cannot have.
package func base64URLDecode(_ text: some Sequence<UInt8>) -> [UInt8]? {
    var bytes: [UInt8] = []
    var bits: UInt32 = 0
    var held = 0
    for character in text {
        let value: UInt8
        switch character {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = character - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character - UInt8(ascii: "0") + 52
        case UInt8(ascii: "-"): value = 62
        case UInt8(ascii: "_"): value = 63
        default: return nil
        }
        bits = bits << 6 | UInt32(value)
        held += 6
        if held >= 8 {
            held -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
        }
    }
    guard held < 6, bits & ((1 << UInt32(held)) - 1) == 0 else { return nil }
    return bytes
}
