extension JSONScanner {
    /// Steps over a string, from its opening to behind its closing quote.
    mutating func string() throws(JSONError) {
        position &+= 1
        while true {
            position = WordScan.firstSpecial(base, from: position, end: end)
            let special = try byte(.closingQuote)
            if special == ASCII.quote {
                position &+= 1
                return
            } else if special == ASCII.backslash {
                try escape()
            } else if special >= 0x80 {
                try multibyte()
            } else {
                throw .controlCharacter(byte: special, offset: position)
            }
        }
    }

    private mutating func escape() throws(JSONError) {
        let start = position
        position &+= 1
        switch try byte(.escape) {
        case ASCII.quote, ASCII.backslash, ASCII.slash, ASCII.b, ASCII.f, ASCII.n, ASCII.r, ASCII.t:
            position &+= 1
        case ASCII.u:
            let unit = try hexadecimal()
            guard unit & 0xF800 == 0xD800 else { return }
            guard unit < 0xDC00, position &+ 1 < end, base[position] == ASCII.backslash,
                base[position &+ 1] == ASCII.u
            else { throw .unpairedSurrogate(offset: start) }
            position &+= 1
            guard try hexadecimal() & 0xFC00 == 0xDC00 else { throw .unpairedSurrogate(offset: start) }
        default: throw unexpected(.escape)
        }
    }

    /// The four digits behind the `u` at which the scanner stands.
    private mutating func hexadecimal() throws(JSONError) -> UInt16 {
        position &+= 1
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let digit = ASCII.hexadecimal(try byte(.hexadecimal)) else { throw unexpected(.hexadecimal) }
            unit = unit << 4 | digit
            position &+= 1
        }
        return unit
    }

    /// Steps over characters beyond ASCII; the ranges are those of The Unicode Standard, table 3-7.
    private mutating func multibyte() throws(JSONError) {
        while position < end, base[position] >= 0x80 {
            let length: Int
            var second: ClosedRange<UInt8> = 0x80...0xBF
            switch base[position] {
            case 0xC2...0xDF: length = 2
            case 0xE0: (length, second) = (3, 0xA0...0xBF)
            case 0xE1...0xEC, 0xEE...0xEF: length = 3
            case 0xED: (length, second) = (3, 0x80...0x9F)
            case 0xF0: (length, second) = (4, 0x90...0xBF)
            case 0xF1...0xF3: length = 4
            case 0xF4: (length, second) = (4, 0x80...0x8F)
            default: throw .invalidUTF8(offset: position)
            }
            guard position &+ length <= end, second.contains(base[position &+ 1]) else {
                throw .invalidUTF8(offset: position)
            }
            for index in 2..<max(length, 2) where base[position &+ index] & 0xC0 != 0x80 {
                throw .invalidUTF8(offset: position)
            }
            position &+= length
        }
    }
}
