/// One figure with its samples, as the Prometheus text format 0.0.4 has them.
package struct Metric: Sendable, Equatable {
    /// What kind of figure it is; the raw value stands on the `# TYPE` line.
    package enum Kind: String, Sendable {
        /// Only grows while the process lives; its name ends in `_total`.
        case counter
        /// Goes up and down.
        case gauge
    }

    /// One value with the labels that tell it from the others.
    package struct Sample: Sendable, Equatable {
        package let labels: [Label]
        package let value: Double

        package init(_ value: Double, labels: [Label] = []) {
            self.labels = labels
            self.value = value
        }
    }

    /// A label's name and value.
    package struct Label: Sendable, Equatable {
        package let name: String
        package let value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Begins with `roost_`.
    package let name: String
    package let help: String
    package let kind: Kind
    package let samples: [Sample]

    package init(_ name: String, _ kind: Kind, help: String, samples: [Sample]) {
        precondition(name.hasPrefix("roost_"), "our metrics carry our name")
        self.name = name
        self.help = help
        self.kind = kind
        self.samples = samples
    }

    package init(_ name: String, _ kind: Kind, help: String, _ value: some BinaryInteger) {
        self.init(name, kind, help: help, samples: [Sample(Double(value))])
    }
}

extension Sequence<Metric> {
    /// The text exposition of all of them.
    package var exposition: String {
        var text = ""
        for metric in self {
            text += "# HELP \(metric.name) \(escaped(metric.help, quotes: false))\n"
            text += "# TYPE \(metric.name) \(metric.kind.rawValue)\n"
            for sample in metric.samples {
                text += metric.name
                if !sample.labels.isEmpty {
                    let labels = sample.labels.map { "\($0.name)=\"\(escaped($0.value, quotes: true))\"" }
                    text += "{\(labels.joined(separator: ","))}"
                }
                text += " \(number(sample.value))\n"
            }
        }
        return text
    }
}

private func number(_ value: Double) -> String {
    if let whole = Int64(exactly: value) { return "\(whole)" }
    return value.isInfinite ? (value > 0 ? "+Inf" : "-Inf") : value.isNaN ? "NaN" : "\(value)"
}

private func escaped(_ text: String, quotes: Bool) -> String {
    var result = ""
    for character in text {
        switch character {
        case "\\": result += "\\\\"
        case "\n": result += "\\n"
        case "\"" where quotes: result += "\\\""
        default: result.append(character)
        }
    }
    return result
}
