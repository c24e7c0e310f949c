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

        .testTarget(name: "JSONTests", dependencies: ["JSON", "Model"]),
        .testTarget(name: "WebSocketTests", dependencies: ["Model", "WebSocket"]),
    ],
    swiftLanguageModes: [.v6]
)
