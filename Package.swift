// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "roost",
    dependencies: [
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2")
    ],
    targets: [
        // The cores: they decide and never act.
        .target(name: "Model"),
        .target(name: "JSON"),
        .target(name: "WebSocket", dependencies: [.product(name: "Crypto", package: "swift-crypto")]),
        .target(name: "Journal", dependencies: ["Model"]),
        .target(name: "Clustering", dependencies: ["Model"]),
        .target(name: "Broker", dependencies: ["JSON", "Model"]),
        .target(name: "Dialects", dependencies: ["Broker", "JSON", "Model"]),

        // Tests, fastest first; the simulator runs whole clusters in one process under a virtual clock.
        .testTarget(name: "JSONTests", dependencies: ["JSON", "Model"]),
        .testTarget(name: "WebSocketTests", dependencies: ["Model", "WebSocket"]),
        .target(
            name: "Simulator", dependencies: ["Broker", "Clustering", "Dialects", "JSON", "Journal", "Model"],
            path: "Tests/Simulator"),
        .testTarget(name: "ClusteringTests", dependencies: ["Clustering", "Journal", "Model"]),
        .testTarget(name: "BrokerTests", dependencies: ["Broker", "JSON", "Model"]),
        .testTarget(name: "DialectsTests", dependencies: ["Broker", "Dialects", "JSON", "Model"]),
        .testTarget(name: "SimulationTests", dependencies: ["Model", "Simulator"]),
    ],
    swiftLanguageModes: [.v6]
)
