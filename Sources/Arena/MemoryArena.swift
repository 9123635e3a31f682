import CLinux
import Glibc
package import Records
import Transfer

/// Content in memory: all storages in one memory file, which other processes of this host may read in place, and RDMA devices
/// may read without a copy.
///
/// The file is sealed: its size is final, and nobody but those who mapped it before can write to it. The mapping ends with the
/// object, so whoever holds memory of it holds the object.
///
/// `@unchecked Sendable`: what is stored is constant. The memory is written by one lane at a time for each chunk, and by nobody
/// once the chunk was verified; readers take chunks that are verified.
package final class MemoryArena: StorageContent, ChunkSink, @unchecked Sendable {
    /// Storages begin at cache lines, which also suits every tensor's type.
    package static let defaultAlignment: UInt64 = 64
    /// Left to everybody else when an arena is made, bytes.
    private static let reserve: UInt64 = 64 * 1024 * 1024
    /// Memory that is taken at a time when all of it is, bytes.
    private static let populatedSlice = 64 * 1024 * 1024

    package let layout: Layout
    private let place: ArenaLayout
    private let bytes: UnsafeMutableRawBufferPointer
    private let writing: Int32
    private let reading: Int32
    private let isPopulated: Bool
    private let isWritable: Bool

    package var arena: ArenaLayout? { place }
    package var arenaMemory: UnsafeMutableRawBufferPointer? { bytes }
    package var mapping: UnsafeMutableRawBufferPointer? { bytes }

    /// Makes an arena of zeros. Its memory is taken chunk by chunk as they are written, since the kernel clears about a gigabyte
    /// a second: a pull should not wait for that before its first byte.
    ///
    /// - Parameter isPopulated: take all memory now, and block for as long as that takes.
    package init(
        layout: Layout, alignment: UInt64 = defaultAlignment, isPopulated: Bool = false
    ) throws(ArenaError) {
        guard let place = ArenaLayout(layout, alignment: alignment) else { throw .badLayout }
        if let available = AvailableMemory.bytes(), place.size > available - min(available, Self.reserve) {
            throw .noMemory(needed: place.size, available: available)
        }
        let file = mx_memfd_create("modelexpress-arena")
        guard file >= 0 else { throw .failed("make a memory file") }
        var kept = false
        defer { if !kept { close(file) } }
        // An empty mapping is none.
        let size = Int(max(place.size, 1))
        guard ftruncate(file, off_t(size)) == 0 else { throw .failed("size a memory file") }
        guard let address = mx_map_shared(file, size, 1) else { throw .failed("map \(size) bytes") }
        defer { if !kept { munmap(address, size) } }
        guard mx_seal_shared_memory(file) == 0 else { throw .failed("seal a memory file") }
        let mapped = UnsafeMutableRawBufferPointer(start: address, count: size)
        if isPopulated {
            for start in stride(from: 0, to: size, by: Self.populatedSlice) {
                try Self.populate(start..<min(start + Self.populatedSlice, size), of: mapped)
            }
        }
        let reading = mx_open("/proc/self/fd/\(file)", O_RDONLY, 0)
        guard reading >= 0 else { throw .failed("open a memory file for reading") }
        // Nothing is thrown from here on: the object owns all of it.
        self.layout = layout
        self.place = place
        self.isPopulated = isPopulated
        isWritable = true
        self.reading = reading
        writing = file
        bytes = mapped
        kept = true
    }

    /// Takes part in an arena that another process made: an engine, whose weights it holds or shall hold.
    ///
    /// - Parameters:
    ///   - descriptor: of its memory file, whose size must be sealed; closed with the object, or when this throws.
    ///   - isWritable: to fill it. Whoever made it seals it against writing once all who fill it have made their mapping.
    package init(
        adopting descriptor: Int32, layout: Layout, alignment: UInt64 = defaultAlignment, isWritable: Bool
    ) throws(ArenaError) {
        var kept = false
        defer { if !kept { close(descriptor) } }
        guard let place = ArenaLayout(layout, alignment: alignment) else { throw .badLayout }
        let size = Int(max(place.size, 1))
        var file = stat()
        guard fstat(descriptor, &file) == 0, Int(file.st_size) == size, mx_has_sealed_size(descriptor) == 1 else {
            throw .notSealed
        }
        guard let address = mx_map_shared(descriptor, size, isWritable ? 1 : 0) else {
            throw .failed("map \(size) bytes")
        }
        defer { if !kept { munmap(address, size) } }
        let reading = mx_open("/proc/self/fd/\(descriptor)", O_RDONLY, 0)
        guard reading >= 0 else { throw .failed("open a memory file for reading") }
        self.layout = layout
        self.place = place
        self.isWritable = isWritable
        isPopulated = false
        self.reading = reading
        writing = descriptor
        bytes = UnsafeMutableRawBufferPointer(start: address, count: size)
        kept = true
    }

    deinit {
        munmap(bytes.baseAddress, bytes.count)
        close(reading)
        close(writing)
    }

    package func readDescriptor(forStorage index: Int) -> Int32 { reading }

    package func memory(ofChunk chunk: Int) throws(ArenaError) -> [UnsafeMutableRawBufferPointer]? {
        precondition(isWritable, "the arena is mapped for reading only")
        let extents = place.extents(ofChunk: chunk, in: layout)
        if !isPopulated, let first = extents.first, let last = extents.last {
            try Self.populate(Int(first.offset)..<Int(last.offset) + last.length, of: bytes)
        }
        return extents.map(memory(of:))
    }

    /// What is in a chunk, in order.
    package func bytes(ofChunk chunk: Int) -> [UnsafeRawBufferPointer] {
        place.extents(ofChunk: chunk, in: layout).map { UnsafeRawBufferPointer(memory(of: $0)) }
    }

    /// Takes the memory of a range that is about to be written, with an error where a mere write would end the process. A
    /// kernel that doesn't know how (before Linux 5.14) takes it page by page then.
    private static func populate(
        _ range: Range<Int>, of bytes: UnsafeMutableRawBufferPointer
    ) throws(ArenaError) {
        guard let start = bytes.baseAddress, !range.isEmpty else { return }
        let begin = range.lowerBound / Int(getpagesize()) * Int(getpagesize())
        let code = mx_populate_for_writing(start + begin, range.upperBound - begin)
        if code != 0, code != EINVAL { throw .system(action: "take \(range.count) bytes of memory", code: code) }
    }

    /// The memory of one storage.
    package func memory(ofStorage index: Int) -> UnsafeMutableRawBufferPointer {
        let start = Int(place.starts[index])
        return UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + Int(layout.storages[index].size)])
    }

    package func write(chunk: Int, bytes: UnsafeRawBufferPointer) throws(ArenaError) {
        let parts = try memory(ofChunk: chunk) ?? []
        var rest = bytes[...]
        for part in parts {
            part.copyMemory(from: UnsafeRawBufferPointer(rebasing: rest.prefix(part.count)))
            rest = rest.dropFirst(part.count)
        }
    }

    private func memory(of extent: Extent) -> UnsafeMutableRawBufferPointer {
        let start = Int(extent.offset)
        return UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + extent.length])
    }
}
