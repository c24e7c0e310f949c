import Model

/// Calendar times as text: ISO 8601, in UTC with milliseconds when written, with any offset when read.
package enum Timestamp {
    /// `2026-11-21T07:09:50.123Z`; a year outside 0 … 9999 is written with its sign and six digits.
    package static func text(_ time: WallTime) -> String {
        String(unsafeUninitializedCapacity: limit) { write(time, to: $0) }
    }

    /// The most bytes that a time has as text.
    package static let limit = 27

    /// Writes a time as text into room for ``limit`` bytes; gives how many it has. There is one for every event.
    package static func write(_ time: WallTime, to text: UnsafeMutableBufferPointer<UInt8>) -> Int {
        let day = time.milliseconds.flooredQuotient(86_400_000)
        let rest = time.milliseconds - day * 86_400_000
        let date = CivilDate(days: day)
        var count = 0
        func write(_ character: Unicode.Scalar) {
            text.initializeElement(at: count, to: UInt8(ascii: character))
            count += 1
        }
        func write(_ value: Int64, _ width: Int, _ separator: Unicode.Scalar) {
            var rest = value
            for place in (count..<count + width).reversed() {
                text.initializeElement(at: place, to: UInt8(ascii: "0") + UInt8(rest % 10))
                rest /= 10
            }
            count += width
            write(separator)
        }
        let isUsual = (0...9_999).contains(date.year)
        if !isUsual { write(date.year < 0 ? "-" : "+") }
        write(abs(date.year), isUsual ? 4 : 6, "-")
        write(date.month, 2, "-")
        write(date.day, 2, "T")
        write(rest / 3_600_000, 2, ":")
        write(rest / 60_000 % 60, 2, ":")
        write(rest / 1_000 % 60, 2, ".")
        write(rest % 1_000, 3, "Z")
        return count
    }

    /// Reads `YYYY-MM-DDThh:mm:ss`, a fraction of 1 to 9 digits that may follow (cut to milliseconds), and `Z` or
    /// `±hh:mm`.
    package static func time(_ text: String) -> WallTime? {
        var scanner = Scanner(bytes: Array(text.utf8))
        guard let year = scanner.number(4), scanner.skip("-"), let month = scanner.number(2), scanner.skip("-"),
            let day = scanner.number(2), scanner.skip("T"), let hour = scanner.number(2), scanner.skip(":"),
            let minute = scanner.number(2), scanner.skip(":"), let second = scanner.number(2),
            let fraction = scanner.fraction(), let offset = scanner.offset(), scanner.isAtEnd,
            (1...12).contains(month), (1...CivilDate.length(ofMonth: month, in: year)).contains(day), hour < 24, minute < 60, second < 61
        else { return nil }
        let seconds = CivilDate(year: year, month: month, day: day).days * 86_400 + hour * 3_600 + minute * 60 + min(second, 59) - offset
        return WallTime(milliseconds: seconds * 1_000 + fraction)
    }

    private struct Scanner {
        let bytes: [UInt8]
        var position = 0

        var isAtEnd: Bool { position == bytes.count }

        mutating func skip(_ character: Unicode.Scalar) -> Bool {
            guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
            position += 1
            return true
        }

        mutating func number(_ count: Int) -> Int64? {
            var value: Int64 = 0
            for _ in 0..<count {
                guard let digit = digit() else { return nil }
                value = value * 10 + digit
            }
            return value
        }

        mutating func digit() -> Int64? {
            guard position < bytes.count, (0x30...0x39).contains(bytes[position]) else { return nil }
            position += 1
            return Int64(bytes[position - 1] - 0x30)
        }

        /// Milliseconds; 0 where there is no fraction.
        mutating func fraction() -> Int64? {
            guard skip(".") else { return 0 }
            var (value, count): (Int64, Int) = (0, 0)
            while let digit = digit() {
                if count < 3 { value = value * 10 + digit }
                count += 1
            }
            guard (1...9).contains(count) else { return nil }
            for _ in min(count, 3)..<3 { value *= 10 }
            return value
        }

        /// Seconds east of UTC.
        mutating func offset() -> Int64? {
            if skip("Z") { return 0 }
            let isEast = skip("+")
            guard isEast || skip("-"), let hours = number(2), skip(":"), let minutes = number(2), hours < 24,
                minutes < 60
            else { return nil }
            return (isEast ? 1 : -1) * (hours * 3_600 + minutes * 60)
        }
    }
}
