import Broker
import Model

/// The `SET` statements before a query: its thresholds.
enum LensesSettings {
    static func split(_ text: String) throws(Refusal) -> (sql: String, QueryLimits) {
        var limits = QueryLimits()
        var rest = text[...]
        while true {
            rest = rest.drop { $0.isWhitespace }
            guard rest.prefix(4).lowercased() == "set ", let end = rest.firstIndex(of: ";") else { break }
            try set(rest[..<end].dropFirst(4), &limits)
            rest = rest[rest.index(after: end)...]
        }
        return (String(rest), limits)
    }

    private static func set(_ assignment: Substring, _ limits: inout QueryLimits) throws(Refusal) {
        let parts = assignment.split(separator: "=", maxSplits: 1)
        guard parts.count == 2 else {
            throw .queryWrong("\"SET\(assignment)\" must be SET name = value")
        }
        let name = trimmed(parts[0]).lowercased()
        let value = trimmed(parts[1]).filter { $0 != "'" && $0 != "\"" }.lowercased()
        switch name {
        case "max.query.time": limits.time = .milliseconds(try number(value, name, times))
        case "max.idle.time": limits.idle = .milliseconds(try number(value, name, times))
        case "max.size": limits.bytes = Int(try number(value, name, sizes))
        default:
            throw .queryWrong("\"\(name)\" cannot be set; max.query.time, max.idle.time and max.size can")
        }
    }

    private static let times: [(String, Int64)] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)]
    private static let sizes: [(String, Int64)] = [
        ("kb", 1 << 10), ("mb", 1 << 20), ("gb", 1 << 30), ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30), ("b", 1),
    ]

    private static func number(
        _ text: String, _ name: String, _ units: [(String, Int64)]
    ) throws(Refusal) -> Int64 {
        var (digits, factor) = (text, Int64(1))
        if let unit = units.first(where: { text.hasSuffix($0.0) }) {
            (digits, factor) = (String(text.dropLast(unit.0.count)), unit.1)
        }
        let (product, overflows) = (Int64(trimmed(digits[...])) ?? 0).multipliedReportingOverflow(by: factor)
        guard !overflows, product > 0, product < 1 << 50 else {
            let words = units.map(\.0).joined(separator: ", ")
            throw .queryWrong("\"\(name)\" is \"\(text)\"; it must be a number above 0, with or without \(words)")
        }
        return product
    }

    private static func trimmed(_ text: Substring) -> String {
        var rest = text.drop { $0.isWhitespace }
        while rest.last?.isWhitespace == true { rest.removeLast() }
        return String(rest)
    }
}
