import CUCX
import EventThread
import Telemetry

/// UCX on one port: a context, which memory is registered with, and the worker that reads.
///
/// `@unchecked Sendable`: the context may be used on any thread; what changes is touched on the fabric's alone.
final class UCXDevice: @unchecked Sendable {
    let choice: VerbsChoice
    let context: OpaquePointer
    let metrics: RDMAMetrics
    let endpoints: Gauge
    let workers: Gauge
    /// Of ours, reads that have not ended.
    var inFlight = 0

    init(_ choice: VerbsChoice, _ entries: [UCXSettings.Entry]) throws(RDMAError) {
        self.choice = choice
        var context: OpaquePointer?
        let opened = Self.withSettings(entries) { mx_ucx_open($0.baseAddress, $0.count, &context) }
        guard opened == 0, let context else {
            throw .ucx(call: "open the port", device: choice.port.name, reason: UCXLibrary.text(opened))
        }
        self.context = context
        metrics = RDMAMetrics(device: choice.port.device)
        let labels = [("device", choice.port.device)]
        endpoints = Metrics.shared.gauge(
            "modelexpress_ucx_endpoints", help: "Endpoints of UCX lanes that read here.", labels: labels)
        workers = Metrics.shared.gauge(
            "modelexpress_ucx_workers",
            help: "Workers of UCX: one that reads, one for each lease that is served, and one for the next.",
            labels: labels)
    }

    deinit { mx_ucx_close(context) }

    private static func withSettings<Result>(
        _ entries: [UCXSettings.Entry], _ body: (UnsafeBufferPointer<mx_ucx_setting>) -> Result
    ) -> Result {
        func pass(
            _ rest: ArraySlice<UCXSettings.Entry>, _ done: [mx_ucx_setting]
        ) -> Result {
            guard let entry = rest.first else { return done.withUnsafeBufferPointer(body) }
            return entry.name.withCString { name in
                entry.value.withCString { value in
                    pass(rest.dropFirst(), done + [mx_ucx_setting(name: name, value: value)])
                }
            }
        }
        return pass(entries[...], [])
    }
}

/// A worker of UCX: endpoints belong to it, and end with it.
///
/// `@unchecked Sendable`: after init it is used on the fabric's thread alone, until nobody has it; its address is constant.
final class UCXWorker: @unchecked Sendable {
    let device: UCXDevice
    let handle: OpaquePointer
    /// Readable when there is something to do.
    let descriptor: Int32
    /// By which others reach it.
    let address: [UInt8]

    /// Any thread. Blocks for some milliseconds.
    init(on device: UCXDevice) throws(RDMAError) {
        let name = device.choice.port.name
        var worker: OpaquePointer?
        let created = mx_ucx_worker_create(device.context, &worker)
        guard created == 0, let worker else {
            throw .ucx(call: "start a worker", device: name, reason: UCXLibrary.text(created))
        }
        var descriptor: Int32 = -1
        let watched = mx_ucx_worker_descriptor(worker, &descriptor)
        var address = [UInt8](repeating: 0, count: LaneLimits.ucxAddress)
        let length = mx_ucx_worker_address(worker, &address, address.count)
        guard watched == 0, length > 0 else {
            mx_ucx_worker_destroy(worker)
            let reason = UCXLibrary.text(watched == 0 ? Int32(length) : watched)
            throw .ucx(call: "tell its address", device: name, reason: reason)
        }
        self.device = device
        handle = worker
        self.descriptor = descriptor
        self.address = Array(address.prefix(length))
        device.workers.add(1)
    }

    deinit {
        mx_ucx_worker_destroy(handle)
        device.workers.add(-1)
    }

    /// Brings what has come to its handlers. Whether there was anything.
    func progress() -> Bool {
        var count = 0
        while count < LaneLimits.ucxProgress, mx_ucx_progress(handle) != 0 { count += 1 }
        return count > 0
    }

    /// Whether `descriptor` tells of whatever comes from now on; false when something has come already.
    func arm() -> Bool { mx_ucx_arm(handle) == 0 }
}

/// Memory registered through UCX, which lets whoever has its packed key read and write it, whatever we want.
///
/// `@unchecked Sendable`: constant, and UCX lets any thread unmap it.
final class UCXRegion: RegisteredMemory, @unchecked Sendable {
    /// UCX finds the registration by the address.
    let localKey: UInt32 = 0
    /// Bytes.
    private let length: Int
    private let memory: OpaquePointer
    private let device: UCXDevice
    /// Keeps the memory.
    private let owner: AnyObject

    /// Blocks for as long as registering takes.
    init(_ bytes: UnsafeMutableRawBufferPointer, of owner: AnyObject, on device: UCXDevice) throws(RDMAError) {
        var memory: OpaquePointer?
        let status = mx_ucx_map(device.context, bytes.baseAddress, bytes.count, &memory)
        guard status == 0, let memory else {
            throw .ucx(
                call: "register \(bytes.count) bytes", device: device.choice.port.name,
                reason:
                    "\(UCXLibrary.text(status)); the limit of locked memory may be too low (`ulimit -l`), or the memory "
                    + "mapped for reading only")
        }
        self.memory = memory
        self.owner = owner
        self.device = device
        length = bytes.count
        device.metrics.regions.add(1)
        device.metrics.registeredBytes.add(Double(length))
    }

    deinit {
        mx_ucx_unmap(device.context, memory)
        device.metrics.regions.add(-1)
        device.metrics.registeredBytes.add(-Double(length))
    }

    /// What others need to read it.
    func packedKey() throws(RDMAError) -> [UInt8] {
        var key = [UInt8](repeating: 0, count: LaneLimits.ucxKey)
        let length = mx_ucx_pack(device.context, memory, &key, key.count)
        guard length > 0 else {
            throw .ucx(call: "pack a key", device: device.choice.port.name, reason: UCXLibrary.text(Int32(length)))
        }
        return Array(key.prefix(length))
    }
}
