import Records
import Testing

@testable import DataPlane

@Suite("What UCX is told, and what it says it does")
struct UCXSettingsTests {
    static let address = VerbsAddress(
        index: 3, kind: .roceV2, bytes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 10, 0, 0, 1])

    static func choice(_ device: String = "mlx5_0") -> VerbsChoice {
        VerbsChoice(
            port: VerbsPort(
                device: device, number: 1, isActive: true, isEthernet: true, lid: 0, megabitsPerSecond: 100_000, mtu: 5,
                addresses: [address]), address: address, reason: "")
    }

    static func entries(
        _ variables: [String: String] = [:], device: String = "mlx5_0", _ rdma: VerbsSettings = VerbsSettings()
    ) throws -> [String: String] {
        let entries = try UCXSettings(variables).entries(for: choice(device), rdma)
        return Dictionary(entries.map { ($0.name, $0.value) }) { $1 }
    }

    @Test("A context gets its own port, transports that read by RDMA, and the port's address")
    func defaults() throws {
        let entries = try Self.entries()
        #expect(entries["NET_DEVICES"] == "mlx5_0:1")
        #expect(entries["TLS"] == "rc,dc")
        #expect(entries["GID_INDEX"] == "3")
        #expect(entries["IB_SL"] == nil)
        #expect(try Self.entries(device: "rxe0")["TLS"] == "rc")
        var rdma = VerbsSettings()
        (rdma.serviceLevel, rdma.partition) = (3, 0x8001)
        #expect(try Self.entries([:], rdma)["IB_SL"] == "3")
        #expect(try Self.entries([:], rdma)["IB_PKEY"] == "0x1")
    }

    @Test("What the operator set of UCX's own variables is left alone")
    func operators() throws {
        let entries = try Self.entries([
            "UCX_TLS": "rc_x,ud_x", "UCX_IB_GID_INDEX": "1", "UCX_RC_MLX5_TIMEOUT": "1s",
            "UCX_KEEPALIVE_INTERVAL": "1s",
        ])
        #expect(entries["TLS"] == nil)
        #expect(entries["GID_INDEX"] == nil)
        #expect(entries["RC_TIMEOUT"] == nil)
        #expect(entries["RC_RETRY_COUNT"] != nil)
        let settings = UCXSettings(["UCX_NET_DEVICES": "mlx5_1:1,mlx5_2:1"])
        #expect(!settings.allows(Self.choice().port))
        #expect(settings.allows(Self.choice("mlx5_2").port))
    }

    @Test("UCX never asks after peers: with that it ends a process whose endpoint closes while it connects")
    func keepalive() throws {
        #expect(try Self.entries(["UCX_KEEPALIVE_INTERVAL": "1s"])["KEEPALIVE_INTERVAL"] == "inf")
    }

    @Test(
        "Transports that emulate reads are refused, with what to do",
        arguments: ["tcp", "rc,tcp", "all", "ud_verbs", "^rc", "shm", "rc,self"])
    func emulation(_ transports: String) {
        #expect { try Self.entries(["UCX_TLS": transports]) } throws: { error in
            "\(error)".contains(transports) && "\(error)".contains("leave UCX_TLS unset")
        }
    }

    static let lane = "#                 lane[0]:  0:rc_verbs/rxe0:1.0 md[0]       -> md[0]/ib/sysdev[255] am am_bw#0\n"
    static let helper =
        "#                 lane[1]:  1:ud_verbs/rxe0:1.0 md[0]       -> md[0]/ib/sysdev[255] keepalive wireup\n"
    static let get = "#\n#                  get[0]: 0..<bcopy>..945..<zcopy>..(inf)\n"
    static let end = "#\n#                  rma_bw: mds #\n"

    @Test("UCX's description of an endpoint tells over which transport it reads")
    func transport() {
        #expect(UCXSettings.transport(in: Self.lane + Self.helper + Self.get + Self.end) == "rc_verbs")
        // Of later versions, which don't tell how they read.
        #expect(UCXSettings.transport(in: Self.lane + Self.helper) == "rc_verbs")
    }

    @Test("An endpoint that emulates reads, or leads elsewhere than over RDMA, is none for us")
    func noTransport() {
        #expect(UCXSettings.transport(in: "") == nil)
        #expect(UCXSettings.transport(in: Self.lane + Self.helper + Self.end) == nil)
        #expect(UCXSettings.transport(in: Self.helper + Self.get + Self.end) == nil)
        let tcp = "#                 lane[1]:  1:tcp/eth0.0 md[1]       -> md[1]/tcp/sysdev[255] am\n"
        #expect(UCXSettings.transport(in: Self.lane + tcp + Self.get + Self.end) == nil)
    }

    @Test("What workers are survives the wire, and an empty address is refused")
    func messages() throws {
        let end = RDMAPortAddress(Self.choice())
        let request = UCXRequest(generation: 7, ends: [end])
        #expect(try UCXRequest(decoding: request.encoded) == request)
        let rail = UCXAnswer.Rail(reader: 0, end: end, address: [1, 2], key: [3], base: 1 << 40)
        let answer = UCXAnswer(generation: 7, rails: [rail], alignment: 64)
        #expect(try UCXAnswer(decoding: answer.encoded) == answer)
        let declined = UCXAnswer(generation: 7, declining: String(repeating: "é", count: 1000))
        #expect(try UCXAnswer(decoding: declined.encoded) == declined)
        let empty = UCXAnswer.Rail(reader: 0, end: end, address: [], key: [3], base: 0)
        #expect(throws: (any Error).self) {
            try UCXAnswer(decoding: UCXAnswer(generation: 7, rails: [empty], alignment: 64).encoded)
        }
    }
}
