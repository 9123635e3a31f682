import Arena
import CLinux
import DataPlane
import Digest
import Glibc
import Records
import Telemetry
import Testing
import Transfer

@Suite("Lanes move memory")
struct ArenaLaneTests {
    /// Storages that touch and storages that don't, at any alignment; one is empty.
    static let sizes = [1, 64, 4096, 0, 5000, 64, 64, 12_288, 7]

    static func layout(_ sizes: [Int], chunkSize: UInt64 = 4096) throws -> Layout {
        try Layout(
            storages: sizes.enumerated().map {
                Storage(name: "storage-\(String($0 + 10_000).suffix(4))", size: UInt64($1))
            },
            chunkSize: chunkSize)
    }

    /// An arena full of bytes that repeat nowhere near, and those bytes end to end.
    static func filled(_ layout: Layout, alignment: UInt64 = 64) throws -> (MemoryArena, [UInt8]) {
        let arena = try MemoryArena(layout: layout, alignment: alignment)
        let bytes = FileContent.pattern(Int(layout.totalBytes), seed: 11)
        for chunk in 0..<layout.chunkCount {
            let start = chunk * Int(layout.chunkSize)
            try bytes[start..<start + layout.length(ofChunk: chunk)].withUnsafeBytes {
                try arena.write(chunk: chunk, bytes: $0)
            }
        }
        return (arena, bytes)
    }

    static func content(of arena: MemoryArena) -> [UInt8] {
        (0..<arena.layout.storages.count).flatMap { Array(arena.memory(ofStorage: $0)) }
    }

    @Test(
        "Every byte of an arena arrives where it belongs in another one", arguments: LaneTransferTests.lanes,
        [(LaneIntegrity.full, UInt64(1)), (.full, 64), (.crc, 4096)])
    func arenaToArena(_ kind: LaneKind, _ how: (integrity: LaneIntegrity, alignment: UInt64)) async throws {
        let layout = try Self.layout(Self.sizes)
        let (source, bytes) = try Self.filled(layout)
        let target = try MemoryArena(layout: layout, alignment: how.alignment)
        let rig = try LaneRig(TemporaryFolder(), source, bytes, sink: target)
        let lane = try rig.open(kind, integrity: how.integrity)
        rig.readAll(lane)
        #expect(await eventually { rig.events.outcomes == layout.chunkCount })
        #expect(rig.events.failures.isEmpty)
        #expect(Self.content(of: target) == bytes)
        lane.close()
        #expect(await eventually { rig.events.isClosed })
        await rig.tearDown()
    }

    @Test(
        "A chunk of very many little storages goes through a buffer, and arrives as well",
        arguments: LaneTransferTests.lanes)
    func littleStorages(_ kind: LaneKind) async throws {
        // Nine bytes each at an alignment of 64: no two touch.
        let layout = try Self.layout([Int](repeating: 9, count: 1000))
        let (source, bytes) = try Self.filled(layout)
        let target = try MemoryArena(layout: layout)
        let rig = try LaneRig(TemporaryFolder(), source, bytes, sink: target)
        let lane = try rig.open(kind)
        rig.readAll(lane)
        #expect(await eventually { rig.events.outcomes == layout.chunkCount })
        #expect(rig.events.failures.isEmpty)
        #expect(Self.content(of: target) == bytes)
        lane.close()
        await rig.tearDown()
    }

    @Test(
        "A bounced chunk is nowhere until it is placed, also when its lane has ended",
        arguments: LaneTransferTests.lanes)
    func bounce(_ kind: LaneKind) async throws {
        let layout = try Self.layout([9000])
        let (source, bytes) = try Self.filled(layout)
        let target = try MemoryArena(layout: layout)
        let rig = try LaneRig(TemporaryFolder(), source, bytes, sink: target)
        let lane = try rig.open(kind)
        lane.read(LaneRead(chunk: 1, into: .bounce))
        #expect(await eventually { rig.events.outcomes == 1 })
        lane.close()
        #expect(await eventually { rig.events.isClosed })
        let nothing = [UInt8](repeating: 0, count: 9000)
        #expect(Self.content(of: target) == nothing)
        let bounced = rig.events.all.compactMap { if case .bounced(_, 1, 4096, let chunk) = $0 { chunk } else { nil } }
        try #require(bounced.count == 1)
        try bounced[0].place(in: target)
        #expect(Array(Self.content(of: target)[4096..<8192]) == Array(bytes[4096..<8192]))
        await rig.tearDown()
    }

