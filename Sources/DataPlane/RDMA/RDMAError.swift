import CVerbs
import Glibc

/// Why RDMA can't be used here, or for one piece of memory or one lease.
package enum RDMAError: Error, Hashable, Sendable {
    /// No port that could be used; each with the reason.
    case noPort([String])
    case system(call: String, device: String, code: Int32)
    /// The kernel refused to lock so much memory.
    case lockedMemory(device: String, bytes: Int, limit: UInt64, code: Int32)
    case noPartition(device: String, UInt16)
    /// What is served lies in another device, and this one, or the kernel, can't read there.
    case noDMABuffers(device: String)
    /// A device can't read this content.
    case unreadable
    /// None of the other side's ports can be reached from ours.
    case noRail(String)
    /// The source does without UCX.
    case notTrusted
    /// The UCX library is not there, or too old.
    case noUCX(String)
    case ucx(call: String, device: String, reason: String)
    /// Of the transports that UCX was told to use, or chose, these don't read memory by RDMA.
    case notRDMA(device: String, transports: String)
    /// A variable of UCX that the operator set leaves nothing to use.
    case variable(String, why: String)

    static func last(_ call: String, _ device: String) -> RDMAError {
        .system(call: call, device: device, code: errno)
    }

    /// Why memory could not be registered: ENOMEM and its like mean the limit of locked memory, nearly always.
    static func registering(_ bytes: Int, _ device: String, _ code: Int32) -> RDMAError {
        guard [ENOMEM, EAGAIN, EPERM].contains(code) else {
            return .system(call: "register \(bytes) bytes", device: device, code: code)
        }
        var limits = rlimit()
        let isKnown = getrlimit(__rlimit_resource_t(8), &limits) == 0
        return .lockedMemory(device: device, bytes: bytes, limit: isKnown ? UInt64(limits.rlim_cur) : .max, code: code)
    }
}

extension RDMAError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noPort(let reasons):
            reasons.isEmpty
                ? "this host has no RDMA device" : "no RDMA port can be used: \(reasons.joined(separator: "; "))"
        case .system(let call, let device, let code):
            "\(device): can't \(call): \(String(cString: strerror(code)))"
        case .lockedMemory(let device, let bytes, let limit, let code):
            "\(device): \(bytes) bytes can't be locked in memory (\(String(cString: strerror(code)))); the limit is "
                + (limit == .max ? "none, so memory itself is short" : "\(limit) bytes")
                + ". Raise it: `ulimit -l unlimited`, LimitMEMLOCK=infinity in a systemd unit, or the capability "
                + "IPC_LOCK of a container"
        case .noPartition(let device, let key):
            "\(device) is in no partition 0x\(String(key, radix: 16)); set MX_RDMA_PKEY to one of its own"
        case .noDMABuffers(let device):
            "\(device) can't read memory of other devices: that needs Linux 5.12 and a driver that takes DMA buffers "
                + "(mlx5, efa, irdma); serve a copy in host memory (MX_ARENA=staged)"
        case .unreadable: "this content is served from files, which a device can't read; serve it with --in-memory"
        case .noRail(let why): "no RDMA port here reaches the other side: \(why)"
        case .notTrusted: "the source has no UCX lane: that needs MX_FABRIC=trusted there too, and UCX"
        case .noUCX(let why): "UCX can't be loaded: \(why); install Debian's libucx0, or a later one"
        case .ucx(let call, let device, let reason): "\(device): UCX can't \(call): \(reason)"
        case .notRDMA(let device, let transports):
            "\(device): UCX would read over \(transports), which is no RDMA but emulated, and open to anybody; "
                + "leave UCX_TLS unset, or name rc or dc only"
        case .variable(let name, let why): "\(name): \(why)"
        }
    }
}
