// swift-tools-version: 6.2
import PackageDescription

// The rooms stand on floors; a room imports only from floors below it, and on its own floor only what is listed here.
// Tests/ArchitectureTests reads this file's targets and every import line, and fails on any other arrow.

let package = Package(
    name: "modelexpress",
    products: [
        .executable(name: "modelexpress", targets: ["modelexpress"]),
        .executable(name: "modelexpress-server", targets: ["modelexpress-server"]),
        .executable(name: "modelexpress-sidecar", targets: ["modelexpress-sidecar"]),
        .executable(name: "modelexpress-sim", targets: ["modelexpress-sim"]),
    ],
    traits: [
        .default(enabledTraits: ["GRPC"]),
        .trait(
            name: "GRPC",
            description:
                "The public ModelExpress gRPC API of the server. Most of the build: leave it out where it isn't used."),
        .trait(name: "Fuzzing", description: "Builds FuzzRecords for libFuzzer instead of for replaying its corpus."),
    ],
    dependencies: [
        // Flags, help texts and usage errors of the programs.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // Scenario files of the simulator: people write and compare them, so they need comments.
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        // The public gRPC API, with the trait GRPC: calls, HTTP/2 with TLS, messages.
        .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
        .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.1"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        // Of what it stands on: counting what calls hold, and taking up new certificates.
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
    ],
    targets: [
        // Floor 0: C modules.
        .systemLibrary(name: "CZeroMQ"),
        .systemLibrary(name: "CHiredis"),
        .systemLibrary(name: "CSodium"),
        .systemLibrary(name: "COpenSSL"),
        .systemLibrary(name: "CVerbs"),
        .target(name: "CLinux"),
        .target(name: "CUCX"),
        .target(name: "CKernels", cSettings: [.unsafeFlags(["-O3"])]),

        // Floor 1: vocabulary.
        .target(name: "Digest"),
        .target(name: "Records", dependencies: ["Digest"]),

        // Floor 2: pure logic, events in, effects out.
        .target(name: "Trust", dependencies: ["Digest", "Records"]),
        .target(name: "Mesh", dependencies: ["Digest", "Records"]),
        .target(name: "Transfer", dependencies: ["Digest", "Records"]),
        .target(name: "PeerLogic", dependencies: ["Digest", "Records", "Trust", "Mesh", "Transfer"]),
        .target(name: "EnginePool", dependencies: ["Digest"]),

        // Floor 3: shells.
        .target(name: "Telemetry", dependencies: ["CLinux"]),
        .target(name: "EventThread", dependencies: ["CLinux", "Telemetry"]),
        .target(
            name: "Signing",
            dependencies: ["CSodium", "Digest", "Records", "Trust", "PeerLogic", "EventThread", "Telemetry"]),
        .target(name: "ZeroMQ", dependencies: ["CZeroMQ", "EventThread", "Telemetry"]),
        .target(
            name: "MeshTransport",
            dependencies: ["CLinux", "Records", "Digest", "Mesh", "PeerLogic", "ZeroMQ", "EventThread", "Telemetry"]),
        .target(
            name: "EngineBridge",
            dependencies: ["CLinux", "Records", "ZeroMQ", "EventThread", "Telemetry"]),
        .target(
            name: "DataPlane",
            dependencies: [
                "CKernels", "CLinux", "CUCX", "CVerbs", "Digest", "Records", "Transfer", "EventThread", "Telemetry",
            ]),
        .target(name: "SnapshotStore", dependencies: ["CHiredis", "CLinux", "Records", "EventThread", "Telemetry"]),
        .target(
            name: "Checkpoint", dependencies: ["CLinux", "Digest", "Records", "Transfer", "EventThread", "Telemetry"]),
        .target(name: "Arena", dependencies: ["CLinux", "Records", "Transfer"]),
        .target(
            name: "LocalAPI",
            dependencies: ["CLinux", "Records", "Mesh", "PeerLogic", "TLS", "EventThread", "Telemetry"]),
        .target(name: "TLS", dependencies: ["COpenSSL"]),
        .target(name: "HTTPFace", dependencies: ["CLinux", "Digest", "EventThread", "Telemetry"]),
        .target(
            name: "PublicAPI",
            dependencies: [
                "EnginePool", "Telemetry",
                .product(name: "GRPCCore", package: "grpc-swift-2", condition: .when(traits: ["GRPC"])),
                .product(
                    name: "GRPCNIOTransportHTTP2Posix", package: "grpc-swift-nio-transport",
                    condition: .when(traits: ["GRPC"])),
                .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf", condition: .when(traits: ["GRPC"])),
                .product(name: "SwiftProtobuf", package: "swift-protobuf", condition: .when(traits: ["GRPC"])),
                .product(name: "NIOCore", package: "swift-nio", condition: .when(traits: ["GRPC"])),
                .product(name: "NIOHPACK", package: "swift-nio-http2", condition: .when(traits: ["GRPC"])),
                .product(name: "NIOHTTP2", package: "swift-nio-http2", condition: .when(traits: ["GRPC"])),
                .product(
                    name: "NIOCertificateReloading", package: "swift-nio-extras", condition: .when(traits: ["GRPC"])),
            ],
            exclude: ["Protocol", "generate.sh"]),

        // Floor 4: processes.
        .target(
            name: "Configuration",
            dependencies: ["CLinux", "Digest", "Records", "Trust", "Signing", "Telemetry"]),
        .target(
            name: "Sidecar",
            dependencies: [
                "Digest", "Records", "Trust", "Mesh", "Transfer", "PeerLogic", "EventThread", "Telemetry", "Signing",
                "MeshTransport", "DataPlane", "Checkpoint", "Arena", "EngineBridge", "ZeroMQ", "HTTPFace",
                "Configuration", "LocalAPI",
            ]),
        .target(
            name: "Rendezvous",
            dependencies: [
                "Digest", "EnginePool", "Records", "Trust", "Mesh", "PeerLogic", "EventThread", "Telemetry", "Signing",
                "MeshTransport", "SnapshotStore", "Configuration", "HTTPFace", "LocalAPI", "TLS", "PublicAPI",
            ],
            // The page of the mesh: compiled in, byte for byte.
            resources: [.embedInCode("Page")]),
        .target(
            name: "CommandLine",
            dependencies: [
                "CLinux", "Digest", "Records", "Trust", "Telemetry", "Configuration", "LocalAPI",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        .target(
            name: "Simulation",
            dependencies: [
                "Digest", "Records", "Trust", "Mesh", "Transfer", "PeerLogic",
                .product(name: "Yams", package: "Yams"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        // Floor 5: programs.
        .executableTarget(
            name: "modelexpress",
            dependencies: [
                "CommandLine", "Sidecar", "Configuration", "EventThread", "LocalAPI", "PeerLogic", "Records",
                "Telemetry", "Transfer",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(
            name: "modelexpress-server",
            dependencies: [
                "CommandLine", "Rendezvous", "Configuration", "EventThread", "HTTPFace", "LocalAPI", "Records",
                "Telemetry",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(
            name: "modelexpress-sidecar",
            dependencies: [
                "CommandLine", "Sidecar", "Configuration", "EventThread", "HTTPFace", "LocalAPI", "PeerLogic",
                "Records",
                "Telemetry", "Transfer",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(
            name: "modelexpress-sim",
            dependencies: [
                "CommandLine", "Configuration", "LocalAPI", "Simulation",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        // Replays the corpus under Tests/Fuzzing; with the trait Fuzzing, libFuzzer's entry point.
        .executableTarget(
            name: "FuzzRecords", dependencies: ["CLinux", "Digest", "Records"], path: "Tests/Fuzzing/FuzzRecords",
            swiftSettings: [.unsafeFlags(["-parse-as-library"])]),
        // Says to a real peer what no honest one would: floods for Tests/Faults, and the hands of MeshTransportTests.
        .executableTarget(
            name: "MeshAttacker",
            dependencies: [
                "Configuration", "Digest", "EventThread", "Mesh", "MeshTransport", "PeerLogic", "Records", "Signing",
                "Telemetry", "Trust", "ZeroMQ",
            ],
            path: "Tests/Faults/MeshAttacker"),
        // Thousands of peers in one process, for Tests/Benchmarks and Tests/Faults.
        .executableTarget(
            name: "MeshLoad",
            dependencies: ["Configuration", "Digest", "EventThread", "Mesh", "Records", "Signing", "Trust", "ZeroMQ"],
            path: "Tests/Benchmarks/MeshLoad"),
        // Thousands of engines that speak the public gRPC API, for Tests/Benchmarks; without a gRPC library of its own.
        .executableTarget(name: "EngineLoad", dependencies: ["EnginePool"], path: "Tests/Benchmarks/EngineLoad"),
    ]
)

/// Test targets mirror Sources: `Tests/<Room>Tests`.
let testTargets: [(room: String, dependencies: [Target.Dependency])] = [
    ("Digest", ["Digest"]),
    ("Records", ["Digest", "Records", "FuzzRecords"]),
    ("Trust", ["Digest", "Records", "Trust", "Signing"]),
    ("Mesh", ["Digest", "Records", "Mesh"]),
    ("Transfer", ["Digest", "Records", "Transfer", "Simulation"]),
    ("PeerLogic", ["Digest", "Records", "Trust", "Mesh", "Transfer", "PeerLogic", "Signing"]),
    ("EngineBridge", ["Digest", "Records", "EngineBridge", "EventThread", "Telemetry"]),
    ("EnginePool", ["EnginePool"]),
    ("EventThread", ["CLinux", "EventThread", "Telemetry"]),
    ("Signing", ["Digest", "Records", "Trust", "PeerLogic", "Signing"]),
    ("ZeroMQ", ["ZeroMQ", "EventThread", "Telemetry"]),
    (
        "MeshTransport",
        [
            "Digest", "Records", "Trust", "Mesh", "Transfer", "PeerLogic", "MeshTransport", "Signing", "EventThread",
            "Telemetry", "ZeroMQ", "MeshAttacker",
        ]
    ),
    (
        "DataPlane",
        [
            "CKernels", "CLinux", "CUCX", "CVerbs", "Digest", "Records", "Transfer", "DataPlane", "Arena",
            "EventThread",
            "Telemetry",
        ]
    ),
    ("Arena", ["CLinux", "Records", "Transfer", "Arena"]),
    ("SnapshotStore", ["CLinux", "Records", "SnapshotStore", "EventThread", "Telemetry"]),
    ("Checkpoint", ["CLinux", "Digest", "Records", "Checkpoint", "Telemetry"]),
    ("LocalAPI", ["CLinux", "LocalAPI", "EventThread", "Telemetry"]),
    (
        "CommandLine",
        [
            "CLinux", "CommandLine", "LocalAPI", "Configuration", "Telemetry", "Trust", "Records", "Digest", "Signing",
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
        ]
    ),
    ("Configuration", ["Configuration", "Digest", "Records", "Trust", "Signing", "Telemetry"]),
    ("TLS", ["TLS"]),
    ("HTTPFace", ["CLinux", "HTTPFace", "EventThread", "Telemetry"]),
    (
        "Rendezvous",
        [
            "Digest", "EnginePool", "Records", "Trust", "Mesh", "PeerLogic", "EventThread", "HTTPFace", "LocalAPI",
            "PublicAPI", "Rendezvous", "SnapshotStore", "TLS", "Configuration", "Signing",
        ]
    ),
    ("Simulation", ["Digest", "Records", "Mesh", "Simulation"]),
    ("Architecture", []),
    ("EndToEnd", ["CLinux", "Telemetry"]),
]
for (room, dependencies) in testTargets {
    package.targets.append(
        .testTarget(
            name: "\(room)Tests", dependencies: dependencies,
            exclude: room == "EndToEnd" ? ["fetch-model.sh", "kubernetes-api.py"] : []))
}

let pureFloors: Set<String> = ["Records", "Trust", "Mesh", "Transfer", "PeerLogic", "EnginePool"]
for target in package.targets where ![.system, .plugin, .binary].contains(target.type) {
    target.swiftSettings =
        (target.swiftSettings ?? []) + [
            .swiftLanguageMode(.v6),
            .enableUpcomingFeature("ExistentialAny"),
            .enableUpcomingFeature("MemberImportVisibility"),
            .enableUpcomingFeature("InternalImportsByDefault"),
            .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
            .treatAllWarnings(as: .error),
        ]
    if pureFloors.contains(target.name) {
        target.swiftSettings?.append(.strictMemorySafety())
    }
}