    @Test("Memory that changes while it is read is never taken for verified", arguments: LaneTransferTests.lanes)
    func bitFlips(_ kind: LaneKind) async throws {
        let layout = try Self.layout([65_536], chunkSize: 65_536)
        let (source, bytes) = try Self.filled(layout)
        let target = try MemoryArena(layout: layout)
        let rig = try LaneRig(TemporaryFolder(), source, bytes, sink: target)
        let isDone = Guarded(false)
        async let flipping: Void = offPool {
            let memory = source.memory(ofStorage: 0)
            while !isDone.withLock({ $0 }) { memory[40_000] ^= 0x10 }
        }
        let lane = try rig.open(kind)
        var verified = 0
        for round in 1...200 {
            lane.read(chunk: 0)
            #expect(await eventually { rig.events.outcomes == round })
            guard rig.events.verified.count > verified else { continue }
            verified = rig.events.verified.count
            #expect(Self.content(of: target) == bytes)
        }
        isDone.withLock { $0 = true }
        await flipping
        for failure in rig.events.failures.values {
            if case .crcMismatch = failure {} else { Issue.record("\(failure)") }
        }
        lane.close()
        await rig.tearDown()
    }

    @Test("Nothing lands in memory once the lane has said that it is closed")
    func nothingLandsLate() async throws {
        let layout = try Self.layout([8 * 1024 * 1024], chunkSize: 1024 * 1024)
        let (source, bytes) = try Self.filled(layout)
        let target = try MemoryArena(layout: layout)
        // So slow that chunks are under way when the lane closes.
        let rig = try LaneRig(TemporaryFolder(), source, bytes, sink: target) { $0.bytesPerSecond = 20_000_000 }
        let lane = try rig.open(.tcp)
        rig.readAll(lane)
        #expect(await eventually { rig.events.outcomes >= 2 })
        lane.close()
        #expect(await eventually { rig.events.isClosed })
        let mark = [UInt8](repeating: 0xA5, count: bytes.count)
        mark.withUnsafeBytes { target.memory(ofStorage: 0).copyMemory(from: $0) }
        // That nothing comes is no event to wait for: four times as long as a chunk takes at this rate.
        try await Task.sleep(nanoseconds: 200_000_000)
        #expect(Self.content(of: target) == mark)
        #expect(rig.events.all.contains { if case .arrived = $0 { true } else { false } })
        await rig.tearDown()
    }

    @Test("Memory that its owner could truncate under the reader is refused, and so is an arena that is too small")
    func unsuitableArenas() async throws {
        let layout = try Self.layout([10_000])
        let bytes = FileContent.pattern(10_000, seed: 11)
        for (sealed, size) in [(false, 10_000), (true, 9999)] {
            let content = try LooseArena(layout: layout, size: size, sealed: sealed)
            let rig = try LaneRig(TemporaryFolder(), content, bytes, sink: MemorySink())
            let lane = try rig.open(.sharedMemory)
            #expect(await eventually { rig.events.openFailure != nil })
            if case .unsuitableDescriptor = rig.events.openFailure {
            } else {
                Issue.record("\(String(describing: rig.events.openFailure))")
            }
            lane.close()
            await rig.tearDown()
        }
    }
}

/// Claims to be an arena, and is a memory file of any size, sealed or not.
private final class LooseArena: StorageContent {
    let layout: Layout
    let arena: ArenaLayout?
    private let descriptor: Int32

    init(layout: Layout, size: Int, sealed: Bool) throws {
        self.layout = layout
        arena = ArenaLayout(layout, alignment: 64)
        let file = mx_memfd_create("loose")
        guard file >= 0, ftruncate(file, off_t(size)) == 0, !sealed || mx_seal_shared_memory(file) == 0 else {
            throw TestFailure("no memory file: errno \(errno)")
        }
        descriptor = mx_open("/proc/self/fd/\(file)", O_RDONLY, 0)
        close(file)
    }

    deinit { close(descriptor) }

    func readDescriptor(forStorage index: Int) -> Int32 { descriptor }
}
