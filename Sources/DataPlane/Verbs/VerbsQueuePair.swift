import CVerbs
import EventThread
import Glibc
import Telemetry

/// One side of a reliable connection between two ports, with its completion queue.
///
/// `@unchecked Sendable`: it has one holder at a time, who got it through a queue's lock from the holder before; what is constant
/// may be read by anybody.
final class VerbsQueuePair: @unchecked Sendable {
    let device: VerbsDevice
    let choice: VerbsChoice
    /// The number of our first packet.
    let sequence: UInt32
    let number: UInt32
    private let settings: VerbsSettings
    /// Not to be used after `destroy`.
    let handle: UnsafeMutablePointer<ibv_qp>
    private let completions: UnsafeMutablePointer<ibv_cq>
    /// Nil on the source's side, where nothing completes after the start.
    private let channel: UnsafeMutablePointer<ibv_comp_channel>?
    private var isDestroyed = false

    /// - Parameters:
    ///   - domain: which memory it can reach on this side.
    ///   - isReadable: whether the other side may read, which is all that it can be allowed here.
    ///   - notifies: whether completions are waited for, on `descriptor`.
    init(
        _ rail: VerbsFabric.Rail, domain: UnsafeMutablePointer<ibv_pd>, settings: VerbsSettings, isReadable: Bool,
        notifies: Bool
    ) throws(RDMAError) {
        device = rail.device
        choice = rail.choice
        self.settings = settings
        let name = rail.device.name
        let partition = try rail.device.partitionIndex(settings.partition, port: rail.choice.port.number)
        let channel = notifies ? ibv_create_comp_channel(rail.device.context) : nil
        if notifies, channel == nil { throw .last("create a completion channel", name) }
        let depth = Int32(LaneLimits.rdmaDepth)
        guard let completions = ibv_create_cq(rail.device.context, depth + 1, nil, channel, 0) else {
            let error = RDMAError.last("create a completion queue", name)
            if let channel { ibv_destroy_comp_channel(channel) }
            throw error
        }
        guard let pair = mx_verbs_create_pair(domain, completions, UInt32(depth)) else {
            let error = RDMAError.last("create a queue pair", name)
            ibv_destroy_cq(completions)
            if let channel { ibv_destroy_comp_channel(channel) }
            throw error
        }
        self.channel = channel
        self.completions = completions
        handle = pair
        number = pair.pointee.qp_num
        var generator = SystemRandomNumberGenerator()
        sequence = UInt32.random(in: 0..<1 << 24, using: &generator)
        device.metrics.queuePairs.add(1)
        if let channel { _ = fcntl(channel.pointee.fd, F_SETFL, fcntl(channel.pointee.fd, F_GETFL) | O_NONBLOCK) }
        let access = isReadable ? UInt32(IBV_ACCESS_REMOTE_READ.rawValue) : 0
        let status = mx_verbs_initialize(pair, choice.port.number, partition, access)
        guard status == 0 else {
            destroy()
            throw .system(call: "initialise a queue pair", device: name, code: status)
        }
    }

    deinit { destroy() }

    /// What the other side must know.
    var end: VerbsEnd {
        VerbsEnd(
            kind: choice.address.kind, mtu: choice.port.mtu, depth: device.responderDepth, lid: choice.port.lid,
            address: choice.address.bytes, queuePair: number, sequence: sequence)
    }

    func connect(to remote: VerbsEnd) throws(RDMAError) {
        var path = mx_verbs_path()
        path.port = choice.port.number
        path.gid_index = UInt8(clamping: choice.address.index)
        path.is_global = choice.port.isEthernet || settings.gidIndex != nil ? 1 : 0
        path.traffic_class = settings.trafficClass
        path.service_level = settings.serviceLevel
        path.mtu = min(remote.mtu, choice.port.mtu)
        withUnsafeMutableBytes(of: &path.remote_gid) { $0.copyBytes(from: remote.address) }
        path.remote_lid = remote.lid
        path.remote_queue_pair = remote.queuePair
        path.remote_sequence = remote.sequence
        path.local_sequence = sequence
        path.responder_depth = device.responderDepth
        path.initiator_depth = min(device.initiatorDepth, remote.depth)
        path.timeout = LaneLimits.verbsTimeout
        path.retries = LaneLimits.verbsRetries
        let status = mx_verbs_connect(handle, &path)
        guard status == 0 else {
            throw .system(call: "connect a queue pair to \(remote.text)", device: device.name, code: status)
        }
    }

    // MARK: Reading

    /// Posts one read. Not after `destroy`.
    func read(_ segment: RDMASchedule.Segment, id: UInt64, localKey: UInt32, remoteKey: UInt32) -> Int32 {
        mx_verbs_post_read(
            handle, id, segment.local, localKey, UInt32(segment.length), segment.remote, remoteKey)
    }

    /// Opens the first `length` bytes of a region to the other side, and to nobody else; returns the key.
    func open(
        _ window: UnsafeMutablePointer<ibv_mw>, of region: UnsafeMutablePointer<ibv_mr>, length: Int
    ) throws(RDMAError) -> UInt32 {
        var key: UInt32 = 0
        let status = mx_verbs_bind_window(handle, window, region, UInt64(length), &key)
        guard status == 0 else { throw .system(call: "open a memory window", device: device.name, code: status) }
        // The device does it at once: nothing travels for it.
        var completion = ibv_wc()
        let deadline = MonotonicClock.now() + LaneLimits.verbsProbe
        while ibv_poll_cq(completions, 1, &completion) == 0 {
            guard MonotonicClock.now() < deadline else {
                throw .system(call: "open a memory window", device: device.name, code: ETIMEDOUT)
            }
        }
        guard completion.status == IBV_WC_SUCCESS else {
            throw .system(call: "open a memory window (\(completion.text))", device: device.name, code: EIO)
        }
        return key
    }

    /// Calls `body` for what has completed, at most a batch. Returns how many there were.
    func poll(_ body: (ibv_wc) -> Void) -> Int {
        guard !isDestroyed else { return 0 }
        return withUnsafeTemporaryAllocation(of: ibv_wc.self, capacity: LaneLimits.verbsCompletions) { batch in
            let count = max(0, Int(ibv_poll_cq(completions, Int32(batch.count), batch.baseAddress)))
            for completion in batch[..<count] { body(completion) }
            return count
        }
    }

    /// Becomes readable after `arm` when something completes; nil without notification.
    var descriptor: Int32? { isDestroyed ? nil : channel?.pointee.fd }

    func arm() { if !isDestroyed { ibv_req_notify_cq(completions, 0) } }

    /// Takes the notices of `descriptor`.
    func acknowledge() {
        guard !isDestroyed, let channel else { return }
        var queue: UnsafeMutablePointer<ibv_cq>?
        var context: UnsafeMutableRawPointer?
        while ibv_get_cq_event(channel, &queue, &context) == 0 {
            if let queue { ibv_ack_cq_events(queue, 1) }
        }
    }

    /// Ends it on this side: no byte goes to or from our memory through it any more. Again does nothing.
    func destroy() {
        guard !isDestroyed else { return }
        acknowledge()
        isDestroyed = true
        ibv_destroy_qp(handle)
        ibv_destroy_cq(completions)
        if let channel { ibv_destroy_comp_channel(channel) }
        device.metrics.queuePairs.add(-1)
    }
}

extension VerbsEnd {
    /// For errors.
    var text: String { VerbsAddress(index: 0, kind: kind, bytes: address).text }
}

extension ibv_wc {
    /// For errors.
    var text: String { ibv_wc_status_str(status).map { String(cString: $0) } ?? "status \(status.rawValue)" }
}
