import Foundation
import Simulator
import Testing

/// Which seeds the scenarios run.
///
/// `ROOST_SIMULATION_SEEDS` says how many, from `ROOST_SIMULATION_FIRST` (1) on. Without it every directed scenario runs
/// ``directed`` and the mixture ``mixed``. `ROOST_SEED` names a single one.
enum SimulationSeeds {
    /// Seeds of a scenario that leads to one kind of trouble.
    static let directed: UInt64 = 60
    /// Seeds of the mixture of all kinds.
    static let mixed: UInt64 = 2_000
    /// Into how many shares the mixture's seeds are dealt, so that every core has some.
    static let shares = 16

    private static let environment = ProcessInfo.processInfo.environment

    private static func number(_ name: String) -> UInt64? { environment[name].flatMap { UInt64($0) } }

    private static func seeds(otherwise count: UInt64) -> ClosedRange<UInt64> {
        if let seed = number("ROOST_SEED") { return seed...seed }
        let first = number("ROOST_SIMULATION_FIRST") ?? 1
        return first...first + max(1, number("ROOST_SIMULATION_SEEDS") ?? count) - 1
    }

    /// Runs a scenario with every seed; the first seed that breaks a promise ends it, with its trace.
    static func run(_ scenario: (World) throws -> [String]) rethrows {
        for seed in seeds(otherwise: directed) {
            guard try isSound(seed, scenario) else { return }
        }
    }

    /// Runs one share of the mixture's seeds.
    static func run(share: Int, _ scenario: (World) throws -> [String]) rethrows {
        for seed in seeds(otherwise: mixed) where seed % UInt64(shares) == UInt64(share) {
            guard try isSound(seed, scenario) else { return }
        }
    }

    private static func isSound(_ seed: UInt64, _ scenario: (World) throws -> [String]) rethrows -> Bool {
        let world = World(seed: seed)
        let broken = try scenario(world)
        guard !broken.isEmpty else { return true }
        let trace = world.trace.newest(40).joined(separator: "\n")
        Issue.record(
            "seed \(seed): \(broken.prefix(5).joined(separator: "; "))\nROOST_SEED=\(seed) runs it again.\n\(trace)")
        return false
    }
}
