// swift-tools-version: 6.1
import PackageDescription

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
]

/// Links the Swift standard library and Foundation, with what they in turn consist of, into a program.
let staticRuntime = [
    "-static-stdlib", "-lFoundation", "-lFoundationInternationalization", "-lFoundationEssentials", "-lCoreFoundation",
    "-l_FoundationICU", "-l_FoundationCShims", "-l_FoundationCollections", "-ldispatch", "-lBlocksRuntime",
]

let package = Package(
    name: "roost",
    products: [
        .executable(name: "roost", targets: ["roost"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1"),
        .package(url: "https://github.com/vapor/jwt-kit", exact: "5.7.1"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", exact: "0.2.0"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    ],
    targets: [
        .systemLibrary(name: "CNanomsg", pkgConfig: "nanomsg", providers: [.apt(["libnanomsg-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CUring", pkgConfig: "liburing", providers: [.apt(["liburing-dev"])]),
        .systemLibrary(name: "CEpoll"),

        // The cores: they decide and never act.
        .target(name: "Model"),
        .target(name: "JSON"),
        .target(name: "WebSocket", dependencies: ["CZlib", .product(name: "Crypto", package: "swift-crypto")]),
        .target(name: "Journal", dependencies: ["Model"]),
        .target(name: "Clustering", dependencies: ["Model"]),
        .target(name: "Broker", dependencies: ["JSON", "Model"]),
        .target(name: "Dialects", dependencies: ["Broker", "JSON", "Model"]),

        // The one target that acts.
        .target(
            name: "Runtime",
            dependencies: nio + [
                "Broker", "Clustering", "CNanomsg", "COpenSSL", "CSQLite", "CUring", "Dialects", "JSON", "Journal", "Model",
                "WebSocket",
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "JWTKit", package: "jwt-kit"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "Yams", package: "Yams"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            resources: [
                .embedInCode("HTTP/Pages/chat.html"), .embedInCode("HTTP/Pages/chat.css"),
                .embedInCode("HTTP/Pages/chat.js"), .embedInCode("HTTP/Pages/people.js"), .embedInCode("HTTP/Pages/roost.js"),
                .embedInCode("HTTP/openapi.json"),
            ]
        ),
        .executableTarget(
            name: "roost",
            dependencies: nio + [
                "CEpoll", "CSQLite", "JSON", "Model", "Runtime", "WebSocket",
                .product(name: "Histogram", package: "hdrhistogram-swift"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            // The Swift runtime goes into the program, so that one file is all there is to copy. Only this product is linked
            // so: the test runner needs the runtime's shared libraries, and one build has to serve both.
            linkerSettings: [.unsafeFlags(staticRuntime, .when(platforms: [.linux]))]
        ),

        // Tests, fastest first; the simulator runs whole clusters in one process under a virtual clock.
        .testTarget(name: "ModelTests", dependencies: ["Model"]),
        .testTarget(name: "JSONTests", dependencies: ["JSON", "Model"]),
        .testTarget(name: "WebSocketTests", dependencies: ["CZlib", "Model", "WebSocket"]),
        .target(
            name: "Simulator", dependencies: ["Broker", "Clustering", "Dialects", "JSON", "Journal", "Model"],
            path: "Tests/Simulator"),
        .testTarget(name: "JournalTests", dependencies: ["Journal", "Model", "Runtime", "Simulator"]),
        .testTarget(name: "ClusteringTests", dependencies: ["Clustering", "Journal", "Model"]),
        .testTarget(name: "BrokerTests", dependencies: ["Broker", "JSON", "Model"]),
        .testTarget(name: "DialectsTests", dependencies: ["Broker", "Dialects", "JSON", "Model"]),
        .testTarget(name: "SimulationTests", dependencies: ["Model", "Simulator"]),
        .testTarget(
            name: "RuntimeTests",
            dependencies: nio + [
                "Broker", "Clustering", "CNanomsg", "Dialects", "JSON", "Journal", "Model", "Runtime", "Simulator",
                "WebSocket", .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "Crypto", package: "swift-crypto"), .product(name: "Logging", package: "swift-log"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
