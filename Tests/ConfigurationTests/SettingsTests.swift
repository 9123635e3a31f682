import Configuration
import Records
import Telemetry
import Testing

@Suite struct SettingsTests {
    private func resolve(
        _ flags: PeerFlags = PeerFlags(), _ environment: [String: String] = [:], usesStateForLanes: Bool = false
    ) throws -> PeerSettings {
        try PeerSettings.resolve(
            flags, environment: Environment(environment), ports: .sidecar, defaultPeers: [PeerSettings.defaultPeer],
            usesStateForLanes: usesStateForLanes)
    }

    @Test("A flag wins over its variable, a variable over the default")
    func precedence() throws {
        var flags = PeerFlags()
        flags.dataPort = 1
        let environment = ["MX_DATA_PORT": "2", "MX_CONTROL_PORT": "3", "MX_SLOTS": "7"]
        let settings = try resolve(flags, environment)
        #expect(settings.ports.data == 1)
        #expect(settings.ports.control == 3)
        #expect(settings.ports.gossip == 8014)
        #expect(settings.slots == 7)
        #expect(settings.logLevel == .info)
    }

    @Test("Shared memory is off until a folder for its sockets is named")
    func lanes() throws {
        #expect(try resolve().lanes == [.verbs, .tcp])
        #expect(try resolve(usesStateForLanes: true).lanes == [.sharedMemory, .verbs, .tcp])
        #expect(try resolve(PeerFlags(), ["MX_HOST_SOCKET_DIR": "/run/mx"]).lanes == [.sharedMemory, .verbs, .tcp])
        #expect(throws: ConfigurationError.self) { try resolve(PeerFlags(), ["MX_LANES": "shm"]) }
    }

    @Test("Peers come from flags or MX_PEERS, in a list or one by one, and must be HOST:PORT")
    func peers() throws {
        #expect(try resolve().peers == ["127.0.0.1:8002"])
        #expect(try resolve(PeerFlags(), ["MX_PEERS": "a:1, b:2,a:1"]).peers == ["a:1", "b:2"])
        #expect(try resolve(PeerFlags(), ["MX_PEERS": "[::1]:8002"]).peers == ["[::1]:8002"])
        for wrong in ["a", "a:0", "a:70000", ":1", "::1:5"] {
            #expect(throws: ConfigurationError.self) { try resolve(PeerFlags(), ["MX_PEERS": wrong]) }
        }
    }

    @Test(
        "A value out of range names its variable",
        arguments: [
            ("MX_DATA_PORT", "70000"), ("MX_SLOTS", "0"), ("MX_RATE_LIMIT", "fast"), ("MX_LOG_LEVEL", "loud"),
            ("MX_LOG_FORMAT", "xml"), ("MX_LANES", "pigeon"),
        ])
    func refused(variable: String, value: String) throws {
        let error = #expect(throws: ConfigurationError.self) { try resolve(PeerFlags(), [variable: value]) }
        #expect("\(try #require(error))".contains(variable))
    }

    @Test(
        "Sizes are read as people write them",
        arguments: [
            ("1000", 1000), ("500MB", 500_000_000), ("1.5GB/s", 1_500_000_000), ("64MiB", 67_108_864), ("2kb", 2000),
            ("0", 0),
        ] as [(String, UInt64)])
    func sizes(text: String, bytes: UInt64) { #expect(Quantities.bytes(text) == bytes) }

    @Test("What is no size or duration is refused", arguments: ["", "-1", "MB", "1e400", "nan", "5 apples"])
    func nonsense(text: String) {
        #expect(Quantities.bytes(text) == nil)
        #expect(Quantities.milliseconds(text) == nil)
    }

    @Test("Durations are read as people write them")
    func durations() {
        #expect(Quantities.milliseconds("30s") == 30_000)
        #expect(Quantities.milliseconds("7d") == 604_800_000)
        #expect(Quantities.milliseconds("5") == 5_000)
        #expect(Quantities.milliseconds("99999999999999999d") == nil)
    }
}
