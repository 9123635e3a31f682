import CVerbs
import Glibc
import Telemetry

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
        served bytes: UnsafeMutableRawBufferPointer, of owner: AnyObject, in domain: UnsafeMutablePointer<ibv_pd>,
        on device: VerbsDevice, access: ibv_access_flags
    ) throws(RDMAError) {
        guard let region = mx_verbs_register(domain, bytes.baseAddress, bytes.count, access.rawValue) else {
            throw .registering(bytes.count, device.name, errno)
        }
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
