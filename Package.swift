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
        .trait(name: "Fuzzing", description: "Builds FuzzRecords for libFuzzer instead of for replaying its corpus.")
    ],
    dependencies: [
        // Flags, help texts and usage errors of the programs.
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        // Scenario files of the simulator: people write and compare them, so they need comments.
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        // Floor 0: C modules.
        .systemLibrary(name: "CZeroMQ"),
        .systemLibrary(name: "CHiredis"),
        .systemLibrary(name: "CSodium"),
        .target(name: "CLinux"),
        .target(name: "CKernels", cSettings: [.unsafeFlags(["-O3"])]),

        // Floor 1: vocabulary.
        .target(name: "Digest"),
        .target(name: "Records", dependencies: ["Digest"]),

        // Floor 2: pure logic, events in, effects out.
        .target(name: "Trust", dependencies: ["Digest", "Records"]),
        .target(name: "Mesh", dependencies: ["Digest", "Records"]),
        .target(name: "Transfer", dependencies: ["Digest", "Records"]),
        .target(name: "PeerLogic", dependencies: ["Digest", "Records", "Trust", "Mesh", "Transfer"]),

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
            name: "DataPlane",
            dependencies: ["CKernels", "CLinux", "Digest", "Records", "Transfer", "EventThread", "Telemetry"]),
        .target(name: "SnapshotStore", dependencies: ["CHiredis", "CLinux", "Records", "EventThread", "Telemetry"]),
        .target(name: "Checkpoint", dependencies: ["CLinux", "Digest", "Records", "Transfer", "Telemetry"]),
        .target(
            name: "LocalAPI",
            dependencies: ["CLinux", "Records", "Mesh", "PeerLogic", "EventThread", "Telemetry"]),
        .target(name: "HTTPFace", dependencies: ["CLinux", "Digest", "EventThread", "Telemetry"]),

        // Floor 4: processes.
        .target(
            name: "Configuration",
            dependencies: ["CLinux", "Digest", "Records", "Trust", "Signing", "Telemetry"]),
        .target(
            name: "Sidecar",
            dependencies: [
                "Digest", "Records", "Trust", "Mesh", "Transfer", "PeerLogic", "EventThread", "Telemetry", "Signing",
                "MeshTransport", "DataPlane", "Checkpoint", "HTTPFace", "Configuration", "LocalAPI",
            ]),
        .target(
            name: "Rendezvous",
            dependencies: [
                "Records", "Trust", "Mesh", "PeerLogic", "EventThread", "Telemetry", "Signing", "MeshTransport",
                "SnapshotStore", "Configuration", "HTTPFace", "LocalAPI",
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
    ]
)

/// Test targets mirror Sources: `Tests/<Room>Tests`.
let testTargets: [(room: String, dependencies: [Target.Dependency])] = [
    ("Digest", ["Digest"]),
    ("Records", ["Digest", "Records", "FuzzRecords"]),
    ("Trust", ["Digest", "Records", "Trust", "Signing"]),
    ("Mesh", ["Digest", "Records", "Mesh"]),
    ("Transfer", ["Digest", "Records", "Transfer"]),
    ("PeerLogic", ["Digest", "Records", "Trust", "Mesh", "Transfer", "PeerLogic", "Signing"]),
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
    ("DataPlane", ["CKernels", "CLinux", "Digest", "Records", "Transfer", "DataPlane", "EventThread", "Telemetry"]),
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
    ("HTTPFace", ["CLinux", "HTTPFace", "EventThread", "Telemetry"]),
    (
        "Rendezvous",
        ["Digest", "Records", "Trust", "Mesh", "PeerLogic", "EventThread", "HTTPFace", "LocalAPI", "Rendezvous"]
    ),
    ("Simulation", ["Digest", "Records", "Mesh", "Simulation"]),
    ("Architecture", []),
    ("EndToEnd", ["CLinux", "Telemetry"]),
]
for (room, dependencies) in testTargets {
    package.targets.append(
        .testTarget(
            name: "\(room)Tests", dependencies: dependencies,
            exclude: room == "EndToEnd" ? ["fetch-model.sh"] : []))
}

let pureFloors: Set<String> = ["Records", "Trust", "Mesh", "Transfer", "PeerLogic"]
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
