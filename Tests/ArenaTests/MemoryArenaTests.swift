import Arena
import CLinux
import Glibc
import Records
import Testing
import Transfer

@Suite("Memory arenas")
struct MemoryArenaTests {
    private func layout(_ sizes: [UInt64]) throws -> Layout {
        try Layout(
            storages: sizes.enumerated().map { Storage(name: "storage-\($0)", size: $1) }, chunkSize: 4096)
    }

    @Test("An arena is zeroed, and what is written is read through its descriptor where the layout says")
    func writesAreSeen() throws {
        let arena = try MemoryArena(layout: layout([3, 4096, 100]))
        let place = try #require(arena.arena)
        #expect(place.starts == [0, 64, 4160])
        #expect(arena.memory(ofStorage: 1).allSatisfy { $0 == 0 })
        let chunk = [UInt8](repeating: 7, count: 4096)
        try chunk.withUnsafeBytes { try arena.write(chunk: 0, bytes: $0) }
        var bytes = [UInt8](repeating: 1, count: 4260)
        #expect(pread(arena.readDescriptor(forStorage: 2), &bytes, bytes.count, 0) == 4260)
        let expected = (0..<4260).map { UInt8($0 < 3 || (64..<64 + 4093).contains($0) ? 7 : 0) }
        #expect(bytes == expected)
    }

    @Test("Nobody can write to it through its descriptor, shrink it, or open it for writing and map it")
    func sealed() throws {
        let arena = try MemoryArena(layout: layout([10_000]))
        let descriptor = arena.readDescriptor(forStorage: 0)
        #expect(mx_is_sealed_shared_memory(descriptor) == 1)
        #expect(write(descriptor, "x", 1) < 0)
        let again = mx_open("/proc/self/fd/\(descriptor)", O_RDWR, 0)
        defer { close(again) }
        if again >= 0 {
            #expect(ftruncate(again, 0) < 0)
            #expect(mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0) == MAP_FAILED)
            #expect(pwrite(again, "x", 1, 0) < 0)
        }
    }

    @Test("Content that memory can't hold is refused with both sizes, before anything is taken")
    func tooLarge() throws {
        let huge = try Layout(
            storages: [Storage(name: "huge", size: 1 << 44)], chunkSize: ManifestLimits.chunkSizes.upperBound)
        do {
            _ = try MemoryArena(layout: huge)
            Issue.record("16 TiB were had")
        } catch ArenaError.noMemory(let needed, let available) {
            #expect(needed == 1 << 44 && available < needed)
        }
    }

    @Test("Storages that touch are one extent of a chunk, others are their own")
    func extents() throws {
        let layout = try layout([64, 64, 10, 64])
        let place = try #require(ArenaLayout(layout, alignment: 64))
        let extents = place.extents(ofChunk: 0, in: layout)
        #expect(extents.map(\.offset) == [0, 192])
        #expect(extents.map(\.length) == [138, 64])
        #expect(ArenaLayout(layout, alignment: 0) == nil)
        #expect(ArenaLayout(layout, alignment: 48) == nil)
    }
}
