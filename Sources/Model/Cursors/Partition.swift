/// One publisher node's share of a topic: an origin and a generation. Offsets in it are dense from 1.
///
/// As text: base64url of node and epoch (22 characters), a dot, the generation: `AAECAwQFBgcAAQIDBAUGBw.1`.
package struct Partition: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let origin: Origin
    package let generation: UInt32

    package init(origin: Origin, generation: UInt32) {
        self.origin = origin
        self.generation = generation
    }

    /// Reads the text form; nil for anything else.
    package init?(_ text: some StringProtocol) {
        guard let dot = text.lastIndex(of: "."), let generation = UInt32(text[text.index(after: dot)...]),
            let bytes = base64URLDecode(text[..<dot].utf8), bytes.count == 16
        else { return nil }
        var reader = ByteReader(bytes)
        guard let origin = try? reader.origin() else { return nil }
        self.init(origin: origin, generation: generation)
    }

    package var description: String {
        var writer = ByteWriter(reservingCapacity: 16)
        writer.u64(origin.node.rawValue)
        writer.u64(origin.epoch.rawValue)
        return base64URLEncode(writer.bytes) + ".\(generation)"
    }

    package static func < (left: Partition, right: Partition) -> Bool {
        (left.origin, left.generation) < (right.origin, right.generation)
    }
}

/// `bytes` in base64url without padding (RFC 4648 §5).
package func base64URLEncode(_ bytes: [UInt8]) -> String {
    let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return String(unsafeUninitializedCapacity: (bytes.count * 4 + 2) / 3) { text in
        var (count, bits, held) = (0, UInt32(0), UInt32(0))
        for byte in bytes {
            bits = bits << 8 | UInt32(byte)
            held += 8
            while held >= 6 {
                held -= 6
                text.initializeElement(at: count, to: alphabet.utf8Start[Int(bits >> held & 63)])
                count += 1
            }
        }
        if held > 0 {
            text.initializeElement(at: count, to: alphabet.utf8Start[Int(bits << (6 - held) & 63)])
            count += 1
        }
        return count
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
