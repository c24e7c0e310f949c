/// A count for each reason.
package struct Tally<Reason: CaseIterable & Equatable & RawRepresentable<String> & Sendable>: Sendable, Equatable {
    private var counts = [UInt64](repeating: 0, count: Reason.allCases.count)

    package init() {}

    /// How often it was for this reason.
    package subscript(reason: Reason) -> UInt64 {
        get { counts[Self.place(reason)] }
        set { counts[Self.place(reason)] = newValue }
    }

    /// Adds another's.
    mutating func add(_ other: Self) {
        for index in counts.indices { counts[index] += other.counts[index] }
    }

    /// A sample for each reason, labelled with it.
    var samples: [Metric.Sample] {
        zip(Reason.allCases, counts).map { Metric.Sample(Double($1), labels: [.init("reason", $0.rawValue)]) }
    }

    private static func place(_ reason: Reason) -> Int {
        var place = 0
        for each in Reason.allCases {
            if each == reason { return place }
            place += 1
        }
        preconditionFailure("every reason is one of them all")
    }
}
