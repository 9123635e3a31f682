import CVerbs
import Glibc
import Telemetry
import Transfer

/// Where the bytes are that a source serves.
enum ServedMemory {
    case host(UnsafeMutableRawBufferPointer)
    case device(DMABuffer)

    /// Nil for content that no device can read.
    init?(_ content: any StorageContent) {
        if let buffer = content.arenaBuffer {
            self = .device(buffer)
        } else if let memory = content.arenaMemory {
            self = .host(memory)
        } else {
            return nil
        }
        if count == 0 { return nil }
    }

    /// Bytes.
    var count: Int {
        switch self {
        case .host(let bytes): bytes.count
        case .device(let buffer): buffer.length
        }
    }
}

/// Memory registered with a device. Deregistered with the last reference.
///
/// `@unchecked Sendable`: constant after init, and libibverbs lets any thread use it.
final class VerbsRegion: RegisteredMemory, @unchecked Sendable {
    let region: UnsafeMutablePointer<ibv_mr>
    let device: VerbsDevice
    var localKey: UInt32 { region.pointee.lkey }
    /// Keeps the memory.
    private let owner: AnyObject

    /// Memory of this process that reads are to fill.
    convenience init(
        filled bytes: UnsafeMutableRawBufferPointer, of owner: AnyObject, on device: VerbsDevice
    ) throws(RDMAError) {
        guard let region = mx_verbs_register_local(device.domain, bytes.baseAddress, bytes.count) else {
            throw .registering(bytes.count, device.name, errno)
        }
        self.init(adopting: region, owner, device)
    }

    /// Memory that others are to read, as addresses from 0 on. `access` says what the region's own key allows them.
    convenience init(
        _ memory: ServedMemory, of owner: AnyObject, in domain: UnsafeMutablePointer<ibv_pd>,
        on device: VerbsDevice, access: ibv_access_flags
    ) throws(RDMAError) {
        let region: UnsafeMutablePointer<ibv_mr>?
        switch memory {
        case .host(let bytes):
            region = mx_verbs_register(domain, bytes.baseAddress, bytes.count, access.rawValue)
        case .device(let buffer):
            guard device.takesDMABuffers else { throw .noDMABuffers(device: device.name) }
            region = mx_verbs_register_buffer(
                domain, buffer.descriptor, buffer.offset, buffer.length, Int32(access.rawValue))
        }
        guard let region else { throw .registering(memory.count, device.name, errno) }
        self.init(adopting: region, owner, device)
    }

    private init(adopting region: UnsafeMutablePointer<ibv_mr>, _ owner: AnyObject, _ device: VerbsDevice) {
        self.region = region
        self.owner = owner
        self.device = device
        device.metrics.regions.add(1)
        device.metrics.registeredBytes.add(Double(region.pointee.length))
    }

    deinit {
        device.metrics.regions.add(-1)
        device.metrics.registeredBytes.add(-Double(region.pointee.length))
        ibv_dereg_mr(region)
    }
}
