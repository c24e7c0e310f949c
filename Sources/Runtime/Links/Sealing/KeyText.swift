/// The bytes that hexadecimal digits or base64 (RFC 4648 §4, the padding optional) stand for; nil for anything else.
///
/// Text that could be both is hexadecimal, unless it is as long as 32 bytes are in base64.
func keyBytes(_ text: some StringProtocol) -> [UInt8]? {
    let characters = Array(text.utf8)
    if characters.count.isMultiple(of: 2), characters.count != 44, let bytes = hexadecimalBytes(characters) {
        return bytes
    }
    return base64Bytes(characters)
}

private func hexadecimalBytes(_ characters: [UInt8]) -> [UInt8]? {
    var bytes: [UInt8] = []
    for start in stride(from: 0, to: characters.count, by: 2) {
        guard let high = digit(characters[start]), let low = digit(characters[start + 1]) else { return nil }
        bytes.append(high << 4 | low)
    }
    return bytes
}

private func digit(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    default: nil
    }
}

private func base64Bytes(_ characters: [UInt8]) -> [UInt8]? {
    let padding = characters.reversed().prefix { $0 == UInt8(ascii: "=") }.count
    let digits = characters.dropLast(padding)
    guard padding <= 2, !digits.isEmpty, digits.count % 4 != 1 else { return nil }
    guard padding == 0 || (digits.count + padding) % 4 == 0 else { return nil }
    var bytes: [UInt8] = []
    var bits: UInt32 = 0
    var held = 0
    for character in digits {
        guard let value = sextet(character) else { return nil }
        bits = bits << 6 | value
        held += 6
        if held >= 8 {
            held -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(held)))
        }
    }
    // Bits left over must be zero, or two texts would name one key.
    return bits & ((1 << UInt32(held)) - 1) == 0 ? bytes : nil
}

private func sextet(_ character: UInt8) -> UInt32? {
    switch character {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(character - UInt8(ascii: "A"))
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(character - UInt8(ascii: "a")) + 26
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(character - UInt8(ascii: "0")) + 52
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
}
