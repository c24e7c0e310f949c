import Simulator
import Testing

@Suite("A cluster to which everything happens")
struct MixedScenario {
    @Test("keeps every promise", arguments: 0..<SimulationSeeds.shares)
    func mixed(share: Int) throws {
        try SimulationSeeds.run(share: share) { try Mixture(in: $0).run() }
    }
}

/// Whether the simulation would notice: each bug is planted in what surrounds the cores, or in what they are told, so
/// nothing in the program can be switched wrong.
@Suite("A planted bug")
struct PlantedBugs {
    /// How many seeds may pass before a bug is found.
    private static let patience: UInt64 = 200

    @Test("is found by the mixture within 200 seeds", arguments: VirtualNode.Flaw.harmful)
    func planted(flaw: VirtualNode.Flaw) throws {
        let seed = try (1...Self.patience).first { try !Mixture(in: World(seed: $0)).run(flaw: flaw).isEmpty }
        #expect(seed != nil, "no seed up to \(Self.patience) has noticed \(flaw)")
    }
}
