/// Where a body in chunks ends: sizes, data and trailers (RFC 9112 §7.1), a byte at a time where it matters.
struct ChunkFraming {
    private enum Place {
        case size(digits: Int)
        /// Behind the size: what an extension says is passed over.
        case sizeExtension
        case sizeFeed
        case data
        case dataReturn
        case dataFeed
        case lineStart
        case line
        case lineFeed
        case lastFeed
        case end
        case unclear
    }

    /// The hexadecimal digits that a size may have: 15, which no sum of lengths overflows.
    static let sizeDigits = 15

    private var place = Place.size(digits: 0)
    /// Bytes of the chunk that are to come.
    private var remaining: UInt64 = 0

    /// Whether the last trailer was passed.
    var isAtEnd: Bool { if case .end = place { true } else { false } }

    /// Whether a byte came that may not stand where it did.
    var isUnclear: Bool { if case .unclear = place { true } else { false } }

    /// Goes over bytes up to the end of the body, or to the one that is unclear; gives how many were gone over.
    mutating func advance(_ bytes: UnsafeRawBufferPointer) -> Int {
        var position = 0
        while position < bytes.count, !isAtEnd {
            if case .data = place {
                let count = min(remaining, UInt64(bytes.count - position))
                position += Int(count)
                remaining -= count
                if remaining == 0 { place = .dataReturn }
                continue
            }
            take(bytes[position])
            if isUnclear { break }
            position += 1
        }
        return position
    }

    private mutating func take(_ byte: UInt8) {
        let (isReturn, isFeed) = (byte == 0x0D, byte == 0x0A)
        switch place {
        case .size(let digits):
            if let digit = hexadecimalDigit(byte) {
                remaining = remaining << 4 | UInt64(digit)
                place = digits < Self.sizeDigits ? .size(digits: digits + 1) : .unclear
            } else if digits > 0, isReturn {
                place = .sizeFeed
            } else {
                place = digits > 0 && byte == UInt8(ascii: ";") ? .sizeExtension : .unclear
            }
        case .sizeExtension: place = isReturn ? .sizeFeed : isFeed ? .unclear : .sizeExtension
        case .sizeFeed: place = !isFeed ? .unclear : remaining == 0 ? .lineStart : .data
        case .dataReturn: place = isReturn ? .dataFeed : .unclear
        case .dataFeed: place = isFeed ? .size(digits: 0) : .unclear
        case .lineStart: place = isReturn ? .lastFeed : isFeed ? .unclear : .line
        case .line: place = isReturn ? .lineFeed : isFeed ? .unclear : .line
        case .lineFeed: place = isFeed ? .lineStart : .unclear
        case .lastFeed: place = isFeed ? .end : .unclear
        case .data, .end, .unclear: preconditionFailure("data, the end and what is unclear are not taken by the byte")
        }
    }
}
