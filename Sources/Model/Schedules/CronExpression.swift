/// Times of the calendar in five fields, as `crontab(5)` has them: minute, hour, day of the month, month, day of the week,
/// all in UTC.
///
/// A field is `*`, a value, a range `a-b`, either with a step `/n`, or several of these with commas. Months may be `JAN` to
/// `DEC` and days of the week `SUN` to `SAT`; Sunday is 0 and 7. Where both days are restricted, either of them suffices.
/// `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly` and `@annually` stand for what they say.
package struct CronExpression: Equatable, Sendable {
    /// As it was given.
    package let text: String
    private let minutes: UInt64
    private let hours: UInt64
    private let days: UInt64
    private let months: UInt64
    private let weekdays: UInt64
    /// Whether a day has to be one of both fields, because one of them is `*`.
    private let needsBothDays: Bool

    /// The longest text, in bytes.
    package static let limit = 256

    package init(_ text: String) throws(CronError) {
        guard text.utf8.count <= Self.limit else { throw .tooLong(text.utf8.count) }
        let given = text.split(whereSeparator: \.isWhitespace).map { $0.lowercased() }
        var fields = given
        if let word = given.first, word.hasPrefix("@") {
            guard given.count == 1, let meant = Self.words[word] else { throw .unknownWord(text) }
            fields = meant.split(separator: " ").map(String.init)
        }
        guard fields.count == 5 else { throw .fieldCount(fields.count) }
        minutes = try Self.set(fields[0], .minute)
        hours = try Self.set(fields[1], .hour)
        days = try Self.set(fields[2], .day)
        months = try Self.set(fields[3], .month)
        let weekdays = try Self.set(fields[4], .weekday)
        // 7 is Sunday too.
        self.weekdays = (weekdays | weekdays >> 7) & 0x7F
        needsBothDays = fields[2].hasPrefix("*") || fields[4].hasPrefix("*")
        self.text = text
        guard next(after: WallTime(milliseconds: 0)) != nil else { throw .never(text) }
    }

    package static func == (left: CronExpression, right: CronExpression) -> Bool { left.text == right.text }

    /// The first time after another, a whole minute; nil where it never comes.
    package func next(after time: WallTime) -> WallTime? {
        let minute = time.milliseconds.flooredQuotient(60_000) + 1
        var day = minute.flooredQuotient(1_440)
        var from = minute - day * 1_440
        // The 29th of February comes at the latest after eight years, and each weekday of it after forty.
        let last = day + 366 * 40
        while day <= last {
            let date = CivilDate(days: day)
            if !has(months, date.month) {
                day += CivilDate.length(ofMonth: date.month, in: date.year) - date.day + 1
                from = 0
                continue
            }
            if isDay(day, date), let found = firstMinute(from: from) {
                return WallTime(milliseconds: (day * 1_440 + found) * 60_000)
            }
            day += 1
            from = 0
        }
        return nil
    }

    private func isDay(_ day: Int64, _ date: CivilDate) -> Bool {
        // 1 January 1970 was a Thursday.
        let weekday = day + 4 - (day + 4).flooredQuotient(7) * 7
        let (isOfMonth, isOfWeek) = (has(days, date.day), has(weekdays, weekday))
        return needsBothDays ? isOfMonth && isOfWeek : isOfMonth || isOfWeek
    }

    /// The first minute of a day that is not before `minute`.
    private func firstMinute(from minute: Int64) -> Int64? {
        for hour in minute / 60..<24 where has(hours, hour) {
            let first = hour == minute / 60 ? minute % 60 : 0
            for candidate in first..<60 where has(minutes, candidate) { return hour * 60 + candidate }
        }
        return nil
    }

    private func has(_ set: UInt64, _ value: Int64) -> Bool { set >> UInt64(value) & 1 == 1 }
}

// How fields are read.
extension CronExpression {
    private static let words = [
        "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
        "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
    ]

    /// One of the five fields.
    fileprivate enum Field: String {
        case minute
        case hour
        case day = "day of the month"
        case month
        case weekday = "day of the week"

        var range: ClosedRange<Int> {
            switch self {
            case .minute: 0...59
            case .hour: 0...23
            case .day: 1...31
            case .month: 1...12
            case .weekday: 0...7
            }
        }

        /// Words for values, from the first of the range on.
        var names: [String] {
            switch self {
            case .month: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
            case .weekday: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
            case .minute, .hour, .day: []
            }
        }
    }

    private static func set(_ text: String, _ field: Field) throws(CronError) -> UInt64 {
        var set: UInt64 = 0
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
            guard pieces.count <= 2 else { throw .field(field.rawValue, String(part)) }
            var step = 1
            if pieces.count == 2 {
                guard let number = Int(pieces[1]), (1...field.range.upperBound).contains(number) else {
                    throw .step(field.rawValue, String(part))
                }
                step = number
            }
            let range = try self.range(pieces[0], field, isOpen: pieces.count == 2)
            for value in stride(from: range.lowerBound, through: range.upperBound, by: step) {
                set |= 1 << UInt64(value)
            }
        }
        return set
    }

    /// - Parameter isOpen: whether a single value means all from there on, as it does before a step.
    private static func range(
        _ text: Substring, _ field: Field, isOpen: Bool
    ) throws(CronError) -> ClosedRange<Int> {
        if text == "*" { return field == .weekday ? 0...6 : field.range }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2 else { throw .field(field.rawValue, String(text)) }
        let first = try value(ends[0], field)
        let last = ends.count == 2 ? try value(ends[1], field) : isOpen ? field.range.upperBound : first
        guard first <= last else { throw .field(field.rawValue, String(text)) }
        return first...last
    }

    private static func value(_ text: Substring, _ field: Field) throws(CronError) -> Int {
        if let place = field.names.firstIndex(of: String(text)) { return field.range.lowerBound + place }
        guard let number = Int(text), text.allSatisfy(\.isNumber) else { throw .field(field.rawValue, String(text)) }
        guard field.range.contains(number) else {
            throw .value(field.rawValue, number, field.range.lowerBound, field.range.upperBound)
        }
        return number
    }
}

/// Why a text is no cron expression.
package enum CronError: Error, Equatable, Sendable, CustomStringConvertible {
    case tooLong(Int)
    case fieldCount(Int)
    case unknownWord(String)
    case field(String, String)
    case step(String, String)
    case value(String, Int, Int, Int)
    case never(String)

    package var description: String {
        switch self {
        case .tooLong(let count): "the cron expression has \(count) bytes; it may have at most \(CronExpression.limit)"
        case .fieldCount(let count):
            "the cron expression has \(count) fields; it has five: minute, hour, day of the month, month, day of the week"
        case .unknownWord(let text):
            "\"\(text)\" is no word for times; there are @hourly, @daily, @weekly, @monthly and @yearly"
        case .field(let field, let text):
            "the \(field) \"\(text)\" cannot be read; it is *, a value, a range a-b, one of these with a step /n, or several with commas"
        case .step(let field, let text):
            "the step of the \(field) \"\(text)\" must be a whole number above 0 within its range"
        case .value(let field, let number, let low, let high): "the \(field) \(number) is not within \(low) to \(high)"
        case .never(let text): "\"\(text)\" never comes: no such day is in the calendar"
        }
    }
}
