/// The versions of what nodes say to each other inside sessions that one process speaks: a range without gaps.
///
/// Two processes use the highest version that both speak, so that nodes of adjacent versions work together while a
/// cluster is upgraded node by node. Version 2 fetches what is missing of memory topics; version 3 tells who is
/// present, and has records that remove members; version 4 carries errands between event loops, tells who responds, has
/// rows of tables and records of schedules, and asks for records that a log has lost.
package struct WireVersions: Hashable, Sendable, CustomStringConvertible {
    /// The lowest version that is still spoken.
    package let lowest: UInt8
    /// The highest version that is known.
    package let highest: UInt8

    /// What this build speaks.
    package static let spoken = WireVersions(2...4)
    /// The first version in which nodes tell each other who is present.
    package static let presence: UInt8 = 3
    /// The first version in which a registry may hold that a member was removed.
    package static let departures: UInt8 = 3
    /// The first version in which nodes carry errands from one event loop to another.
    package static let errands: UInt8 = 4
    /// The first version that has rows of tables.
    package static let rows: UInt8 = 4
    /// The first version in which nodes ask each other for records that their logs have lost.
    package static let repairs: UInt8 = 4
    /// The first version in which a registry may hold schedules.
    package static let schedules: UInt8 = 4

    package init(_ range: ClosedRange<UInt8>) {
        lowest = range.lowerBound
        highest = range.upperBound
    }

    /// Whether a version is spoken.
    package func contains(_ version: UInt8) -> Bool { lowest <= version && version <= highest }

    /// The version that two processes use with each other; nil where they have none in common.
    package func common(with other: WireVersions) -> UInt8? {
        let common = min(highest, other.highest)
        return common >= max(lowest, other.lowest) ? common : nil
    }

    package var description: String { lowest == highest ? "\(lowest)" : "\(lowest) to \(highest)" }
}
