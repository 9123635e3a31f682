package import Records
package import Telemetry

/// What flags may say about a peer; nil leaves it to the environment, then to the default.
package struct PeerFlags: Sendable {
    package var stateDirectory: String?
    package var token: String?
    package var peers: [String] = []
    package var peerName: String?
    package var zone: String?
    package var advertise: String?
    package var bind: String?
    package var bootstrapPort: Int?
    package var controlPort: Int?
    package var gossipPort: Int?
    package var dataPort: Int?
    package var slots: Int?
    package var rateLimit: String?
    package var hostSocketDirectory: String?
    package var lanes: String?
    package var logLevel: String?
    package var logFormat: String?

    package init() {}
}

/// Which ports a kind of program has by default (architecture.md, ports).
package struct PortDefaults: Hashable, Sendable {
    package let bootstrap: UInt16
    package let control: UInt16
    package let gossip: UInt16
    package let data: UInt16

    package static let server = PortDefaults(bootstrap: 8002, control: 8003, gossip: 8004, data: 0)
    package static let sidecar = PortDefaults(bootstrap: 8012, control: 8013, gossip: 8014, data: 8015)
    /// The command line's own peers: the system chooses, so that several run on one host.
    package static let ephemeral = PortDefaults(bootstrap: 0, control: 0, gossip: 0, data: 0)
}

