import CVerbs
import EventThread
import Glibc
import Telemetry

/// One RDMA device, opened.
///
/// `@unchecked Sendable`: the context and the domain are constant from init to deinit, and libibverbs lets any thread use them.
final class VerbsDevice: @unchecked Sendable {
    let name: String
    let context: UnsafeMutablePointer<ibv_context>
    /// Holds the queue pairs and the memory of both directions; what a reader's keys open is told by windows and domains of
    /// leases.
    let domain: UnsafeMutablePointer<ibv_pd>
    /// Windows can open memory to a single queue pair, see VerbsService.
    let hasWindows: Bool
    /// Whether memory of other devices (a GPU's, as a DMA buffer) can be registered.
    let takesDMABuffers: Bool
    /// Reads that a queue pair may have in flight, and answer, at once.
    let initiatorDepth: UInt8
    let responderDepth: UInt8
    let metrics: RDMAMetrics
    /// From 1.
    let portNumbers: ClosedRange<UInt8>

    /// Opens a device of the list that the system gives.
    init(_ device: UnsafeMutablePointer<ibv_device>, _ settings: VerbsSettings) throws(RDMAError) {
        name = ibv_get_device_name(device).map { String(cString: $0) } ?? "?"
        guard let context = ibv_open_device(device) else { throw .last("open the device", name) }
        var attributes = ibv_device_attr()
        let status = ibv_query_device(context, &attributes)
        guard status == 0, let domain = ibv_alloc_pd(context) else {
            let code = status == 0 ? errno : status
            ibv_close_device(context)
            throw .system(call: "query the device", device: name, code: code)
        }
        self.context = context
        self.domain = domain
        hasWindows =
            settings.usesWindows
            && attributes.device_cap_flags & UInt32(IBV_DEVICE_MEM_WINDOW_TYPE_2B.rawValue) != 0
        takesDMABuffers = mx_verbs_takes_dma_buffers(domain) == 1
        initiatorDepth = UInt8(clamping: min(Int(attributes.max_qp_init_rd_atom), LaneLimits.verbsReadsAtOnce))
        responderDepth = UInt8(clamping: min(Int(attributes.max_qp_rd_atom), LaneLimits.verbsReadsAtOnce))
        portNumbers = 1...max(1, attributes.phys_port_cnt)
        metrics = RDMAMetrics(device: name)
    }

    deinit {
        ibv_dealloc_pd(domain)
        ibv_close_device(context)
    }

    /// What the ports are like now.
    func ports() throws(RDMAError) -> [VerbsPort] {
        let addresses = try addresses()
        var ports: [VerbsPort] = []
        for number in portNumbers {
            var attributes = ibv_port_attr()
            let status = mx_verbs_query_port(context, number, &attributes)
            guard status == 0 else { throw .system(call: "query port \(number)", device: name, code: status) }
            ports.append(
                VerbsPort(
                    device: name, number: number, isActive: attributes.state == IBV_PORT_ACTIVE,
                    isEthernet: Int32(attributes.link_layer) == Int32(IBV_LINK_LAYER_ETHERNET), lid: attributes.lid,
                    megabitsPerSecond: VerbsPortChoice.megabits(
                        speed: attributes.active_speed, width: attributes.active_width),
                    mtu: UInt8(clamping: attributes.active_mtu.rawValue),
                    addresses: addresses.filter { $0.port == UInt32(number) }.map(\.address)))
        }
        return ports
    }

    private func addresses() throws(RDMAError) -> [(port: UInt32, address: VerbsAddress)] {
        var entries = [ibv_gid_entry](repeating: ibv_gid_entry(), count: LaneLimits.verbsAddresses)
        let count = mx_verbs_query_addresses(context, &entries, entries.count)
        guard count >= 0 else { throw .system(call: "list its addresses", device: name, code: Int32(-count)) }
        return entries.prefix(count).compactMap { entry in
            guard let kind = VerbsAddress.Kind(rawValue: UInt8(clamping: entry.gid_type)) else { return nil }
            let bytes = withUnsafeBytes(of: entry.gid) { Array($0) }
            return (
                entry.port_num, VerbsAddress(index: Int(entry.gid_index), kind: kind, bytes: Array(bytes.prefix(16)))
            )
        }
    }

    /// Where a partition stands in a port's table.
    func partitionIndex(_ key: UInt16?, port: UInt8) throws(RDMAError) -> UInt16 {
        guard let key else { return 0 }
        var attributes = ibv_port_attr()
        let status = mx_verbs_query_port(context, port, &attributes)
        guard status == 0 else { throw .system(call: "query port \(port)", device: name, code: status) }
        for index in 0..<Int32(attributes.pkey_tbl_len) {
            var entry: UInt16 = 0
            // The upper bit tells full members from limited ones, and is not part of the name.
            if ibv_query_pkey(context, port, index, &entry) == 0, UInt16(bigEndian: entry) & 0x7FFF == key & 0x7FFF {
                return UInt16(index)
            }
        }
        throw .noPartition(device: name, key)
    }
}

/// The numbers of one device. Handles are made once and kept.
struct RDMAMetrics: Sendable {
    let queuePairs: Gauge
    let registeredBytes: Gauge
    let regions: Gauge
    let bytesRead: Counter
    let portEvents: Counter

    init(device: String) {
        let labels = [("device", device)]
        queuePairs = Metrics.shared.gauge(
            "modelexpress_rdma_queue_pairs", help: "Queue pairs of lanes, on either side.", labels: labels)
        registeredBytes = Metrics.shared.gauge(
            "modelexpress_rdma_registered_bytes", help: "Bytes registered with a device, and so locked in memory.",
            labels: labels)
        regions = Metrics.shared.gauge(
            "modelexpress_rdma_regions", help: "Memory regions and windows of a device.", labels: labels)
        bytesRead = Metrics.shared.counter(
            "modelexpress_rdma_read_bytes_total", help: "Bytes that RDMA READs brought here.", labels: labels)
        portEvents = Metrics.shared.counter(
            "modelexpress_rdma_port_events_total", help: "Times that a port went up or down.", labels: labels)
    }
}
