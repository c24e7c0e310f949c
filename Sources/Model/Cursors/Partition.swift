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

    package var description: String { String(unsafeUninitializedCapacity: Self.textLimit) { write(to: $0) } }

    /// The most bytes that the text form has.
    package static let textLimit = 33

    /// Writes the text form into room for ``textLimit`` bytes; gives how many it has.
    package func write(to text: UnsafeMutableBufferPointer<UInt8>) -> Int {
        var encoder = Base64URLEncoder(text)
        encoder.append(origin.node.rawValue)
        encoder.append(origin.epoch.rawValue)
        var count = encoder.finish()
        text.initializeElement(at: count, to: UInt8(ascii: "."))
        count += 1
        let digits = generation.decimalDigitCount
        var rest = generation
        for place in (count..<count + digits).reversed() {
            text.initializeElement(at: place, to: UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        }
        return count + digits
    }

    package static func < (left: Partition, right: Partition) -> Bool {
        (left.origin, left.generation) < (right.origin, right.generation)
    }
}

extension UInt32 {
    /// How many digits it has in decimal.
    fileprivate var decimalDigitCount: Int {
        var (count, rest) = (1, self / 10)
        while rest > 0 { (count, rest) = (count + 1, rest / 10) }
        return count
    }
}
