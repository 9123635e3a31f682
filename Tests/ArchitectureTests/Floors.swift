/// Where each room stands, and which rooms of its own floor it may import. Everything below its floor is open to it.
enum Floors {
    static let rooms: [Int: [String]] = [
        0: ["CZeroMQ", "CHiredis", "CSodium", "COpenSSL", "CLinux", "CKernels", "CUCX", "CVerbs"],
        1: ["Digest", "Records"],
        2: ["Trust", "Mesh", "Transfer", "PeerLogic", "EnginePool"],
        3: [
            "Telemetry", "EventThread", "Signing", "ZeroMQ", "MeshTransport", "DataPlane", "SnapshotStore",
            "Checkpoint", "Arena", "HTTPFace", "LocalAPI", "TLS", "EngineBridge", "PublicAPI",
        ],
        4: ["Configuration", "Sidecar", "Rendezvous", "CommandLine", "Simulation"],
        5: ["modelexpress", "modelexpress-server", "modelexpress-sidecar", "modelexpress-sim"],
    ]

    static let floorOfRoom: [String: Int] = {
        var table: [String: Int] = [:]
        for (floor, names) in rooms {
            for name in names { table[name] = floor }
        }
        return table
    }()

    /// The C modules that any room above may import; every other one belongs to one room.
    static let sharedCModules: Set<String> = ["CLinux"]

    /// The modules of a package product that has more than one, or one of another name.
    static let modulesOfProduct: [String: [String]] = [:]

    /// Modules that come with the toolchain and need no line in Package.swift.
    static let toolchainModules: Set<String> = [
        "Swift", "Glibc", "Synchronization", "Dispatch", "Foundation", "FoundationEssentials", "RegexBuilder",
        "PackageDescription",
    ]

    static func mayImport(_ importer: String, _ imported: String) -> Bool {
        guard let from = floorOfRoom[importer], let to = floorOfRoom[imported] else { return false }
        if importer == "Simulation" {
            return to <= 2 || ["Signing", "Configuration"].contains(imported)
        }
        return to < from || (to == from && neighbours(of: importer).contains(imported))
    }

    private static func neighbours(of room: String) -> Set<String> {
        switch room {
        case "Records": return ["Digest"]
        case "PeerLogic": return ["Trust", "Mesh", "Transfer"]
        case "Telemetry": return []
        case "EventThread": return ["Telemetry"]
        case "MeshTransport", "EngineBridge": return ["ZeroMQ", "EventThread", "Telemetry"]
        case "LocalAPI": return ["TLS", "EventThread", "Telemetry"]
        case _ where floorOfRoom[room] == 3: return ["EventThread", "Telemetry"]
        case _ where floorOfRoom[room] == 4 && room != "Configuration": return ["Configuration"]
        default: return []
        }
    }
}
