/// What UCX is told: its own variables, where the operator set them, before what we would choose.
package struct UCXSettings: Hashable, Sendable {
    struct Entry: Hashable {
        let name: String
        let value: String
    }

    /// Transports that read memory by RDMA, as UCX_TLS names them. `ud` can't, and sets up the others.
    private static let readers: Set<String> = [
        "rc", "rc_v", "rc_x", "rc_verbs", "rc_mlx5", "dc", "dc_x", "dc_mlx5", "ib",
    ]
    private static let helpers: Set<String> = ["ud", "ud_v", "ud_x", "ud_verbs", "ud_mlx5"]
    /// A dead peer is found out as fast as by verbs lanes: 67 ms, 6 times.
    private static let timeout = "67ms"
    private static let retries = "6"
    /// Receive buffers: nothing is received but what sets up endpoints, and 4096 of each kind would lock 50 MB a port.
    private static let queue = "256"

    /// The operator's, `UCX_` and what follows.
    private let variables: [String: String]

    package init(_ environment: [String: String]) {
        variables = environment.filter { $0.key.hasPrefix("UCX_") && !$0.value.isEmpty }
    }

    /// Whether the operator's UCX_NET_DEVICES, where it is set, has a port.
    func allows(_ port: VerbsPort) -> Bool {
        guard let devices = variables["UCX_NET_DEVICES"], devices != "all" else { return true }
        return devices.split(separator: ",").contains { $0 == port.name || $0 == port.device }
    }

    /// For the context of one port, by the names that `ucp_config_modify` takes.
    ///
    /// - Throws: when the operator asks for transports that are not RDMA.
    func entries(for choice: VerbsChoice, _ rdma: VerbsSettings) throws(RDMAError) -> [Entry] {
        var entries = [Entry(name: "NET_DEVICES", value: choice.port.name)]
        if let transports = variables["UCX_TLS"] {
            let words = transports.split(separator: ",").map { $0.hasPrefix("\\") ? $0.dropFirst() : $0 }.map(
                String.init)
            guard words.contains(where: Self.readers.contains),
                words.allSatisfy({ Self.readers.contains($0) || Self.helpers.contains($0) })
            else { throw .notRDMA(device: choice.port.name, transports: "UCX_TLS=\(transports)") }
        } else {
            // Only Mellanox devices have dynamically connected queue pairs, and UCX warns of the word elsewhere.
            entries.append(Entry(name: "TLS", value: choice.port.device.hasPrefix("mlx5") ? "rc,dc" : "rc"))
        }
        func add(_ name: String, _ value: String, unless suffixes: [String]) {
            guard !variables.keys.contains(where: { key in suffixes.contains { key.hasSuffix($0) } }) else { return }
            entries.append(Entry(name: name, value: value))
        }
        add("GID_INDEX", String(choice.address.index), unless: ["_GID_INDEX"])
        if rdma.serviceLevel != 0 { add("IB_SL", String(rdma.serviceLevel), unless: ["_SL"]) }
        if rdma.trafficClass != 0 { add("IB_TRAFFIC_CLASS", String(rdma.trafficClass), unless: ["_TRAFFIC_CLASS"]) }
        if let partition = rdma.partition {
            add("IB_PKEY", "0x" + String(partition & 0x7FFF, radix: 16), unless: ["_PKEY"])
        }
        add("RC_TIMEOUT", Self.timeout, unless: ["RC_TIMEOUT", "RC_VERBS_TIMEOUT", "RC_MLX5_TIMEOUT"])
        add("RC_RETRY_COUNT", Self.retries, unless: ["RC_RETRY_COUNT", "RC_VERBS_RETRY_COUNT", "RC_MLX5_RETRY_COUNT"])
        add("RC_RX_QUEUE_LEN", Self.queue, unless: ["_RX_QUEUE_LEN"])
        add("UD_RX_QUEUE_LEN", Self.queue, unless: ["_RX_QUEUE_LEN"])
        // Whatever the operator says: UCX 1.13 asks after peers over a UD lane of the endpoint's own then, and ends the process when
        // such an endpoint is closed, or fails, while it connects (an assertion on a wire-up message that was not sent yet). We have
        // deadlines, and workers that end with their leases.
        entries.append(Entry(name: "KEEPALIVE_INTERVAL", value: "inf"))
        return entries
    }

    /// The transport that UCX reads over, from its description of an endpoint; nil when that is none of RDMA, or some lane of
    /// the endpoint leads elsewhere.
    ///
    /// UCX 1.13 has no other way to tell. A line of a lane: `lane[0]:  0:rc_verbs/rxe0:1.0 md[0] -> ...`; one of its reads, where
    /// they are not emulated: `get[0]: 0..<bcopy>..945..<zcopy>..(inf)`.
    static func transport(in description: String) -> String? {
        let lines = description.split(separator: "\n").map { $0.drop { $0 == "#" || $0 == " " } }
        var transports: [String] = []
        for line in lines where line.hasPrefix("lane[") {
            let words = line.split(separator: " ")
            guard let end = words.first(where: { $0.contains("/") }),
                let name = end.split(separator: "/").first?.split(separator: ":").last
            else { return nil }
            transports.append(String(name))
        }
        let isRDMA = transports.allSatisfy { readers.contains($0) || helpers.contains($0) }
        guard isRDMA, let reader = transports.first(where: readers.contains) else { return nil }
        // What the first way of UCX to choose protocols prints; the second, of 1.16 and later, tells nothing of it.
        let tellsReads = lines.contains { $0.hasPrefix("rma_bw: mds") }
        return !tellsReads || lines.contains { $0.hasPrefix("get[") } ? reader : nil
    }
}
