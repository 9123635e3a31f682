/// One address of a port, by which packets find it.
struct VerbsAddress: Hashable, Sendable {
    enum Kind: UInt8, Sendable {
        case infiniband = 0
        case roceV1 = 1
        case roceV2 = 2
    }

    /// Row in the port's table: what queue pairs are told.
    let index: Int
    let kind: Kind
    /// 16.
    let bytes: [UInt8]

    /// An IPv4 address within an IPv6 one.
    var isIPv4: Bool { bytes.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF] }

    /// Reaches the next switch only.
    var isLinkLocal: Bool { bytes[0] == 0xFE && bytes[1] & 0xC0 == 0x80 }

    /// As `show_gids` writes it, or as an IPv4 address.
    var text: String {
        if isIPv4 { return bytes.suffix(4).map(String.init).joined(separator: ".") }
        return stride(from: 0, to: 16, by: 2).map { String(Int(bytes[$0]) << 8 | Int(bytes[$0 + 1]), radix: 16) }
            .joined(separator: ":")
    }
}

/// A port of an RDMA device, as the system tells of it.
struct VerbsPort: Hashable, Sendable {
    let device: String
    /// From 1.
    let number: UInt8
    let isActive: Bool
    let isEthernet: Bool
    let lid: UInt16
    /// Its link's rate.
    let megabitsPerSecond: UInt64
    /// As libibverbs counts it: 1 for 256 bytes to 5 for 4096.
    let mtu: UInt8
    let addresses: [VerbsAddress]

    var name: String { "\(device):\(number)" }
}

/// A port and the address that queue pairs use there, with the reason.
struct VerbsChoice: Hashable, Sendable {
    let port: VerbsPort
    let address: VerbsAddress
    let reason: String

    /// For logs and reports.
    var text: String {
        "\(port.name) gid \(address.index) \(address.text) \(VerbsPortChoice.rate(port.megabitsPerSecond))"
    }
}

/// Which of a host's ports are used, and by which of their addresses.
enum VerbsPortChoice {
    struct Outcome: Hashable, Sendable {
        /// Fastest first.
        var chosen: [VerbsChoice] = []
        /// Why others were left, one sentence each.
        var left: [String] = []
    }

    /// Ports slower than this part of the fastest one are left, unless the operator names them: one that is there for management
    /// would only hold up what it is given.
    static let leastRate = 0.5

    static func choose(_ ports: [VerbsPort], _ settings: VerbsSettings) -> Outcome {
        var outcome = Outcome()
        for name in settings.devices where !ports.contains(where: { matches($0, name) }) {
            outcome.left.append("\(name) is named by MX_RDMA_DEVICES and not there")
        }
        for port in ports.sorted(by: { ($0.device, $0.number) < ($1.device, $1.number) }) {
            if !settings.devices.isEmpty, !settings.devices.contains(where: { matches(port, $0) }) {
                outcome.left.append("\(port.name) is not among MX_RDMA_DEVICES")
            } else if !port.isActive {
                outcome.left.append("\(port.name) is not active: its link is down")
            } else if let (address, reason) = address(of: port, settings.gidIndex) {
                outcome.chosen.append(VerbsChoice(port: port, address: address, reason: reason))
            } else if let index = settings.gidIndex {
                outcome.left.append("\(port.name) has no address \(index) (MX_RDMA_GID_INDEX)")
            } else {
                outcome.left.append("\(port.name) has no address: give its network interface one")
            }
        }
        leaveSlow(&outcome, settings)
        leaveSurplus(&outcome)
        return outcome
    }

    private static func matches(_ port: VerbsPort, _ name: String) -> Bool { name == port.device || name == port.name }

    /// RoCE v2 is routed, and IPv4 is what fabrics are mostly run with; a link-local address leads nowhere beyond a switch.
    private static func address(of port: VerbsPort, _ index: Int?) -> (VerbsAddress, String)? {
        if let index {
            return port.addresses.first { $0.index == index }.map { ($0, "MX_RDMA_GID_INDEX") }
        }
        func rank(_ address: VerbsAddress) -> Int {
            switch address.kind {
            case .infiniband: 0
            case .roceV2: address.isIPv4 ? 0 : address.isLinkLocal ? 2 : 1
            case .roceV1: 3
            }
        }
        return port.addresses.min { (rank($0), $0.index) < (rank($1), $1.index) }.map { address in
            let reason =
                switch (address.kind, rank(address)) {
                case (.infiniband, _): "its InfiniBand address"
                case (_, 0): "its first IPv4 address of RoCE v2"
                case (_, 1): "no IPv4, so its first IPv6 address of RoCE v2"
                case (_, 2): "only a link-local address of RoCE v2"
                default: "only RoCE v1"
                }
            return (address, reason)
        }
    }

    private static func leaveSlow(_ outcome: inout Outcome, _ settings: VerbsSettings) {
        outcome.chosen.sort {
            ($1.port.megabitsPerSecond, $0.port.name) < ($0.port.megabitsPerSecond, $1.port.name)
        }
        guard settings.devices.isEmpty, let best = outcome.chosen.first?.port.megabitsPerSecond else { return }
        for slow in outcome.chosen where Double(slow.port.megabitsPerSecond) < leastRate * Double(best) {
            outcome.left.append(
                "\(slow.port.name) has \(rate(slow.port.megabitsPerSecond)), the fastest \(rate(best)); "
                    + "name it in MX_RDMA_DEVICES to use it")
        }
        outcome.chosen.removeAll { Double($0.port.megabitsPerSecond) < leastRate * Double(best) }
    }

    private static func leaveSurplus(_ outcome: inout Outcome) {
        for choice in outcome.chosen.dropFirst(LaneLimits.rdmaPorts) {
            outcome.left.append("\(choice.port.name) is one more than \(LaneLimits.rdmaPorts) ports")
        }
        outcome.chosen = Array(outcome.chosen.prefix(LaneLimits.rdmaPorts))
    }

    static func rate(_ megabits: UInt64) -> String {
        megabits % 1000 == 0 ? "\(megabits / 1000) Gb/s" : "\(Double(megabits) / 1000) Gb/s"
    }

    /// A link's rate from what libibverbs says of it; 0 for codes that it doesn't know yet.
    static func megabits(speed: UInt8, width: UInt8) -> UInt64 {
        let lane: [UInt8: UInt64] = [
            1: 2500, 2: 5000, 4: 10_000, 8: 10_000, 16: 14_000, 32: 25_000, 64: 50_000, 128: 100_000,
        ]
        let lanes: [UInt8: UInt64] = [1: 1, 2: 4, 4: 8, 8: 12, 16: 2]
        return (lane[speed] ?? 0) * (lanes[width] ?? 0)
    }
}
