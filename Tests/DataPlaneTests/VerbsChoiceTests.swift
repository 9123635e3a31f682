import Records
import Testing

@testable import DataPlane

@Suite("RDMA ports and addresses are chosen by rule")
struct VerbsChoiceTests {
    static let linkLocal = VerbsAddress(
        index: 0, kind: .roceV2, bytes: [0xFE, 0x80] + [UInt8](repeating: 1, count: 14))
    static let old = VerbsAddress(index: 2, kind: .roceV1, bytes: ipv4(10, 0, 0, 1).bytes)

    static func ipv4(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8, index: Int = 1) -> VerbsAddress {
        VerbsAddress(
            index: index, kind: .roceV2, bytes: [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF, a, b, c, d])
    }

    static func port(
        _ device: String, gigabits: UInt64 = 100, isActive: Bool = true, _ addresses: [VerbsAddress]
    ) -> VerbsPort {
        VerbsPort(
            device: device, number: 1, isActive: isActive, isEthernet: true, lid: 0,
            megabitsPerSecond: gigabits * 1000, mtu: 5, addresses: addresses)
    }

    @Test("An IPv4 address of RoCE v2 is taken before link-local ones and RoCE v1")
    func address() throws {
        let ports = [Self.port("mlx5_0", [Self.linkLocal, Self.old, Self.ipv4(10, 0, 0, 1, index: 3)])]
        let outcome = VerbsPortChoice.choose(ports, VerbsSettings())
        #expect(outcome.chosen.map(\.address.index) == [3])
        #expect(outcome.chosen.first?.text == "mlx5_0:1 gid 3 10.0.0.1 100 Gb/s")
        #expect(outcome.left.isEmpty)
    }

    @Test("The operator's address index wins, and a port without it is left")
    func index() {
        var settings = VerbsSettings()
        settings.gidIndex = 2
        let ports = [Self.port("a", [Self.ipv4(10, 0, 0, 1), Self.old]), Self.port("b", [Self.ipv4(10, 0, 0, 2)])]
        let outcome = VerbsPortChoice.choose(ports, settings)
        #expect(outcome.chosen.map(\.port.device) == ["a"])
        #expect(outcome.chosen.map(\.reason) == ["MX_RDMA_GID_INDEX"])
        #expect(outcome.left == ["b:1 has no address 2 (MX_RDMA_GID_INDEX)"])
    }

    @Test("Ports that are down, without an address, or much slower than the best are left, each with the reason")
    func left() {
        let address = [Self.ipv4(10, 0, 0, 1)]
        let ports = [
            Self.port("down", isActive: false, address), Self.port("bare", []),
            Self.port("slow", gigabits: 25, address), Self.port("fast", gigabits: 400, address),
            Self.port("half", gigabits: 200, address),
        ]
        let outcome = VerbsPortChoice.choose(ports, VerbsSettings())
        #expect(outcome.chosen.map(\.port.device) == ["fast", "half"])
        #expect(
            outcome.left == [
                "bare:1 has no address: give its network interface one", "down:1 is not active: its link is down",
                "slow:1 has 25 Gb/s, the fastest 400 Gb/s; name it in MX_RDMA_DEVICES to use it",
            ])
    }

    @Test("Devices that the operator names are used however slow, and one that is not there is told of")
    func named() {
        var settings = VerbsSettings()
        settings.devices = ["slow", "fast:1", "gone"]
        let address = [Self.ipv4(10, 0, 0, 1)]
        let ports = [
            Self.port("fast", gigabits: 400, address), Self.port("other", address),
            Self.port("slow", gigabits: 25, address),
        ]
        let outcome = VerbsPortChoice.choose(ports, settings)
        #expect(outcome.chosen.map(\.port.device) == ["fast", "slow"])
        #expect(
            outcome.left == [
                "gone is named by MX_RDMA_DEVICES and not there", "other:1 is not among MX_RDMA_DEVICES",
            ])
    }

    @Test(
        "A link's rate is what its speed and width say",
        arguments: [(1, 1, 2500), (4, 2, 40_000), (32, 2, 100_000), (64, 2, 200_000), (128, 2, 400_000), (0, 2, 0)])
    func rate(speed: UInt8, width: UInt8, megabits: UInt64) {
        #expect(VerbsPortChoice.megabits(speed: speed, width: width) == megabits)
    }

    // MARK: Pairs

    static func end(_ address: VerbsAddress) -> VerbsEnd {
        VerbsEnd(
            kind: address.kind, mtu: 5, depth: 16, lid: 0, address: address.bytes, queuePair: 17, sequence: 1)
    }

    static func choice(_ device: String, _ address: VerbsAddress) -> VerbsChoice {
        VerbsChoice(port: port(device, [address]), address: address, reason: "")
    }

    @Test("Ports in one subnet are paired, whatever their order")
    func subnets() {
        let readers = [Self.end(Self.ipv4(10, 0, 1, 7)), Self.end(Self.ipv4(10, 0, 2, 7))]
        let sources = [Self.choice("a", Self.ipv4(10, 0, 2, 9)), Self.choice("b", Self.ipv4(10, 0, 1, 9))]
        let pairs = RDMAPairing.pairs(readers: readers.map(\.port), sources: sources.map(RDMAPortAddress.init))
        #expect(pairs == [.init(reader: 0, source: 1), .init(reader: 1, source: 0)])
    }

    @Test("Each port is used once, and no port of another kind")
    func once() {
        let infiniband = VerbsAddress(index: 0, kind: .infiniband, bytes: [UInt8](repeating: 9, count: 16))
        let readers = [Self.end(infiniband), Self.end(Self.ipv4(10, 0, 0, 1)), Self.end(Self.ipv4(10, 0, 0, 2))]
        let sources = [Self.choice("a", Self.ipv4(10, 0, 0, 9))]
        #expect(
            RDMAPairing.pairs(readers: readers.map(\.port), sources: sources.map(RDMAPortAddress.init)) == [
                .init(reader: 1, source: 0)
            ])
    }

    // MARK: Messages

    @Test("What queue pairs are survives the wire")
    func messages() throws {
        let request = VerbsRequest(ends: [Self.end(Self.ipv4(10, 0, 0, 1)), Self.end(Self.linkLocal)])
        #expect(try VerbsRequest(decoding: request.encoded) == request)
        let answer = VerbsAnswer(
            rails: [.init(reader: 1, end: Self.end(Self.ipv4(10, 0, 0, 9)), key: 0xDEAD_BEEF)], alignment: 64)
        #expect(try VerbsAnswer(decoding: answer.encoded) == answer)
        let declined = VerbsAnswer(declining: String(repeating: "é", count: 1000))
        #expect(try VerbsAnswer(decoding: declined.encoded) == declined)
    }

    @Test("Two rails for one of the reader's queue pairs, or a number of more than 24 bits, are refused")
    func refused() {
        let end = Self.end(Self.ipv4(10, 0, 0, 9))
        let answer = VerbsAnswer(
            rails: [.init(reader: 0, end: end, key: 1), .init(reader: 0, end: end, key: 2)], alignment: 64)
        #expect(throws: (any Error).self) { try VerbsAnswer(decoding: answer.encoded) }
        let wide = VerbsEnd(
            kind: .roceV2, mtu: 5, depth: 16, lid: 0, address: end.address, queuePair: 1 << 24, sequence: 1)
        #expect(throws: (any Error).self) { try VerbsRequest(decoding: VerbsRequest(ends: [wide]).encoded) }
    }
}

extension VerbsEnd {
    var port: RDMAPortAddress { RDMAPortAddress(kind: kind, address: address) }
}
