import CLinux
import Glibc
import Records

/// A source's arena, mapped to be read. Only a sealed memory file is mapped: any other could be truncated under us, and reading
/// it would end this process.
///
/// `@unchecked Sendable`: constant after init; the memory is read only, and the source may write to it, so each byte is taken
/// once, by a copy that is verified afterwards.
final class MappedArena: @unchecked Sendable {
    let place: ArenaLayout
    private let bytes: UnsafeRawBufferPointer

    /// Maps what the only descriptor names.
    init(_ descriptors: PassedDescriptors, _ place: ArenaLayout) throws(LaneError) {
        let file = descriptors[0]
        var status = stat()
        guard fstat(file, &status) == 0, mx_is_sealed_shared_memory(file) == 1 else {
            throw .unsuitableDescriptor(storage: "the arena", why: "it is no sealed memory file")
        }
        guard UInt64(max(0, status.st_size)) >= place.size else {
            throw .unsuitableDescriptor(
                storage: "the arena", why: "it has \(status.st_size) bytes instead of \(place.size)")
        }
        let size = Int(max(place.size, 1))
        guard let address = mx_map_shared(file, size, 0) else {
            throw .noResources("an arena of \(size) bytes can't be mapped: \(String(cString: strerror(mx_errno())))")
        }
        self.place = place
        bytes = UnsafeRawBufferPointer(start: address, count: size)
    }

    deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }

    /// The memory of an extent, mapped.
    func memory(of extent: Extent) -> UnsafeRawBufferPointer {
        let start = Int(extent.offset)
        return UnsafeRawBufferPointer(rebasing: bytes[start..<start + extent.length])
    }
}
