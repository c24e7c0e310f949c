import Foundation
import Simulator
import Testing

/// Which seeds the scenarios run: `ROOST_SIMULATION_SEEDS` says how many (default 200), `ROOST_SEED` names a single
/// one.
enum SimulationSeeds {
    static let all: ClosedRange<UInt64> = {
        let environment = ProcessInfo.processInfo.environment
        if let text = environment["ROOST_SEED"], let seed = UInt64(text) { return seed...seed }
        let count = environment["ROOST_SIMULATION_SEEDS"].flatMap { UInt64($0) } ?? 200
        return 1...max(1, count)
    }()

    /// Runs a scenario with every seed; the first seed that breaks a promise ends it, with its trace.
    static func run(_ scenario: (World) throws -> [String]) rethrows {
        for seed in all {
            let world = World(seed: seed)
            let broken = try scenario(world)
            guard !broken.isEmpty else { continue }
            let trace = world.trace.newest(40).joined(separator: "\n")
            Issue.record(
                "seed \(seed): \(broken.prefix(5).joined(separator: "; "))\nROOST_SEED=\(seed) runs it again.\n\(trace)"
            )
            return
        }
    }
}