/// A peer's settings, checked. Flags win over environment variables, which win over defaults.
package struct PeerSettings: Sendable {
    /// Where a peer looks for others when nobody says: a server on this host.
    /// As many readers as a target has sources: with more, the relays that came first serve everybody in a crowd, and the
    /// links of those that came late lie idle.
    private static let defaultSlots = 4

    package static let defaultPeer = "127.0.0.1:8002"

    package var state: StateDirectory
    package var tokenPath: String
    package var peers: [String]
    package var name: String
    package var zone: String
    /// Nil: found out from the route to the first peer.
    package var advertise: String?
    package var bind: String
    package var ports: PortDefaults
    package var slots: Int
    /// Bytes a second; nil: as fast as it goes.
    package var rateLimit: UInt64?
    /// Nil: no shared-memory lane.
    package var hostSocketDirectory: String?
    /// Best first. RDMA (`verbs`, `ucx`) is used only where the host has a device for it, `ucx` only on a trusted fabric.
    package var lanes: [LaneKind]
    /// Whether everybody who reaches the RDMA fabric may do there what its devices let them (`MX_FABRIC=trusted`).
    package var trustsFabric: Bool
    package var logLevel: LogLevel
    package var logFormat: LogFormat

    /// What others connect to, as far as settings tell: nobody reaches another address than the one that is bound.
    package var advertisedHost: String? { advertise ?? (["0.0.0.0", "::"].contains(bind) ? nil : bind) }

    /// - Parameters:
    ///   - ports: what the program uses by default.
    ///   - defaultPeers: where to look when neither flag nor environment says.
    ///   - usesStateForLanes: shared-memory sockets lie in the state folder unless another is named.
    package static func resolve(
        _ flags: PeerFlags, environment: Environment, ports defaults: PortDefaults, defaultPeers: [String],
        usesStateForLanes: Bool, defaultLogLevel: LogLevel = .info
    ) throws(ConfigurationError) -> PeerSettings {
        let state = StateDirectory.resolve(flag: flags.stateDirectory, environment: environment)
        let named = flags.peers.isEmpty ? environment["MX_PEERS"].map { [$0] } : flags.peers
        let ports = PortDefaults(
            bootstrap: try port(flags.bootstrapPort, "MX_BOOTSTRAP_PORT", environment, defaults.bootstrap),
            control: try port(flags.controlPort, "MX_CONTROL_PORT", environment, defaults.control),
            gossip: try port(flags.gossipPort, "MX_GOSSIP_PORT", environment, defaults.gossip),
            data: try port(flags.dataPort, "MX_DATA_PORT", environment, defaults.data))
        let socketDirectory =
            flags.hostSocketDirectory ?? environment["MX_HOST_SOCKET_DIR"]
            ?? (usesStateForLanes ? state.laneSockets : nil)
        let trusts = try trustsFabric(environment["MX_FABRIC"])
        return PeerSettings(
            state: state, tokenPath: flags.token ?? environment["MX_TOKEN_FILE"] ?? state.token,
            peers: try peerList(named ?? defaultPeers),
            name: flags.peerName ?? environment["MX_PEER_NAME"] ?? environment["HOSTNAME"] ?? HostIdentity.hostName,
            zone: flags.zone ?? environment["MX_ZONE"] ?? "",
            advertise: flags.advertise ?? environment["MX_ADVERTISE_ADDRESS"],
            bind: flags.bind ?? environment["MX_BIND_ADDRESS"] ?? "0.0.0.0", ports: ports,
            slots: try number(flags.slots, "MX_SLOTS", environment, default: defaultSlots, in: 1...1024),
            rateLimit: try rate(flags.rateLimit ?? environment["MX_RATE_LIMIT"]),
            hostSocketDirectory: socketDirectory,
            lanes: try lanes(
                flags.lanes ?? environment["MX_LANES"], hasSockets: socketDirectory != nil, trustsFabric: trusts),
            trustsFabric: trusts,
            logLevel: try level(flags.logLevel ?? environment["MX_LOG_LEVEL"] ?? defaultLogLevel.description),
            logFormat: try format(flags.logFormat ?? environment["MX_LOG_FORMAT"] ?? "text"))
    }

    private static func port(
        _ flag: Int?, _ variable: String, _ environment: Environment, _ standard: UInt16
    ) throws(ConfigurationError) -> UInt16 {
        UInt16(try number(flag, variable, environment, default: Int(standard), in: 0...65535))
    }

    private static func number(
        _ flag: Int?, _ variable: String, _ environment: Environment, default standard: Int, in range: ClosedRange<Int>
    ) throws(ConfigurationError) -> Int {
        let text = flag.map(String.init) ?? environment[variable] ?? String(standard)
        guard let value = Int(text), range.contains(value) else {
            throw .invalid(
                setting: variable, value: text, expected: "a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    private static func peerList(_ named: [String]) throws(ConfigurationError) -> [String] {
        var peers: [String] = []
        for entry in named.flatMap({ $0.split(separator: ",") }) {
            let peer = entry.filter { !$0.isWhitespace }
            guard !peer.isEmpty else { continue }
            guard HostPort(peer) != nil else {
                throw .invalid(setting: "--peers (MX_PEERS)", value: peer, expected: "HOST:PORT of a bootstrap port")
            }
            if !peers.contains(peer) { peers.append(peer) }
        }
        return peers
    }

    private static func rate(_ text: String?) throws(ConfigurationError) -> UInt64? {
        guard let text else { return nil }
        guard let bytes = Quantities.bytes(text), bytes > 0 else {
            throw .invalid(setting: "--rate-limit (MX_RATE_LIMIT)", value: text, expected: "bytes a second like 500MB")
        }
        return bytes
    }

    private static func trustsFabric(_ text: String?) throws(ConfigurationError) -> Bool {
        switch text ?? "untrusted" {
        case "trusted": return true
        case "untrusted": return false
        case let other: throw .invalid(setting: "MX_FABRIC", value: other, expected: "trusted or untrusted")
        }
    }

    private static func lanes(
        _ text: String?, hasSockets: Bool, trustsFabric: Bool
    ) throws(ConfigurationError) -> [LaneKind] {
        let setting = "--lanes (MX_LANES)"
        guard let text else {
            return (hasSockets ? [.sharedMemory] : []) + (trustsFabric ? [.ucx] : []) + [.verbs, .tcp]
        }
        var lanes: [LaneKind] = []
        for word in text.split(separator: ",") {
            guard let lane = LaneKind(word: word) else {
                throw .invalid(setting: setting, value: text, expected: "a list of shm, ucx, verbs and tcp")
            }
            if !lanes.contains(lane) { lanes.append(lane) }
        }
        guard !lanes.isEmpty else {
            throw .invalid(setting: setting, value: text, expected: "a list of shm, ucx, verbs and tcp")
        }
        if lanes.contains(.sharedMemory), !hasSockets {
            throw .invalid(
                setting: setting, value: text, expected: "--host-socket-dir (MX_HOST_SOCKET_DIR) with shm")
        }
        if lanes.contains(.ucx), !trustsFabric {
            throw .invalid(setting: setting, value: text, expected: "MX_FABRIC=trusted with ucx")
        }
        return lanes
    }

    private static func level(_ text: String) throws(ConfigurationError) -> LogLevel {
        guard let level = LogLevel(name: text) else {
            throw .invalid(
                setting: "--log-level (MX_LOG_LEVEL)", value: text,
                expected: LogLevel.allCases.map(\.description).joined(separator: ", "))
        }
        return level
    }

    private static func format(_ text: String) throws(ConfigurationError) -> LogFormat {
        guard let format = LogFormat(rawValue: text) else {
            throw .invalid(setting: "--log-format (MX_LOG_FORMAT)", value: text, expected: "text or json")
        }
        return format
    }
}
